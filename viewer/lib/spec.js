// The Spec: everything that decides what one step of an automaton does, except its weights. As petri/nca/spec.py, of
// the kinds that a browser computes.

import { COLOURS } from "./colours.js";
import { fireWord } from "./fire.js";
import { harmonicsOf, onGraph } from "./graph.js";

const FILTERS = ["identity", "sobel_x", "sobel_y", "laplacian"];
const SLOPES = ["identity", "sobel_x", "sobel_y"];
const PADDINGS = ["zero", "wrap"];
const NOISE = 0x80000000; // added to a channel's number where the hash has a step's
const ALPHA = 3; // the channel
const INVARIANTS = 4; // the value itself, the Laplacian, the slope's length and its product with the next plane's

/** What keeps a browser from computing a model that is as it should be; its message is the sentence that says so. */
export class Obstacle extends Error {}

// Of each kind its fields: what they are where they are missing, and what checks and gives back their value.
const SENSES = {
  stencil: {
    filters: [SLOPES, checkFilters],
    size: [3, (value) => odd("the size of a stencil", value, 3)],
    dilation: [1, (value) => whole("the dilation of a stencil", value, 1, 16)],
    trained: [false, (value) => truth("trained", value)],
  },
  conv: {
    size: [3, (value) => odd("the size of a convolution", value, 1)],
    dilation: [1, (value) => whole("the dilation of a convolution", value, 1, 16)],
    width: [64, (value) => whole("the width of a convolution", value, 1, 512)],
  },
  harmonics: {
    order: [1, (value) => whole("the order of harmonics", value, 0, 2)],
    dimensions: [3, checkDimensions],
    gather: ["mean", (value) => choice("the gather of harmonics", value, ["mean", "sum"])],
    valence: [6, (value) => number("the valence of harmonics", value, 0, 1e3, { open: true })],
    edge: [0, (value) => number("the edge of harmonics", value, 0, 1e6)],
  },
  invariants: { valence: [6, (value) => number("the valence of invariants", value, 0, 1e3, { open: true })] },
};
const ON_GRAPHS = ["harmonics", "invariants"];
const bound = (name) => [null, (value) => (value === null ? null : number(name, value, 0, 1e6, { open: true }))];
const RULES = {
  mlp: {
    hidden: [64, checkHidden],
    layers: [3, (value) => whole("layers", value, 2, 3)],
    residual: [false, (value) => truth("residual", value)],
    gated: [false, (value) => truth("gated", value)],
    sensed_bound: bound("sensed_bound"),
    hidden_bound: bound("hidden_bound"),
    change_bound: bound("change_bound"),
  },
};
const FRAMES = ["world", "upright"];
const SPACES = {
  grid: { padding: ["zero", (value) => choice("padding", value, PADDINGS)] },
  ring: {},
  mesh: { frame: ["world", (value) => choice("frame", value, FRAMES)] },
};
/** The maps of a material in the order in which they are painted, and the outputs of each; as petri/maps.py. */
export const MAPS = { albedo: 3, height: 1, roughness: 1, occlusion: 1, normal: 3 };
const COORDINATES = ["centre", "corner"];
const ORDERS = ["yx", "xy"];
const DECODERS = {
  lppn: {
    width: [64, (value) => whole("width", value, 1, 512)],
    layers: [3, (value) => whole("layers", value, 1, 8)],
    outputs: [4, (value) => whole("outputs", value, 1, 64)],
    omega: [10, (value) => number("omega", value, 0, 1e3, { open: true })],
    frequencies: [1, (value) => whole("frequencies", value, 0, 16)],
    coordinates: ["centre", (value) => choice("coordinates", value, COORDINATES)],
    order: ["yx", (value) => choice("order", value, ORDERS)],
    maps: [[], checkMaps],
  },
};
const STARTS = {
  cell: {
    x: [0.5, (value) => number("seed x", value, 0, 1)],
    y: [0.5, (value) => number("seed y", value, 0, 1)],
  },
  noise: { level: [0.1, (value) => number("the level of noise", value, 0, 1e6, { open: true })] },
  uniform: { value: [0, (value) => number("the value of a start", value, -1e6, 1e6)] },
  given: {},
};
// The words of a Spec as version 0.1 wrote it, which was flat.
const RULE_WORDS = ["hidden", "layers", "residual", "gated"];
const SHORT = [...RULE_WORDS, "perception", "padding", "seed"];
const NEAR = { kind: "stencil" };
const FAR = { kind: "stencil", dilation: 2 };
const TRAINED = { kind: "stencil", trained: true };
const PERCEPTIONS = { sobel: [NEAR], learned: [TRAINED], dilated: [NEAR, FAR], "learned+dilated": [TRAINED, FAR] };

