// From where a ring or a mesh is seen: it is turned by dragging, by fingers and by arrow keys. What view.js is of a grid.

import { FRONT } from "../lib/surface.js";

const SWIPE = 200; // degrees that a drag across the whole picture turns
const KEY = 10; // degrees that an arrow key turns
const STEEPEST = 89; // degrees
const [FARTHEST, NEAREST] = [0.5, 24];

export class Orbit {
  span = 1; // the picture is always seen whole; what comes nearer is the eye

  /**
   * @param {() => void} changed called after every change.
   * @param {(x: number, y: number) => boolean} beside whether a point, in shares of the picture's sides, shows nothing.
   */
  constructor(changed, beside) {
    Object.assign(this, { changed, beside }, FRONT);
  }

  /** Whether it is seen from elsewhere than at first. */
  get moved() {
    return Object.keys(FRONT).some((name) => this[name] !== FRONT[name]);
  }

  /** See it as at first. */
  whole() {
    Object.assign(this, FRONT);
    this.changed();
  }

  /** What a link carries of it, with the zoom: the turn and the tilt as shares. */
  get left() {
    return +(((this.turn % 360) + 360) % 360 / 360).toFixed(6) % 1;
  }

  get top() {
    return (this.tilt + 90) / 180;
  }

  /** See it as a link says. */
  set(left, top, span) {
    this.#look(360 * left, 180 * top - 90, 1 / span);
  }

  #look(turn, tilt, zoom) {
    this.turn = turn;
    this.tilt = Math.min(STEEPEST, Math.max(-STEEPEST, tilt));
    this.zoom = Math.min(NEAREST, Math.max(FARTHEST, zoom));
    this.changed();
  }

  /** Come so many times nearer. */
  near(times) {
    this.#look(this.turn, this.tilt, this.zoom * times);
  }

  /** Turn it with a hand that moves, in shares of the canvas's sides. */
  move(right, down) {
    const far = SWIPE / Math.max(1, this.zoom);
    this.#look(this.turn + far * right, this.tilt + far * down, this.zoom);
  }

  /** Turn it by an arrow key; true: it is not the brush that moves. */
  step(right, down) {
    const far = KEY / Math.max(1, this.zoom);
    this.#look(this.turn - far * right, this.tilt - far * down, this.zoom);
    return true;
  }

  /** Whether a hand that begins at a point with a tool turns it. */
  takes(tool, { x, y }) {
    return tool === "turn" || this.beside(x, y);
  }

  reveal() {}

  onGrid(x, y) {
    return { x, y };
  }

  onCanvas(x, y) {
    return { x, y };
  }
}
