// Weights as the GPU and the processor's step read them: one RGBA32F texture. As petri/shaders/pack.py.

/**
 * Where things lie in the texture, in texels: a row a hidden unit, one row of output biases, and three of filters
 * where the bank is trained.
 * @returns {{features: number, second: number, output: number, end: number, width: number, height: number}}
 *   features: vec4s that are sensed, and the column of the biases; second: column where hidden layer 2 begins;
 *   output: where the output layer begins; end: columns that the rule takes
 */
export function layout(spec) {
  const features = spec.groups * (spec.dilated ? 6 : 3);
  const second = features + 1;
  const output = second + (spec.layers === 3 ? spec.hidden / 4 : 0);
  const end = output + spec.groups;
  return {
    features,
    second,
    output,
    end,
    width: Math.max(end, spec.trainsBank ? 9 * spec.groups : 0),
    height: spec.hidden + 1 + (spec.trainsBank ? 3 : 0),
  };
}

/**
 * Pack a model's weights. The first layer's columns, ordered (channel, filter) in the file, become
 * (group, filter, lane): channel 4 · group + lane. Lanes beyond the last channel are 0.
 * @param {{spec: object, weights: Object<string, Float32Array>}} model from `parseModel`
 * @returns {{data: Float32Array, width: number, height: number}} RGBA texels, row by row
 */
export function packWeights({ spec, weights }) {
  const { features, second, output, width, height } = layout(spec);
  const { channels, hidden, layers } = spec;
  const filters = spec.dilated ? 6 : 3;
  const data = new Float32Array(4 * width * height);
  const put = (column, row, lane, value) => {
    data[4 * (row * width + column) + lane] = value;
  };
  const first = weights["rule.weights.0"];
  const last = weights[`rule.weights.${layers - 1}`];
  const lastBias = weights[`rule.biases.${layers - 1}`];
  for (let j = 0; j < hidden; j++) {
    for (let channel = 0; channel < channels; channel++) {
      const [group, lane] = [channel >> 2, channel & 3];
      for (let f = 0; f < filters; f++) {
        put(group * filters + f, j, lane, first[(j * channels + channel) * filters + f]);
      }
      put(output + group, j, lane, last[channel * hidden + j]);
    }
    put(features, j, 0, weights["rule.biases.0"][j]);
    if (layers === 3) {
      put(features, j, 1, weights["rule.biases.1"][j]);
      for (let i = 0; i < hidden; i++) put(second + (i >> 2), j, i & 3, weights["rule.weights.1"][j * hidden + i]);
    }
    if (spec.gated) put(features, j, 2, last[channels * hidden + j]);
  }
  for (let channel = 0; channel < channels; channel++) put(channel >> 2, hidden, channel & 3, lastBias[channel]);
  if (spec.gated) put(spec.groups, hidden, 0, lastBias[channels]);
  if (spec.trainsBank) {
    const bank = weights["perception.bank"];
    for (let channel = 0; channel < channels; channel++) {
      for (let f = 0; f < 3; f++) {
        for (let tap = 0; tap < 9; tap++) {
          put((channel >> 2) * 9 + tap, hidden + 1 + f, channel & 3, bank[(channel * 3 + f) * 9 + tap]);
        }
      }
    }
  }
  return { data, width, height };
}

/** Rearrange `[channel, height, width]` into RGBA texels, a layer four channels: `[group, height, width, lane]`. */
export function toLayers(spec, state, width, height) {
  const area = width * height;
  const layers = new Float32Array(4 * spec.groups * area);
  for (let channel = 0; channel < spec.channels; channel++) {
    const base = 4 * (channel >> 2) * area + (channel & 3);
    for (let i = 0; i < area; i++) layers[base + 4 * i] = state[channel * area + i];
  }
  return layers;
}

/** And back. */
export function fromLayers(spec, layers, width, height) {
  const area = width * height;
  const state = new Float32Array(spec.channels * area);
  for (let channel = 0; channel < spec.channels; channel++) {
    const base = 4 * (channel >> 2) * area + (channel & 3);
    for (let i = 0; i < area; i++) state[channel * area + i] = layers[base + 4 * i];
  }
  return state;
}
