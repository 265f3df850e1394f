// What is shown of a material: the surface under a light, or one of its maps.

import { MAPS } from "./spec.js";

export const SHOWN = ["lit", ...Object.keys(MAPS)]; // in the order of the shader's numbers
export const AFAR = Object.freeze([-0.5, 0.6, 0.75, 0]); // a light that is far away, as in petri/lit.py
const HIGH = 0.35; // of a light above the picture, of its shorter side

/**
 * What an engine is told of a part of a picture.
 * @param {string} map one of `SHOWN`
 * @param {?{x: number, y: number}} light where it is in the picture, as shares of it from its left and top; null: far away
 * @param {number[]} size width and height of the picture, in pixels
 * @param {{left: number, top: number}} part
 * @param {number} span of the picture, as a share of the grid
 * @returns {{map: string, light: number[], from: number[], pixel: number}} light: pixels to the right of the part's left
 *   edge, down from its top and out of it, and 1; or the direction that it comes from, right, up and out, and 0. from: that
 *   direction as the picture's middle has it. pixel: of the picture, as a share of the grid's side
 */
export function surfaceOf(map, light, [width, height], { left, top }, span) {
  const pixel = span / width;
  if (!light) return { map, light: AFAR, from: AFAR.slice(0, 3), pixel };
  const [x, y, z] = [light.x * width, light.y * height, HIGH * Math.min(width, height)];
  return { map, light: [x - left, y - top, z, 1], from: [x - width / 2, height / 2 - y, z], pixel };
}
