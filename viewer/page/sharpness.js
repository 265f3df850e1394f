// How many pixels are painted: the device's own, or as many as leave a machine twenty pictures a second.

import { SLOW } from "./pace.js";

const MOST = 4096; // pixels along a canvas's side
const FRAME = 50; // milliseconds between two pictures, at most
const FIRST = 0.5; // share of the pixels along a side, until it is known what a machine can do
const LEAST = 0.08;
const ROUGH = 96; // pixels along the longer side, at least, of a picture that a processor paints: they take it 10 ms

export class Sharpness {
  share = FIRST;
  #least = LEAST;
  #between = null; // milliseconds, as a mean that forgets

  /**
   * Hear how long it took from one picture to the next, of those that follow each other without a rest.
   * @param {number} passed milliseconds
   * @param {number} asked milliseconds that it was to take, where somebody asked for fewer pictures
   */
  follow(passed, asked = 0) {
    const limit = Math.max(FRAME, 1.2 * asked);
    this.#between = this.#between === null ? passed : 0.6 * this.#between + 0.4 * Math.min(passed, 1000);
    const room = limit / this.#between;
    if (room > 0.9 && room < 1.2) return;
    const change = room < 1 ? Math.max(0.6, Math.sqrt(room)) : 1.04;
    this.share = Math.min(1, Math.max(this.#least, this.share * change));
    if (room < 1) this.#between *= change ** 2; // what the next is expected to take
  }

  /** Draw a dish; a decoder paints, while it plays, the share of pixels that keeps it alive. */
  draw(dish, pace, channel = null) {
    const paints = Boolean(dish.spec.decoder) && channel === null;
    // The processor's steps have their own bound; a GPU is to take fewer before it paints fewer pixels.
    if (dish.mesh) pace.slow = Infinity; // what is slow there is the picture, whatever the steps are
    else pace.slow = !paints ? SLOW : dish.gl ? 0.9 * FRAME : Infinity;
    const painted = paints && !dish.gl && !dish.mesh; // by the processor
    this.#least = painted ? Math.max(LEAST, Math.min(1, ROUGH / Math.max(dish.canvas.width, dish.canvas.height))) : LEAST;
    this.share = Math.max(this.share, this.#least);
    if (paints && pace.playing && pace.passed) this.follow(pace.passed, 1000 / pace.frames);
    return dish.draw({ channel, share: this.share });
  }

  /** Paint all the pixels of a dish that rests, part after part. */
  async refine(dish, pace, channel = null) {
    const rests = () => !pace.playing && !pace.asked;
    if (!dish.spec.decoder || channel !== null || this.share === 1 || !rests()) return;
    await dish.draw({ going: rests });
  }
}

/**
 * Give a canvas a pixel a cell, or the device's own where a decoder paints, a part is zoomed into or a surface is seen.
 * @returns {boolean} whether it is the device's own
 */
export function fitCanvas(canvas, dish) {
  const { clientWidth, clientHeight } = canvas;
  const fine = dish.fine && clientWidth > 0;
  const pixels = (side) => Math.min(MOST, Math.max(1, Math.round(side * devicePixelRatio)));
  const [width, height] = fine ? [pixels(clientWidth), pixels(clientHeight)] : dish.sides;
  // Setting a size empties a canvas, even if it is the one that it has.
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  return fine;
}