/**
 * Check the fields of a Spec.
 * @param {object} fields by name, as in a model file of any version; one that is missing takes its default
 * @returns {object} a frozen Spec: the fields, and what follows from them (planes: the channels and the fixed ones;
 *   features; outputs; groups: RGBA layers that hold the channels; layers: with those of the fixed planes behind them)
 * @throws {Error} one line that names the field, the constraint and the value; an `Obstacle` if it is of a kind that
 *   a browser does not compute
 */
export function checkSpec(fields) {
  if (!isTable(fields)) throw new Error("the Spec must be a JSON object");
  const {
    channels = 16, fixed = 0, senses = PERCEPTIONS.dilated, rule = {}, space = {}, start = {}, decoder = null,
    held = 0, fire_rate = null, living = false, masked = false, classes = 0, clamp = 1, colour_offset = 0,
    colour_scale = 1, ...others
  } = upgraded(fields);
  if (held) throw new Obstacle("a browser computes no held channels");
  for (const name of Object.keys(others)) throw new Error(`the Spec has an unknown field ${JSON.stringify(name)}`);
  const spec = {
    channels: whole("channels", channels, 4, 64),
    fixed: whole("fixed", fixed, 0, 64),
    rule: kind("rule", rule, RULES, "mlp"),
    space: kind("space", space, SPACES, "grid"),
    start: kind("start", start, STARTS, "cell"),
    decoder: decoder === null ? null : kind("decoder", decoder, DECODERS, "lppn"),
    living: truth("living", living),
    masked: truth("masked", masked),
    classes: whole("classes", classes, 0, Math.min(channels, COLOURS.length)),
    clamp: clamp === null ? null : number("clamp", clamp, 1, 1e6),
    colour_offset: number("colour_offset", colour_offset, -1e3, 1e3),
    colour_scale: number("colour_scale", colour_scale, 0, 1e3, { open: true }),
  };
  if (!Array.isArray(senses) || !senses.length) {
    throw new Error(`senses must be a list of at least one table, got ${JSON.stringify(senses)}`);
  }
  spec.senses = Object.freeze(senses.map((sense, i) => kind(`sense ${i + 1}`, sense, SENSES, "", "sense")));
  checkSpace(spec);
  if (spec.rule.residual && spec.rule.layers !== 3) {
    throw new Error(`residual needs layers = 3, got layers = ${spec.rule.layers}`);
  }
  if (spec.rule.gated && fire_rate !== null) {
    throw new Error(`a gated rule decides for itself which cells fire: leave fire_rate out, got ${fire_rate}`);
  }
  if (spec.decoder?.maps.length) {
    const { maps, outputs } = spec.decoder;
    const wanted = maps.reduce((sum, name) => sum + MAPS[name], 0);
    if (outputs !== wanted) throw new Error(`the maps ${maps.join(", ")} are ${wanted} outputs, got ${outputs}`);
    if (spec.living) throw new Error("the maps of a material fill their plane: leave out the living mask");
  } else if (spec.decoder && spec.decoder.outputs < 3 + Number(spec.living)) {
    throw new Error(`the decoder of a figure paints RGB and alpha, 4 outputs, got ${spec.decoder.outputs}`);
  }
  if (spec.masked && (spec.living || !spec.fixed)) {
    throw new Error(
      "masked lets the first fixed plane say which cells there are: it needs one and no living mask, " +
        `got fixed = ${spec.fixed}, living = ${spec.living}`,
    );
  }
  if (spec.classes === 1) throw new Error("classes must be 0, or at least 2 to choose from, got 1");
  if (spec.classes && (spec.living || spec.decoder)) {
    throw new Error("what votes for classes shows its votes: leave out the living mask and the decoder");
  }
  spec.fire_rate = spec.rule.gated ? null : number("fire_rate", fire_rate ?? 0.5, 0, 1, { open: true });
  spec.planes = channels + fixed;
  spec.groups = Math.ceil(channels / 4);
  spec.layers = spec.groups + Math.ceil(fixed / 4);
  spec.features = spec.senses.reduce(
    (sum, sense) => sum + (sense.kind === "conv" ? sense.width : filtersOf(sense) * spec.planes), 0,
  );
  spec.outputs = channels + (spec.rule.gated ? 1 : 0);
  return Object.freeze(spec);
}

