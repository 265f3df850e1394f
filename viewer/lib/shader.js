// GLSL from a Spec: the templates filled in. petri/shaders/glsl.py does the same; the two give the same text.

import { decoderPlaces } from "./decoder.js";
import decoder from "./decoder.glsl.js";
import { describeSpec, fireThreshold } from "./spec.js";
import step, { core } from "./step.glsl.js";
import life from "./life.glsl.js";
import { layout } from "./pack.js";

export const TARGETS = 4; // render targets that every WebGL2 has
const DIRECTIVE = /^\/\/#(\w+) ?(!?\w+)?$/;

/** The fragment shader of a step. */
export function stepShader(spec) {
  return resolve(step.replace("{{core}}\n", () => core), values(spec));
}

/** The fragment shader of the living mask, the second pass of a step. */
export function lifeShader(spec) {
  return resolve(life, values(spec));
}

/**
 * The fragment shader of what a decoder paints.
 * @param {object} spec
 * @param {object} options
 * @param {boolean} options.block whether its weights lie in a uniform block of their own, not in a texture
 * @param {?object} options.surface of a mesh: `lamp`, what shades it, and `columns` of the texture of the weights alone
 */
export function decoderShader(spec, { block = false, surface = null } = {}) {
  const { layers, given, texels } = decoderPlaces(spec);
  const sines = layers.slice(0, -1);
  const arrays = ["given", ...sines.map((_, i) => (i % 2 ? "even" : "odd"))];
  return resolve(decoder, {
    ...values(spec),
    block,
    texels,
    at: layout(spec).decoder,
    triangles: surface !== null,
    ...(surface && { ...surface, at: 0, below: 0 }),
    given,
    quads: sines[0].quads,
    living: spec.living,
    turning: spec.decoder.frequencies > 0,
    frequencies: spec.decoder.frequencies,
    sines: sines.map(({ begin, before }, i) => ({
      begin, before, stride: 1 + 4 * before, from: arrays[i], to: arrays[i + 1],
    })),
    last: layers.at(-1).begin,
    from_last: arrays.at(-1),
    material: spec.decoder.maps.length > 0,
    stride_last: 1 + 4 * layers.at(-1).before,
    albedo: spec.decoder.maps.includes("albedo"),
    sloped_by_height: spec.decoder.maps.includes("height") && !spec.decoder.maps.includes("normal"),
  });
}

/** What the templates can say of a Spec. */
function values(spec) {
  const { filters, features, second, output, end, below, width } = layout(spec);
  const { rule, clamp } = spec;
  const { banks, convolutions } = senses(spec);
  const bound = (name) => (rule[name] === null ? "" : float(rule[name]));
  return {
    // GLSL is ASCII.
    description: describeSpec({ ...spec, start: { kind: "cell" } }).replaceAll(" · ", ", ").replace("×", "x"),
    channels: spec.channels,
    fixed: spec.fixed,
    groups: spec.groups,
    layers: spec.layers,
    filters,
    features,
    hidden: rule.hidden,
    second,
    output,
    width: end,
    columns: width,
    below,
    targets: Math.min(spec.groups, TARGETS),
    several: spec.groups > TARGETS,
    wrap: spec.space.padding === "wrap",
    reach: Math.max(...spec.senses.map((sense) => Math.floor(sense.size / 2) * sense.dilation)),
    banks,
    convolutions,
    slopes: banks.some(({ sloped }) => sloped),
    curved: banks.some(({ curved }) => curved),
    owning: convolutions.length > 0 || banks.some(({ trained }) => trained),
    sensed_bounded: rule.sensed_bound !== null,
    sensed_bound: bound("sensed_bound"),
    active: rule.hidden_bound === null ? "max(sum, 0.0)" : `clamp(sum, 0.0, ${bound("hidden_bound")})`,
    change: rule.change_bound === null ? "change" : `clamp(change, -${bound("change_bound")}, ${bound("change_bound")})`,
    three: rule.layers === 3,
    residual: rule.residual,
    gated: rule.gated,
    sometimes: !rule.gated && spec.fire_rate < 1,
    threshold: rule.gated ? "" : fireThreshold(spec),
    clamped: clamp !== null,
    clamp: clamp === null ? "" : float(clamp),
    given: spec.masked,
    masked: spec.living ? ", before the living mask" : "",
    shadertoy: false,
  };
}

/** What they can say of each stencil and each convolution. */
function senses(spec) {
  const places = layout(spec).senses;
  const banks = [];
  const convolutions = [];
  spec.senses.forEach((sense, i) => {
    if (sense.kind !== "conv" && !sense.filters) return; // of a mesh, whose steps the processor takes
    const { first, at } = places[i];
    const { size, dilation } = sense;
    const common = { first, at, size, dilation, taps: size ** 2, far: Math.floor(size / 2) };
    if (sense.kind === "conv") {
      const quads = Math.ceil(sense.width / 4);
      convolutions.push({ ...common, quads, units: 4 * quads, weights: at + quads });
      return;
    }
    const fixed = {
      identity: "cell(at, group)", sobel_x: `inX${first}`, sobel_y: `inY${first}`,
      laplacian: `laplacian(at, group, ${dilation})`,
    };
    banks.push({
      ...common,
      trained: sense.trained,
      sloped: !sense.trained && sense.filters.some((name) => name.startsWith("sobel")),
      curved: !sense.trained && sense.filters.includes("laplacian"),
      sums: sense.filters.map((name, f) => ({
        slot: first + f, value: fixed[name], at: at + f * spec.layers * common.taps,
      })),
    });
  });
  return { banks, convolutions };
}

/** A number as GLSL and Python write it. */
function float(value) {
  if (Number.isInteger(value)) return `${value}.0`;
  return value < 1e-4 ? value.toExponential().replace(/-(\d)$/, "-0$1") : String(value);
}

/** Fill in a template; see step.glsl.js for its four kinds of line. */
function resolve(template, values) {
  return filled(template.split("\n"), values).join("\n");
}

function filled(lines, values) {
  const kept = [];
  for (let at = 0; at < lines.length; at++) {
    const [, word, name] = DIRECTIVE.exec(lines[at]) ?? [];
    if (!word) {
      kept.push(lines[at].replace(/\{\{(\w+)\}\}/g, (whole, key) => (key in values ? String(values[key]) : whole)));
      continue;
    }
    const { body, otherwise, end } = block(lines, at);
    at = end;
    if (word === "if") {
      const chosen = name.startsWith("!") ? !values[name.slice(1)] : values[name];
      kept.push(...filled(chosen ? body : otherwise, values));
      continue;
    }
    const each = Array.isArray(values[name]) ? values[name] : Array.from({ length: values[name] }, (_, i) => ({ i }));
    for (const more of each) kept.push(...filled(body, { ...values, ...more }));
  }
  return kept;
}

/** The lines of the block that begins at a line, those behind its `else`, and where it ends. */
function block(lines, begin) {
  let depth = 0;
  let split = null;
  for (let at = begin; at < lines.length; at++) {
    const word = DIRECTIVE.exec(lines[at])?.[1];
    if (word === "if" || word === "each") depth++;
    else if (word === "else" && depth === 1) split = at;
    else if (word === "end" && --depth === 0) {
      return { body: lines.slice(begin + 1, split ?? at), otherwise: lines.slice((split ?? at) + 1, at), end: at };
    }
  }
  throw new Error("a template's block has no end");
}
