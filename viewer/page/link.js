// The part of the address after #: which model, how large, which seed, and the settings.

import { MAPS } from "../lib/spec.js";
import { speedAt } from "./pace.js";

const TOOLS = ["turn", "erase", "draw", "seed", "paint"];
const LIGHTS = ["flat"];
const BRUSHES = ["small", "medium", "large"];
const ENGINES = ["webgl", "wasm"];
const SMALLEST = 16;
const LARGEST = 512;
const LEAST_ZOOM = 0.5; // of a mesh; a grid is never seen from farther than whole

const whole = (low, high) => (text) => {
  const value = Number(text);
  return /^\d{1,10}$/.test(text) && value >= low && value <= high ? value : undefined;
};
const oneOf = (words) => (text) => (words.includes(text) ? text : undefined);
const colour = (text) => (/^[0-9a-f]{6}$/.test(text) ? `#${text}` : undefined);
const view = (text) => {
  const parts = /^(0|0\.\d{1,6}),(0|0\.\d{1,6}),(\d{1,4}(?:\.\d{1,3})?)$/.exec(text)?.slice(1).map(Number);
  return parts && parts[2] >= LEAST_ZOOM ? { left: parts[0], top: parts[1], span: 1 / parts[2] } : undefined;
};
const ground = (text) => (text === "transparent" ? text : colour(text));

const READ = {
  model: (text) => text,
  target: (text) => text,
  size: whole(SMALLEST, LARGEST),
  seed: whole(0, 2 ** 32 - 1),
  speed: whole(1, speedAt(3)),
  channel: whole(0, 63),
  map: oneOf(Object.keys(MAPS)),
  tool: oneOf(TOOLS),
  brush: oneOf(BRUSHES),
  ink: colour,
  ground,
  light: oneOf(LIGHTS),
  view,
  play: oneOf(["no"]),
  engine: oneOf(ENGINES),
};

/**
 * Read a link's settings.
 * @param {string} hash with or without its #.
 * @returns {{settings: object, refused: string[]}} the values that are valid, and the names of those that are not.
 */
export function readLink(hash) {
  const settings = {};
  const refused = [];
  for (const [name, text] of new URLSearchParams(hash.replace(/^#/, ""))) {
    if (!Object.hasOwn(READ, name)) continue; // of another petri, or somebody's tracking
    const value = READ[name](text);
    if (value === undefined) refused.push(name);
    else settings[name] = value;
  }
  return { settings, refused };
}

/** What is seen, as a link has it; null for what is seen at first. */
export function viewInLink({ left, top, zoom, moved }) {
  return moved ? `${+left.toFixed(6)},${+top.toFixed(6)},${+zoom.toFixed(3)}` : null;
}

/** Write settings as a hash; those that are null or undefined are left out. */
export function writeLink(settings) {
  const words = new URLSearchParams();
  for (const name of Object.keys(READ)) {
    const value = settings[name];
    if (value !== null && value !== undefined) words.set(name, String(value).replace(/^#(?=[0-9a-f]{6}$)/, ""));
  }
  return `#${words}`;
}
