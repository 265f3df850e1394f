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
 * @returns {{map: string, light: number[], pixel: number}} light: pixels to the right of the part's left edge, down from
 *   its top and out of it, and 1; or the direction that it comes from, right, up and out, and 0. pixel: of the picture,
 *   as a share of the grid's side
 */
export function surfaceOf(map, light, [width, height], { left, top }, span) {
  const near = light && [light.x * width - left, light.y * height - top, HIGH * Math.min(width, height), 1];
  return { map, light: near || AFAR, pixel: span / width };
}