/** Senses of a grid for a grid, and others for a ring or a mesh. */
function checkSpace({ space, senses, decoder, living }) {
  for (const { kind: name, order, dimensions } of senses) {
    if (ON_GRAPHS.includes(name) !== onGraph({ space })) throw new Error(`a ${space.kind} has other senses, got ${name}`);
    if (dimensions === 1 && order > 1) throw new Error(`harmonics of one dimension have order 0 or 1, got ${order}`);
  }
  if (!onGraph({ space })) return;
  if (decoder) checkOnMesh(space, living, decoder);
  if (senses.length > 1) throw new Obstacle(`a browser computes one sense of a ${space.kind}, not ${senses.length}`);
}

/** What a decoder of a surface may be. */
function checkOnMesh({ kind: name }, living, { maps, coordinates, order }) {
  if (name !== "mesh") {
    throw new Error("a decoder paints between the cells of a grid or the nodes of a mesh: leave it out");
  }
  if (living || maps.length) {
    throw new Error("a decoder paints the colours of a whole mesh: leave out living mask and maps");
  }
  if (coordinates !== "centre" || order !== "yx") {
    throw new Error(
      "coordinates and order of a decoder are of squares, not of triangles: leave them out, " +
        `got ${coordinates} and ${order}`,
    );
  }
}

/** How many coordinates say where a point lies in what is between cells: two of a square, three of a triangle. */
export function axesOf(spec) {
  return onGraph(spec) ? 3 : 2;
}

/** How many numbers of each plane a sense gives: filters of a stencil; of a graph the value itself, and what is around. */
export function filtersOf(sense) {
  if (sense.kind === "stencil") return sense.filters.length;
  return { harmonics: 1 + harmonicsOf(sense), invariants: INVARIANTS }[sense.kind] ?? 0;
}

/** Fields in which the words of version 0.1's flat Spec are where they belong now; as `full` in petri/nca/spec.py. */
function upgraded(fields) {
  const made = Object.fromEntries(Object.entries(fields).filter(([name]) => !SHORT.includes(name)));
  const put = (table, values) => {
    if (!isTable(made[table] ?? {})) throw new Error(`${table} must be a table, got ${JSON.stringify(made[table])}`);
    made[table] = { ...made[table], ...values };
  };
  for (const word of RULE_WORDS) {
    if (Object.hasOwn(fields, word)) put("rule", { [word]: fields[word] });
  }
  if (Object.hasOwn(fields, "padding")) put("space", { padding: fields.padding });
  if (Object.hasOwn(fields, "perception")) {
    made.senses = PERCEPTIONS[choice("perception", fields.perception, Object.keys(PERCEPTIONS))];
  }
  if (Object.hasOwn(fields, "seed")) {
    const { seed } = fields;
    if (!Array.isArray(seed) || seed.length !== 2) {
      throw new Error(`seed must be two fractions (x, y), got ${JSON.stringify(seed)}`);
    }
    put("start", { kind: "cell", x: seed[0], y: seed[1] });
  }
  return made;
}

