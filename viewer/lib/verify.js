// Golden values: what PyTorch computed, against what this machine computes.

import { openDish } from "./dish.js";

export const TOLERANCE = 1e-4; // of |difference| / (1 + |golden value|)

/**
 * Grow a model here, and compare cells of it with the values that PyTorch found.
 * @param {object} model from `parseModel`
 * @param {object} golden from the manifest: `width`, `height`, `seed`, `steps` (when to compare), `cells` (row and
 *   column of each), `values` (base64 of float32 `[step, cell, channel]`), `fixed` (the same of the fixed planes, if any)
 * @param {object} options
 * @param {string} options.engine as for `openDish`
 * @returns {Promise<{engine: string, differences: {step: number, largest: number}[], largest: number, same: boolean}>}
 *   engine: in words; same: no difference is above `TOLERANCE`
 */
export async function verify(model, golden, { engine = "auto" } = {}) {
  const { width, height, seed, steps, cells } = golden;
  const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
  const expected = floats(golden.values);
  const { channels } = model.spec;
  if (expected.length !== steps.length * cells.length * channels) {
    throw new Error("the golden values are not of this model");
  }
  const dish = await openDish(document.createElement("canvas"), model, { width, height, seed, engine });
  try {
    if (golden.fixed) dish.setFixed(floats(golden.fixed)); // what a classifier looks at
    let at = 0;
    const differences = [];
    for (const step of steps) {
      await dish.step(step - dish.stepNumber);
      const state = await dish.read();
      let largest = 0;
      for (const [row, column] of cells) {
        for (let channel = 0; channel < channels; channel++) {
          const value = expected[at++];
          const found = state[(channel * height + row) * width + column];
          const difference = Math.abs(found - value) / (1 + Math.abs(value));
          largest = difference <= largest ? largest : difference; // keeps what is no number
        }
      }
      differences.push({ step, largest });
    }
    const largest = differences.reduce((most, each) => (each.largest <= most ? most : each.largest), 0);
    return { engine: dish.describe(), differences, largest, same: largest <= TOLERANCE };
  } finally {
    dish.close();
  }
}
