// Golden values: what PyTorch computed, against what this machine computes.

import { openDish } from "./dish.js";

export const TOLERANCE = 1e-4; // of |difference| / (1 + |golden value|)
const FOREIGN = "the golden values are not of this model";

/**
 * Grow a model here, and compare cells of it with the values that PyTorch found.
 * @param {object} model from `parseModel`
 * @param {object} golden from the manifest: `width`, `height`, `seed`, `steps` (when to compare), `cells` (row and
 *   column of each), `values` (base64 of float32 `[step, cell, channel]`), `fixed` (the same of the fixed planes, if any);
 *   of a decoder `painted`, the same of pixels, or on a mesh of `spots`: `corners` of triangles, and `shares` (base64)
 * @param {object} options
 * @param {string} options.engine as for `openDish`
 * @returns {Promise<{engine: string, differences: {step: number, largest: number}[], largest: number, same: boolean}>}
 *   engine: in words; same: no difference is above `TOLERANCE`
 */
export async function verify(model, golden, { engine = "auto" } = {}) {
  const { width, height, seed, steps, cells } = golden;
  const { channels, living, decoder } = model.spec;
  const { painted } = golden;
  const expected = numbers(golden.values, steps.length * cells.length * channels);
  const colours = 3 + Number(living);
  if (Boolean(decoder) !== Boolean(painted)) throw new Error(FOREIGN);
  const points = painted ? (painted.pixels ?? painted.corners).length : 0;
  const seen = painted && numbers(painted.values, steps.length * points * colours);
  const dish = await openDish(document.createElement("canvas"), model, { width, height, seed, engine });
  try {
    // What a classifier looks at.
    if (golden.fixed) dish.setFixed(numbers(golden.fixed, model.spec.fixed * width * height));
    let [at, next] = [0, 0];
    const differences = [];
    for (const step of steps) {
      await dish.step(step - dish.stepNumber);
      const state = await dish.read();
      let largest = 0;
      const compare = (value, found) => {
        const difference = Math.abs(found - value) / (1 + Math.abs(value));
        largest = difference <= largest ? largest : difference; // keeps what is no number
      };
      for (const [row, column] of cells) {
        for (let channel = 0; channel < channels; channel++) {
          compare(expected[at++], state[(channel * height + row) * width + column]);
        }
      }
      const picture = painted ? await paintedBy(dish, painted) : null;
      for (let point = 0; point < points; point++) {
        const [row, column] = painted.pixels?.[point] ?? [0, point];
        const first = 4 * (row * (painted.width ?? 0) + column);
        for (let lane = 0; lane < colours; lane++) compare(seen[next++], picture[first + lane]);
      }
      differences.push({ step, largest });
    }
    const largest = differences.reduce((most, each) => (each.largest <= most ? most : each.largest), 0);
    return { engine: dish.describe(), differences, largest, same: largest <= TOLERANCE };
  } finally {
    dish.close();
  }
}

/** What a dish paints where golden values are: of a grid a picture, of a mesh a row of points. */
function paintedBy(dish, { width, height, corners, shares }) {
  if (!corners) return dish.picture(width, height);
  return dish.spots(Uint32Array.from(corners.flat()), numbers(shares, 3 * corners.length));
}

/** Numbers from base64 of float32, as many as there must be. */
function numbers(text, count) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  if (bytes.length !== 4 * count) throw new Error(FOREIGN);
  return new Float32Array(bytes.buffer);
}