/** A kind from its table, frozen, its `kind` first; as petri/nca/kinds.py. */
function kind(what, table, known, byDefault, group = what) {
  if (!isTable(table)) throw new Error(`${what} must be a table, got ${JSON.stringify(table)}`);
  const { kind: name = byDefault, ...fields } = table;
  if (name === "") throw new Error(`${what} names no kind`);
  if (typeof name !== "string") throw new Error(`${what} is of an unknown kind ${JSON.stringify(name)}`);
  if (!Object.hasOwn(known, name)) throw new Obstacle(unknownKind(group, name, Object.keys(known)));
  for (const field of Object.keys(fields)) {
    if (!Object.hasOwn(known[name], field)) {
      throw new Error(`${what} (${name}) has an unknown field ${JSON.stringify(field)}`);
    }
  }
  const made = { kind: name };
  for (const [field, [missing, check]] of Object.entries(known[name])) {
    made[field] = check(Object.hasOwn(fields, field) ? fields[field] : missing);
  }
  return Object.freeze(made);
}

/** The sentence about a kind that a browser does not compute; as petri/shaders/obstacle.py. */
function unknownKind(group, name, known) {
  return `a browser computes ${group}s of the kind ${known.join(" or ")}, not ${name}`;
}

/** The architecture in a few words, such as `dilated · 64 hidden · 3 layers residual`. */
export function describeSpec(spec) {
  const { rule, fixed } = spec;
  const bounded = [rule.sensed_bound, rule.hidden_bound, rule.change_bound].some((value) => value !== null);
  const shape = (rule.residual ? " residual" : "") + (rule.gated ? " gated" : "") + (bounded ? " bounded" : "");
  const words = [nameSenses(spec.senses, rule.hidden), `${rule.hidden} hidden`, `${rule.layers} layers${shape}`];
  if (fixed) words.push(`${fixed} fixed plane${fixed > 1 ? "s" : ""}`);
  if (spec.classes) words.push(`${spec.classes} classes`);
  if (spec.masked) words.push("masked by its image");
  if (spec.living) words.push("living mask");
  if (spec.space.padding === "wrap") words.push("wrapped edges");
  if (onGraph(spec)) words.push(`on a ${spec.space.kind}`);
  if (spec.decoder) words.push(`decoder of ${spec.decoder.layers} × ${spec.decoder.width}`);
  if (spec.start.kind !== "cell") words.push(`starts from ${spec.start.kind}`);
  return words.join(" · ");
}

/** The senses by name, such as `learned+dilated`, and never a name of others; as petri/nca/senses/words.py. */
function nameSenses(senses, hidden) {
  const invariants = () => "Laplacian and invariants of the slope";
  const names = { conv: nameConv, stencil: nameStencil, harmonics: nameHarmonics, invariants };
  const words = senses.map((sense) => names[sense.kind](sense, hidden));
  const text = words.join("+");
  for (const short of [text.replaceAll("sobel+dilated", "dilated"), text]) {
    const named = sensesOf(short, hidden);
    if (named && named.map(fieldsOf).join() === senses.map(fieldsOf).join()) return short;
  }
  return sensesOf(text, hidden) ? senses.map(({ kind }, i) => `${kind}(${words[i]})`).join("+") : text;
}

const fieldsOf = ({ kind, filters, size, dilation, trained, width }) =>
  JSON.stringify([kind, filters, size, dilation, trained, width]);

