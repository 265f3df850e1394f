// Zooming and moving what is seen: by wheel, by two fingers, by dragging with Shift or the middle button; and turning a
// mesh, by whatever drags it or begins beside it.

const MIDDLE = 1; // `button`
const LINE = 16; // pixels, where a wheel counts lines
const SLOWLY = 0.002; // of the logarithm of a zoom, a pixel that a wheel turns
const PINCHED = 0.01; // the same of a pinch on a trackpad, which browsers tell as a wheel with Ctrl that turns a little
const LITTLE = 50; // pixels

export class Gestures {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {View} view
   * @param {Brush} brush whose strokes two fingers that come together take back
   * @param {object} options
   * @param {boolean} options.wheel whether a wheel zooms without Ctrl; a page of articles needs it to scroll
   */
  constructor(canvas, view, brush, { wheel }) {
    Object.assign(this, { canvas, view, brush, wheel });
    this.drag = null; // { id, x, y } of the pointer that moves what is seen
    this.fingers = new Map(); // by pointer, of two that pinch
    this.lone = null; // a finger that may become one of two
    const listen = (name, action) => canvas.addEventListener(name, action, { capture: true, passive: false });
    listen("wheel", (event) => this.turn(event));
    listen("pointerdown", (event) => this.begin(event));
    listen("pointermove", (event) => this.go(event));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) listen(name, (event) => this.end(event));
  }

  /** Where a pointer is, in shares of the canvas's sides. */
  at({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    return { x: (clientX - box.left) / box.width, y: (clientY - box.top) / box.height };
  }

  turn(event) {
    const pinched = event.ctrlKey || event.metaKey;
    if (!pinched && (!this.wheel || (!this.view.moved && (event.deltaY > 0 || scrollY > 0)))) return; // it scrolls
    event.preventDefault();
    const { x, y } = this.at(event);
    const turned = event.deltaY * (event.deltaMode ? LINE : 1);
    this.view.near(Math.exp(-turned * (event.ctrlKey && Math.abs(turned) < LITTLE ? PINCHED : SLOWLY)), x, y);
  }

  begin(event) {
    const place = this.at(event);
    const turns = event.button === 0 && !this.lone && this.view.takes(this.brush.tool, place);
    if (event.pointerType === "touch") {
      if (turns && !this.fingers.size) {
        this.fingers.set(event.pointerId, place);
        this.take(event);
        return;
      }
      if (!this.fingers.size && this.lone && this.brush.takeBack(this.lone.id)) {
        this.fingers.set(this.lone.id, this.lone.place);
        this.lone = null;
      }
      if (!this.fingers.size) {
        this.lone = { id: event.pointerId, place };
        return;
      }
      if (this.fingers.size < 2) this.fingers.set(event.pointerId, place);
      this.take(event);
    } else if (turns || event.button === MIDDLE || (event.shiftKey && event.button === 0)) {
      this.drag = { id: event.pointerId, ...place };
      this.take(event);
    }
  }

  take(event) {
    event.preventDefault();
    event.stopImmediatePropagation();
    this.canvas.setPointerCapture(event.pointerId);
    this.brush.hide();
  }

  go(event) {
    const place = this.at(event);
    if (this.drag?.id === event.pointerId) {
      event.stopImmediatePropagation();
      this.view.move(place.x - this.drag.x, place.y - this.drag.y);
      Object.assign(this.drag, place);
    } else if (this.fingers.has(event.pointerId)) {
      event.stopImmediatePropagation();
      const before = this.pair();
      this.fingers.set(event.pointerId, place);
      const after = this.pair();
      // Nearer first: what is seen whole cannot be moved.
      if (before.apart > 0) this.view.near(after.apart / before.apart, before.x, before.y);
      this.view.move(after.x - before.x, after.y - before.y);
    } else if (this.lone?.id === event.pointerId) {
      this.lone.place = place;
    }
  }

  /** The middle of two fingers, and how far they are from each other; of one that is left, itself. */
  pair() {
    const [one, other = one] = this.fingers.values();
    const apart = Math.hypot(one.x - other.x, one.y - other.y);
    return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2, apart };
  }

  end(event) {
    if (this.lone?.id === event.pointerId) this.lone = null;
    if (this.drag?.id === event.pointerId) {
      this.drag = null;
      event.stopImmediatePropagation();
    }
    if (this.fingers.delete(event.pointerId)) event.stopImmediatePropagation();
  }
}
