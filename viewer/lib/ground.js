// What a figure is seen on.

import { openDish } from "./dish.js";

const LARGEST = 128; // cells along a side that it is grown on to be looked at

/**
 * Whether a model's figure is better seen on black or on white: it is grown aside, and its colours are looked at.
 * @param {object} model from `parseModel`
 * @returns {Promise<string>} `black` or `white`; white for what is no figure, and for a figure that does not live
 */
export async function groundFor(model) {
  if (!model.spec.living) return "white";
  const dish = await openDish(document.createElement("canvas"), model, { width: Math.min(model.res, LARGEST) });
  try {
    await dish.grow(model.steps);
    return better(dish.read(), dish.width * dish.height);
  } finally {
    dish.close();
  }
}

/** Of a state `[channel, cell]`: the ground that is further away from the mean of the figure's colours. */
function better(state, area) {
  let opaque = 0;
  let bright = 0;
  for (let i = 0; i < area; i++) {
    opaque += Math.min(Math.max(state[3 * area + i], 0), 1);
    // The colours are multiplied by alpha.
    bright += 0.2126 * state[i] + 0.7152 * state[area + i] + 0.0722 * state[2 * area + i];
  }
  return bright > opaque / 2 ? "black" : "white";
}
