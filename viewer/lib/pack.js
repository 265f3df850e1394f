// Weights as the GPU and the processor's step read them: one RGBA32F texture. As petri/shaders/pack.py.

import { decoderPlaces, packDecoder } from "./decoder.js";
import { Obstacle, filtersOf } from "./spec.js";

export const LARGEST = 2048; // texels along a side of a texture that every WebGL2 takes
export const MOST_SENSES = 32; // that step.c has room for

/**
 * Where things lie in the texture, in texels: a row a hidden unit, one row of output biases, and below them, row after
 * row, what the senses have of their own.
 * @returns {object} filters: a plane, of all stencils; features: vec4s that are sensed, and the column of the biases;
 *   second: column where hidden layer 2 begins; output: where the output layer begins; end: columns that the rule
 *   takes; below: first row beneath it; senses: of each `first`, its first filter or, of a convolution, its first
 *   vec4 of features, and `at`, where what it has begins, in texels from row `below` on; decoder: where it begins,
 *   likewise; width; height
 */
export function layout(spec) {
  const { senses, rule, groups, layers } = spec;
  const places = [];
  let filters = 0;
  for (const sense of senses) {
    places.push({ first: sense.kind === "conv" ? null : filters });
    filters += filtersOf(sense);
  }
  let features = filters * layers;
  let extra = 0;
  senses.forEach((sense, i) => {
    places[i].at = extra;
    const taps = sense.size ** 2;
    if (sense.kind === "conv") {
      const quads = Math.ceil(sense.width / 4);
      places[i].first = features;
      features += quads;
      extra += quads + 4 * quads * taps * layers;
    } else if (sense.trained) {
      extra += sense.filters.length * taps * layers;
    }
  });
  const decoder = extra;
  if (spec.decoder) extra += decoderPlaces(spec).texels;
  const second = features + 1;
  const output = second + (rule.layers === 3 ? rule.hidden / 4 : 0);
  const end = output + groups;
  const below = rule.hidden + 1;
  const width = Math.max(end, Math.ceil(extra / (LARGEST - below)));
  const height = below + Math.ceil(extra / width);
  return { filters, features, second, output, end, below, senses: places, decoder, width, height };
}

/**
 * Refuse a model that is too large for a browser; as petri/shaders/obstacle.py.
 * @throws {Obstacle} one line
 */
export function checkRoom(spec) {
  if (spec.senses.length > MOST_SENSES) {
    throw new Obstacle(`a browser has room for ${MOST_SENSES} senses, not ${spec.senses.length}`);
  }
  const { width, height } = layout(spec);
  if (Math.max(width, height) > LARGEST) {
    const sides = `${width} × ${height} texels`;
    throw new Obstacle(`a browser has room for weights of ${LARGEST} × ${LARGEST} texels, not of ${sides}`);
  }
}

/** The channels' and fixed planes' places among the lanes of the state's layers: fixed planes begin a layer. */
function lanes({ channels, planes, groups }) {
  return Array.from({ length: planes }, (_, plane) => (plane < channels ? plane : 4 * groups + plane - channels));
}

/**
 * Pack a model's weights. The first layer's columns, in the file ordered (plane, filter) and then by the features of
 * convolutions, become (layer, filter, lane) and those features, four a texel. Lanes of no plane are 0.
 * @param {object} model from `parseModel`
 * @returns {{data: Float32Array, width: number, height: number}} RGBA texels, row by row
 */
export function packWeights(model) {
  const { spec, weights } = model;
  const { filters, features, second, output, below, senses, width, height } = layout(spec);
  const { channels, planes, layers: depth } = spec;
  const { hidden, layers, gated } = spec.rule;
  const slots = lanes(spec);
  const data = new Float32Array(4 * width * height);
  const put = (column, row, lane, value) => {
    data[4 * (row * width + column) + lane] = value;
  };
  const putBelow = (texel, lane, value) => {
    data[4 * (below * width + texel) + lane] = value;
  };
  const first = weights["rule.weights.0"];
  const last = weights[`rule.weights.${layers - 1}`];
  const lastBias = weights[`rule.biases.${layers - 1}`];
  for (let j = 0; j < hidden; j++) {
    let from = j * spec.features;
    for (let plane = 0; plane < planes; plane++) {
      for (let f = 0; f < filters; f++) put((slots[plane] >> 2) * filters + f, j, slots[plane] & 3, first[from++]);
    }
    spec.senses.forEach(({ kind, width: units }, i) => {
      if (kind !== "conv") return;
      for (let unit = 0; unit < units; unit++) put(senses[i].first + (unit >> 2), j, unit & 3, first[from++]);
    });
    for (let channel = 0; channel < channels; channel++) {
      put(output + (channel >> 2), j, channel & 3, last[channel * hidden + j]);
    }
    put(features, j, 0, weights["rule.biases.0"][j]);
    if (layers === 3) {
      put(features, j, 1, weights["rule.biases.1"][j]);
      for (let i = 0; i < hidden; i++) put(second + (i >> 2), j, i & 3, weights["rule.weights.1"][j * hidden + i]);
    }
    if (gated) put(features, j, 2, last[channels * hidden + j]);
  }
  for (let channel = 0; channel < channels; channel++) put(channel >> 2, hidden, channel & 3, lastBias[channel]);
  if (gated) put(spec.groups, hidden, 0, lastBias[channels]);
  spec.senses.forEach((sense, i) => {
    const { at } = senses[i];
    const taps = sense.size ** 2;
    if (sense.kind === "conv") {
      const [weight, bias] = [weights[`perception.${i}.weight`], weights[`perception.${i}.bias`]];
      const units = 4 * Math.ceil(sense.width / 4);
      for (let unit = 0; unit < sense.width; unit++) {
        putBelow(at + (unit >> 2), unit & 3, bias[unit]);
        for (let plane = 0; plane < planes; plane++) {
          const [layer, lane] = [slots[plane] >> 2, slots[plane] & 3];
          for (let tap = 0; tap < taps; tap++) {
            const texel = at + units / 4 + (tap * units + unit) * depth + layer;
            putBelow(texel, lane, weight[(unit * planes + plane) * taps + tap]);
          }
        }
      }
    } else if (sense.trained) {
      const bank = weights[`perception.${i}.bank`];
      const count = sense.filters.length;
      for (let plane = 0; plane < planes; plane++) {
        for (let f = 0; f < count; f++) {
          for (let tap = 0; tap < taps; tap++) {
            const texel = at + (f * depth + (slots[plane] >> 2)) * taps + tap;
            putBelow(texel, slots[plane] & 3, bank[(plane * count + f) * taps + tap]);
          }
        }
      }
    }
  });
  if (spec.decoder) data.set(packDecoder(model), 4 * (below * width + layout(spec).decoder));
  return { data, width, height };
}

/** Rearrange `[plane, height, width]` into RGBA texels, a layer four planes: `[layer, height, width, lane]`. */
export function toLayers(spec, state, width, height) {
  const area = width * height;
  const layers = new Float32Array(4 * spec.layers * area);
  lanes(spec).forEach((slot, plane) => {
    const base = 4 * (slot >> 2) * area + (slot & 3);
    for (let i = 0; i < area; i++) layers[base + 4 * i] = state[plane * area + i];
  });
  return layers;
}

/** And back. */
export function fromLayers(spec, layers, width, height) {
  const area = width * height;
  const state = new Float32Array(spec.planes * area);
  lanes(spec).forEach((slot, plane) => {
    const base = 4 * (slot >> 2) * area + (slot & 3);
    for (let i = 0; i < area; i++) state[plane * area + i] = layers[base + 4 * i];
  });
  return state;
}
