// What a decoder's layers are to a browser: where they lie in the texture of weights, and how they are packed. As
// petri/shaders/decoder.py.

import { MAPS, axesOf } from "./spec.js";

const MATERIAL_QUADS = 3; // that the last layer of a material has, see `said`
const PLAIN = { height: 0.5, roughness: 0.8, occlusion: 1 }; // of maps that are not painted

/**
 * Where the layers of an `lppn` lie, in texels from its first on. Of every four units of a layer there are their
 * biases, then their weights from each input. The inputs are four channels of the state after the other, and of each
 * frequency k sin kπu and cos kπu, down and right (or, with no frequencies, u itself); of a triangle, which has three
 * coordinates, their sines and their cosines are four inputs each.
 * @returns {{layers: {begin: number, before: number, quads: number}[], given: number, texels: number}} before: vec4s
 *   that a layer is given; quads: vec4s that it has; given: those that the first one is given
 */
export function decoderPlaces(spec) {
  const { decoder, groups } = spec;
  const said = decoder.maps.length ? MATERIAL_QUADS : 1;
  const given = groups + Math.max(1, (decoder.frequencies * lanesOf(spec)) / 2);
  const layers = [];
  let [texels, before] = [0, given];
  for (let layer = 0; layer <= decoder.layers; layer++) {
    const quads = layer < decoder.layers ? Math.ceil(decoder.width / 4) : said;
    layers.push({ begin: texels, before, quads });
    texels += quads * (1 + 4 * before);
    before = quads;
  }
  return { layers, given, texels };
}

/** The lanes in which the sines of a point's coordinates lie: two, or of three coordinates four. */
function lanesOf(spec) {
  return axesOf(spec) === 2 ? 2 : 4;
}

/** Pack the layers as `decoderPlaces` has them, omega multiplied in: RGBA texels. */
export function packDecoder({ spec, weights }) {
  const { decoder } = spec;
  const { layers, texels } = decoderPlaces(spec);
  const data = new Float32Array(4 * texels);
  const omega = Math.fround(decoder.omega);
  layers.forEach(({ begin, before }, layer) => {
    const [weight, bias] = [weights[`decoder.weights.${layer}`], weights[`decoder.biases.${layer}`]];
    const sines = layer < decoder.layers;
    const inputs = weight.length / bias.length;
    const slots = layer ? null : inputSlots(spec);
    const scaled = (value) => (sines ? omega * value : value);
    const units = sines ? Array.from({ length: decoder.width }, (_, i) => i) : said(spec);
    units.forEach((output, unit) => {
      const quad = begin + (unit >> 2) * (1 + 4 * before);
      if (output === null) return;
      if (typeof output === "object") {
        data[4 * quad + (unit & 3)] = output.always;
        return;
      }
      data[4 * quad + (unit & 3)] = scaled(bias[output]);
      for (let input = 0; input < inputs; input++) {
        const texel = quad + 1 + (slots ? slots[input] : input);
        data[4 * texel + (unit & 3)] = scaled(weight[output * inputs + input]);
      }
    });
  });
  return data;
}

/** The outputs of each map of a material, by its name. */
export function outputsOf({ maps }) {
  let at = 0;
  const found = {};
  for (const name of maps) {
    found[name] = Array.from({ length: MAPS[name] }, () => at++);
  }
  return found;
}

/**
 * What the last layer says, in the order in which it is packed: outputs, `null` for a lane of none, and of a material
 * `{always}`, what a map that is not painted is everywhere. Of a material: what is seen; height, roughness and
 * occlusion; normals.
 */
function said({ decoder, living }) {
  if (!decoder.maps.length) return Array.from({ length: 3 + Number(living) }, (_, i) => i);
  const places = outputsOf(decoder);
  const seen = places.albedo ?? places.normal ?? [0, 0, 0];
  const single = Object.entries(PLAIN).map(([name, always]) => places[name]?.[0] ?? { always });
  const normal = places.normal ?? [0.5, 0.5, 1].map((always) => ({ always }));
  return [...seen, null, ...single, null, ...normal, null];
}

/** Among the lanes that the first layer is given, the places of its inputs in the order of the file. */
function inputSlots(spec) {
  const { decoder, channels, groups } = spec;
  const [lanes, count] = [lanesOf(spec), axesOf(spec)];
  const axes = decoder.order === "yx" ? Array.from({ length: count }, (_, axis) => axis) : [1, 0];
  const turns = Array.from({ length: Math.max(1, decoder.frequencies) }, (_, k) => 4 * groups + 2 * lanes * k);
  const halves = decoder.frequencies ? [0, lanes] : [0]; // sines, then cosines
  const where = halves.flatMap((half) => turns.flatMap((turn) => axes.map((axis) => turn + half + axis)));
  return [...where, ...Array.from({ length: channels }, (_, channel) => channel)];
}
