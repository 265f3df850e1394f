// Tools in the dish: mouse, pen, fingers and arrow keys.

const REACH = { small: 0.03, medium: 0.06, large: 0.12 }; // radius, as a share of the grid's side
const ERASER = 32; // bit of `buttons` that a pen's other end sets
const SECONDARY = 2;
const STILL = 6; // pixels that a finger may move before it draws
const SOON = 150; // milliseconds after which it does even if it does not move

export class Brush {
  /**
   * @param {HTMLCanvasElement} canvas shows the grid, a cell a pixel or more.
   * @param {HTMLElement} ring shows where the brush is.
   * @param {View} view what of the grid is seen.
   * @param {(tool: string, x: number, y: number, radius: number) => void} use in cells; fractions of one are kept.
   */
  constructor(canvas, ring, view, use) {
    Object.assign(this, { canvas, ring, view, use });
    this.tool = "erase";
    this.reach = "medium";
    this.cells = { width: 64, height: 64 };
    this.strokes = new Map(); // by pointer: several fingers draw at once
    this.place = null; // where the keyboard's brush is, in cells
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.settle(this.strokes.get(event.pointerId)));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      canvas.addEventListener(name, (event) => this.strokes.delete(event.pointerId));
    }
    canvas.addEventListener("pointerleave", () => this.hide());
    canvas.addEventListener("blur", () => this.hide());
    canvas.addEventListener("contextmenu", (event) => event.preventDefault()); // the second button erases
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("focus", () => {
      if (canvas.matches(":focus-visible")) this.show(this.place ?? this.centre());
    });
  }

  /** Radius in cells, at least half a cell; on the canvas it is the same however near one has come. */
  get radius() {
    return Math.max(0.5, REACH[this.reach] * this.view.span * Math.min(this.cells.width, this.cells.height));
  }

  setCells(width, height) {
    this.cells = { width, height };
    this.place = null;
    this.hide();
  }

  begin(event) {
    if (event.button > 2 && !(event.buttons & ERASER)) return;
    this.canvas.setPointerCapture(event.pointerId);
    const other = event.buttons & (ERASER | SECONDARY);
    const stroke = { tool: other ? "erase" : this.tool, ...this.at(event), begun: false };
    this.strokes.set(event.pointerId, stroke);
    if (event.pointerType !== "touch") {
      this.settle(stroke);
      this.show(stroke);
      return;
    }
    // A finger may be the first of two, or, where a swipe scrolls the page, a swipe: it draws once it goes on alone, or
    // has tapped.
    stroke.from = { x: event.clientX, y: event.clientY };
    stroke.scrolls = getComputedStyle(this.canvas).touchAction.includes("pan-y");
    if (!stroke.scrolls) {
      setTimeout(() => {
        if (this.strokes.get(event.pointerId) === stroke) this.settle(stroke);
      }, SOON);
    }
    this.show(stroke, stroke.scrolls);
  }

  /** Give up a finger's stroke that has not begun; false if it has, or if there is none. */
  takeBack(id) {
    return this.strokes.get(id)?.begun === false && this.strokes.delete(id);
  }

  /** Begin a stroke, now that it is known to be one. */
  settle(stroke) {
    if (!stroke || stroke.begun) return;
    stroke.begun = true;
    this.use(stroke.tool, stroke.x, stroke.y, this.radius);
  }

  move(event) {
    this.show(this.at(event), event.pointerType === "touch");
    const stroke = this.strokes.get(event.pointerId);
    if (!stroke) return;
    if (!stroke.begun) {
      const [right, down] = [event.clientX - stroke.from.x, event.clientY - stroke.from.y].map(Math.abs);
      if (stroke.scrolls ? right <= down : Math.hypot(right, down) < STILL) return;
      this.settle(stroke);
    }
    if (stroke.tool === "seed") return; // a seed is one cell, not a line of them
    const events = event.getCoalescedEvents?.() ?? [];
    for (const part of events.length ? events : [event]) this.draw(stroke, this.at(part));
  }

  /** Use the tool along a line, so that a fast hand leaves no gaps. */
  draw(stroke, to) {
    const length = Math.hypot(to.x - stroke.x, to.y - stroke.y);
    const spacing = Math.max(0.5, this.radius / 2);
    if (length < spacing) return;
    const count = Math.ceil(length / spacing);
    for (let part = 1; part <= count; part += 1) {
      const share = part / count;
      const x = stroke.x + (to.x - stroke.x) * share;
      const y = stroke.y + (to.y - stroke.y) * share;
      this.use(stroke.tool, x, y, this.radius);
    }
    Object.assign(stroke, to);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const place = this.place ?? this.centre();
    if (moves[event.key] && this.view.step(...moves[event.key])) {
      this.place = place;
    } else if (moves[event.key]) {
      const stride = event.shiftKey ? 1 : Math.max(1, this.radius / 2);
      const [x, y] = moves[event.key].map((way) => way * stride);
      this.place = {
        x: Math.min(this.cells.width - 0.5, Math.max(0.5, place.x + x)),
        y: Math.min(this.cells.height - 0.5, Math.max(0.5, place.y + y)),
      };
    } else if (event.key === "Enter") {
      this.place = place;
      this.use(this.tool, place.x, place.y, this.radius);
    } else {
      return;
    }
    event.preventDefault();
    this.view.reveal(this.place.x / this.cells.width, this.place.y / this.cells.height);
    this.show(this.place);
  }

  /** The middle of what is seen. */
  centre() {
    const { x, y } = this.view.onGrid(0.5, 0.5);
    return { x: x * this.cells.width, y: y * this.cells.height };
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const { x, y } = this.view.onGrid((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    return { x: x * this.cells.width, y: y * this.cells.height };
  }

  show(place, hidden = false) {
    const { clientWidth, clientHeight, offsetLeft, offsetTop } = this.canvas;
    const scale = clientWidth / (this.cells.width * this.view.span);
    const { x, y } = this.view.onCanvas(place.x / this.cells.width, place.y / this.cells.height);
    const radius = this.tool === "seed" ? 0.5 : this.radius;
    this.ring.hidden = hidden || this.tool === "turn";
    this.ring.style.width = this.ring.style.height = `${Math.max(6, 2 * radius * scale)}px`;
    this.ring.style.left = `${offsetLeft + x * clientWidth}px`;
    this.ring.style.top = `${offsetTop + y * clientHeight}px`;
  }

  hide() {
    this.ring.hidden = true;
  }
}
