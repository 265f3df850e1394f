// The Spec: everything that decides what one step of an automaton does, except its weights. As petri/nca/spec.py.

export const PERCEPTIONS = ["sobel", "learned", "dilated", "learned+dilated"];
export const PADDINGS = ["zero", "wrap"];

const FIELDS = [
  "channels", "perception", "hidden", "layers", "residual", "gated", "fire_rate", "living", "padding", "clamp", "seed",
];

/**
 * Check the fields of a Spec.
 * @param {object} fields all of them by name, as in a model file
 * @returns {object} a frozen Spec: the fields, and what follows from them (trainsBank, dilated, features, outputs,
 *   groups: RGBA textures that hold the channels)
 * @throws {Error} one line that names the field, the constraint and the value
 */
export function checkSpec(fields) {
  if (fields === null || typeof fields !== "object" || Array.isArray(fields)) {
    throw new Error("the Spec must be a JSON object");
  }
  for (const name of Object.keys(fields)) {
    if (!FIELDS.includes(name)) throw new Error(`the Spec has an unknown field ${JSON.stringify(name)}`);
  }
  for (const name of FIELDS) {
    if (!Object.hasOwn(fields, name)) throw new Error(`the Spec lacks the field ${JSON.stringify(name)}`);
  }
  const { channels, perception, hidden, layers, residual, gated, fire_rate, living, padding, clamp, seed } = fields;
  whole("channels", channels, 4, 64);
  choice("perception", perception, PERCEPTIONS);
  whole("hidden", hidden, 16, 512);
  if (hidden % 16) throw new Error(`hidden must be a multiple of 16, got ${hidden}`);
  whole("layers", layers, 2, 3);
  for (const [name, value] of Object.entries({ residual, gated, living })) {
    if (typeof value !== "boolean") throw new Error(`${name} must be true or false, got ${JSON.stringify(value)}`);
  }
  if (residual && layers !== 3) throw new Error(`residual needs layers = 3, got layers = ${layers}`);
  if (gated) {
    if (fire_rate !== null) {
      throw new Error(`a gated rule decides for itself which cells fire: leave fire_rate out, got ${fire_rate}`);
    }
  } else if (!(typeof fire_rate === "number" && fire_rate > 0 && fire_rate <= 1)) {
    throw new Error(`fire_rate must be in (0, 1], got ${JSON.stringify(fire_rate)}`);
  }
  choice("padding", padding, PADDINGS);
  if (clamp !== null) number("clamp", clamp, 1, 1e6);
  if (!Array.isArray(seed) || seed.length !== 2) {
    throw new Error(`seed must be two fractions (x, y), got ${JSON.stringify(seed)}`);
  }
  number("seed x", seed[0], 0, 1);
  number("seed y", seed[1], 0, 1);
  const dilated = perception.endsWith("dilated");
  return Object.freeze({
    channels, perception, hidden, layers, residual, gated, fire_rate, living, padding, clamp,
    seed: Object.freeze([...seed]),
    trainsBank: perception.startsWith("learned"),
    dilated,
    features: 3 * channels * (dilated ? 2 : 1),
    outputs: channels + (gated ? 1 : 0),
    groups: Math.ceil(channels / 4),
  });
}

/** The architecture in a few words, such as `dilated · 64 hidden · 3 layers residual`. */
export function describeSpec(spec) {
  const kind = (spec.residual ? " residual" : "") + (spec.gated ? " gated" : "");
  const words = [spec.perception, `${spec.hidden} hidden`, `${spec.layers} layers${kind}`];
  if (spec.living) words.push("living mask");
  if (spec.padding === "wrap") words.push("wrapped edges");
  return words.join(" · ");
}

/** A cell fires where its word is below this: `floor(fire_rate · 2³²)`, or 2³² for always. */
export function fireThreshold(spec) {
  return Math.floor(spec.fire_rate * 4294967296);
}

/** Row and column of the seed on a grid of this size. */
export function seedCell(spec, height, width) {
  const [x, y] = spec.seed;
  return [Math.min(Math.floor(y * height), height - 1), Math.min(Math.floor(x * width), width - 1)];
}

/** The state that growth starts from: an empty grid and one cell with alpha and all hidden channels 1. */
export function seedState(spec, height, width) {
  const state = new Float32Array(spec.channels * height * width);
  const [row, column] = seedCell(spec, height, width);
  for (let channel = 3; channel < spec.channels; channel++) state[(channel * height + row) * width + column] = 1;
  return state;
}

/** Names and shapes of the tensors that a model of this Spec has in its file. */
export function tensorShapes(spec) {
  const sizes = [spec.features, ...Array(spec.layers - 1).fill(spec.hidden), spec.outputs];
  const shapes = {};
  if (spec.trainsBank) shapes["perception.bank"] = [3 * spec.channels, 1, 3, 3];
  for (let layer = 0; layer < spec.layers; layer++) {
    shapes[`rule.weights.${layer}`] = [sizes[layer + 1], sizes[layer]];
    shapes[`rule.biases.${layer}`] = [sizes[layer + 1]];
  }
  return shapes;
}

function whole(name, value, low, high) {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new Error(`${name} must be a whole number in ${low}..${high}, got ${JSON.stringify(value)}`);
  }
}

function number(name, value, low, high) {
  if (!(typeof value === "number" && value >= low && value <= high)) {
    throw new Error(`${name} must be in [${low}, ${high}], got ${JSON.stringify(value)}`);
  }
}

function choice(name, value, choices) {
  if (!choices.includes(value)) {
    throw new Error(`${name} must be one of ${choices.join(", ")}, got ${JSON.stringify(value)}`);
  }
}
