// What a model grows, drawn out of sight: for those that come without a picture.

import { openDish } from "../lib/dish.js";
import { onGraph } from "../lib/graph.js";
import { chooseGround } from "../lib/ground.js";

const LARGEST = 256; // cells along a side
const LONGEST = 512; // steps
const PAINTED = 192; // pixels along a side of what a decoder paints, and of a surface
export const FIRST_SEEN = 7; // which of a classifier's pictures

/**
 * Grow a model and draw it.
 * @param {object} model from `parseModel`
 * @param {string} engine as for `openDish`
 * @returns {Promise<{picture: string, ground: ?string}>} the address of a PNG, transparent around a figure; and what a
 *   figure can be seen on
 */
export async function portrait(model, engine = "auto") {
  const side = Math.min(model.res, LARGEST);
  const pixels = model.spec.decoder || onGraph(model.spec) ? PAINTED : side;
  const canvas = Object.assign(document.createElement("canvas"), { width: pixels, height: pixels });
  const dish = await openDish(canvas, model, { width: side, engine });
  try {
    dish.ground = null;
    const seen = model.samples[Math.min(FIRST_SEEN, model.samples.length - 1)];
    if (seen?.width === dish.width && seen.height === dish.height) dish.setFixed(seen.values);
    await dish.grow(Math.min(model.steps, LONGEST));
    await dish.draw();
    const figure = model.spec.living ? canvas.getContext("2d").getImageData(0, 0, pixels, pixels) : null;
    return { picture: canvas.toDataURL(), ground: figure && chooseGround(figure) };
  } finally {
    dish.close();
  }
}