/** The senses that a name stands for, or null if it is none. */
function sensesOf(text, hidden) {
  const words = text.split("+");
  if (new Set(words).size < words.length) return null;
  const near = { identity: ["identity"], sobel: SLOPES, laplacian: ["identity", "laplacian"] };
  const stencil = (filters, others) => ({ kind: "stencil", filters, size: 3, dilation: 1, trained: false, ...others });
  const senses = [];
  const addFixed = (filters) => {
    const bank = senses.find(({ kind, trained, dilation }) => kind === "stencil" && !trained && dilation === 1);
    if (bank) bank.filters = [...new Set([...bank.filters, ...filters])];
    else senses.push(stencil(filters));
  };
  for (const word of words) {
    const [, kind, size, dilation, width] = /^(learned|conv)(\d+)?(?:d(\d+))?(?:w(\d+))?$/.exec(word) ?? [];
    if (Object.hasOwn(near, word)) {
      addFixed(near[word]);
    } else if (word === "dilated") {
      if (!words.some((each) => Object.hasOwn(near, each) || each.startsWith("learned"))) addFixed(SLOPES);
      senses.push(stencil(SLOPES, { dilation: 2 }));
    } else if (kind === "learned" && !dilation && !width) {
      senses.push(stencil(SLOPES, { size: Number(size ?? 3), trained: true }));
    } else if (kind === "conv") {
      senses.push({ kind, size: Number(size ?? 3), dilation: Number(dilation ?? 1), width: Number(width ?? hidden) });
    } else {
      return null;
    }
  }
  return senses;
}

function nameConv({ size, dilation, width }, hidden) {
  return `conv${size}${dilation > 1 ? `d${dilation}` : ""}${width === hidden ? "" : `w${width}`}`;
}

function nameHarmonics({ order, gather, edge }) {
  const name = ["Laplacian", "slope", "harmonics to order 2"][order];
  return name + (gather === "sum" ? " (sum)" : "") + (edge > 0 ? " by length" : "");
}

function nameStencil({ filters, size, dilation, trained }) {
  const list = filters.join();
  const slopes = list === SLOPES.join();
  if (!trained && slopes && size === 3 && dilation === 2) return "dilated";
  if (trained && slopes && dilation === 1) return size === 3 ? "learned" : `learned${size}`;
  const banks = {
    [SLOPES.join()]: "sobel", identity: "identity", "identity,laplacian": "laplacian",
    [FILTERS.join()]: "sobel+laplacian",
  };
  if (!trained && size === 3 && dilation === 1 && Object.hasOwn(banks, list)) return banks[list];
  return `${trained ? "learned" : "stencil"}${size}d${dilation}(${list})`;
}

/** A cell fires where its word is below this: `floor(fire_rate · 2³²)`, or 2³² for always. */
export function fireThreshold(spec) {
  return Math.floor(spec.fire_rate * 4294967296);
}

/** Row and column where growth begins on a grid of this size; the centre if not from a single cell. */
export function seedCell({ start }, height, width) {
  const { x, y } = start.kind === "cell" ? start : { x: 0.5, y: 0.5 };
  return [Math.min(Math.floor(y * height), height - 1), Math.min(Math.floor(x * width), width - 1)];
}

/**
 * The state that a rollout starts from, `[plane, height, width]`; as petri/nca/start.py.
 * @param {object} spec
 * @param {number} height of the grid, in cells
 * @param {number} width of the grid, in cells
 * @param {object} options
 * @param {number} options.seed of a start that is drawn by chance
 * @param {?Float32Array} options.given the channels of a start that is given, `[channel, height, width]`; else zero
 * @param {?Float32Array} options.fixed the fixed planes, `[plane, height, width]`; else zero
 * @param {?number} options.node of a mesh that the model was not trained on, where growth begins
 */
export function seedState(spec, height, width, { seed = 0, given = null, fixed = null, node = null } = {}) {
  const { channels, start } = spec;
  const area = height * width;
  const state = new Float32Array(spec.planes * area);
  if (start.kind === "cell") {
    const [row, column] = node === null ? seedCell(spec, height, width) : [0, node];
    for (let channel = ALPHA; channel < channels; channel++) state[channel * area + row * width + column] = 1;
  } else if (start.kind === "uniform") {
    state.fill(start.value, 0, channels * area);
  } else if (start.kind === "noise") {
    const level = Math.fround(start.level);
    for (let i = 0; i < channels * area; i++) {
      const [x, y, channel] = [i % width, Math.floor(i / width) % height, Math.floor(i / area)];
      state[i] = ((fireWord(x, y, seed, NOISE + channel) >>> 8) * 2 ** -23 - 1) * level;
    }
  } else if (given) {
    state.set(given);
  }
  if (fixed) state.set(fixed, channels * area);
  return state;
}

/** Whether an automaton weaves a plane of any shape, as a texture does: no edge, no figure, no first cell. */
export function fillsAnyShape({ space, living, start }) {
  return space.padding === "wrap" && !living && start.kind !== "cell" && start.kind !== "given";
}

/** Names and shapes of the tensors that a model of this Spec has in its file. */
export function tensorShapes(spec) {
  const { hidden, layers } = spec.rule;
  const sizes = [spec.features, ...Array(layers - 1).fill(hidden), spec.outputs];
  const shapes = {};
  spec.senses.forEach(({ kind, filters, size, trained, width }, i) => {
    if (kind === "conv") {
      shapes[`perception.${i}.weight`] = [width, spec.planes, size, size];
      shapes[`perception.${i}.bias`] = [width];
    } else if (trained) {
      shapes[`perception.${i}.bank`] = [filters.length * spec.planes, 1, size, size];
    }
  });
  for (let layer = 0; layer < layers; layer++) {
    shapes[`rule.weights.${layer}`] = [sizes[layer + 1], sizes[layer]];
    shapes[`rule.biases.${layer}`] = [sizes[layer + 1]];
  }
  if (spec.decoder) {
    const { width, frequencies, outputs, layers: sines } = spec.decoder;
    const axes = axesOf(spec);
    const inputs = (2 * axes * frequencies || axes) + spec.channels;
    for (let layer = 0; layer <= sines; layer++) {
      const after = layer < sines ? width : outputs;
      shapes[`decoder.weights.${layer}`] = [after, layer ? width : inputs];
      shapes[`decoder.biases.${layer}`] = [after];
    }
  }
  return shapes;
}

function isTable(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

function checkMaps(value) {
  const order = Object.keys(MAPS).filter((name) => Array.isArray(value) && value.includes(name));
  if (!Array.isArray(value) || value.length !== order.length || value.some((name, i) => name !== order[i])) {
    throw new Error(`maps must be of ${Object.keys(MAPS).join(", ")}, in that order, got ${JSON.stringify(value)}`);
  }
  return Object.freeze([...value]);
}

function checkFilters(value) {
  if (!Array.isArray(value) || !value.length) {
    throw new Error(`the filters of a stencil must be a list of names, got ${JSON.stringify(value)}`);
  }
  for (const name of value) choice("each filter of a stencil", name, FILTERS);
  if (new Set(value).size < value.length) {
    throw new Error(`each filter of a stencil may stand once, got ${value.join(", ")}`);
  }
  return Object.freeze([...value]);
}

function checkHidden(value) {
  whole("hidden", value, 16, 512);
  if (value % 16) throw new Error(`hidden must be a multiple of 16, got ${value}`);
  return value;
}

function checkDimensions(value) {
  if (value !== 1 && value !== 3) throw new Error(`the dimensions of harmonics must be 1 or 3, got ${JSON.stringify(value)}`);
  return value;
}

function odd(name, value, least) {
  whole(name, value, least, 31);
  if (value % 2 === 0) throw new Error(`${name} must be odd, so that it has a centre, got ${value}`);
  return value;
}

function whole(name, value, low, high) {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new Error(`${name} must be a whole number in ${low}..${high}, got ${JSON.stringify(value)}`);
  }
  return value;
}

function number(name, value, low, high, { open = false } = {}) {
  if (!(typeof value === "number" && value >= low && value <= high && !(open && value === low))) {
    throw new Error(`${name} must be in ${open ? "(" : "["}${low}, ${high}], got ${JSON.stringify(value)}`);
  }
  return value;
}

function truth(name, value) {
  if (typeof value !== "boolean") throw new Error(`${name} must be true or false, got ${JSON.stringify(value)}`);
  return value;
}

function choice(name, value, choices) {
  if (!choices.includes(value)) {
    throw new Error(`${name} must be one of ${choices.join(", ")}, got ${JSON.stringify(value)}`);
  }
  return value;
}
