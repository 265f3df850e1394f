// What of the grid is seen: all of it, or a part that is zoomed into. A dish reads it.

const FEWEST = 4; // cells across, as near as one can come

export class View {
  /** @param {() => void} changed called after every change. */
  constructor(changed) {
    this.changed = changed;
    this.cells = FEWEST; // along the grid's longer side
    Object.assign(this, { left: 0, top: 0, span: 1 }); // in shares of the grid's sides
  }

  get zoom() {
    return 1 / this.span;
  }

  /** Whether a part of it is seen. */
  get moved() {
    return this.span < 1;
  }

  /** Whether a hand that begins at a point with a tool moves what is seen; it takes a key for that. */
  takes() {
    return false;
  }

  /** Arrow keys move the brush. */
  step() {
    return false;
  }

  /** See all of the grid. */
  whole() {
    this.set(0, 0, 1);
  }

  /** See a part, in shares of the grid's sides; what would lie beyond the edge is moved. */
  set(left, top, span) {
    this.span = Math.min(1, Math.max(span, Math.min(1, FEWEST / this.cells)));
    const within = (begin) => Math.min(1 - this.span, Math.max(0, begin));
    [this.left, this.top] = [within(left), within(top)];
    this.changed();
  }

  /** Come so many times nearer; the point stays where it is, in shares of the canvas's sides. */
  near(times, x = 0.5, y = 0.5) {
    const span = Math.min(1, Math.max(this.span / times, Math.min(1, FEWEST / this.cells)));
    this.set(this.left + x * (this.span - span), this.top + y * (this.span - span), span);
  }

  /** Move what is seen, in shares of the canvas's sides. */
  move(right, down) {
    this.set(this.left - right * this.span, this.top - down * this.span, this.span);
  }

  /** Let a point of the grid be seen, in shares of its sides. */
  reveal(x, y) {
    const to = (begin, at) => (at < begin || at > begin + this.span ? at - this.span / 2 : begin);
    this.set(to(this.left, x), to(this.top, y), this.span);
  }

  /** Where a point of the canvas lies on the grid, both in shares of their sides. */
  onGrid(x, y) {
    return { x: this.left + x * this.span, y: this.top + y * this.span };
  }

  /** And back. */
  onCanvas(x, y) {
    return { x: (x - this.left) / this.span, y: (y - this.top) / this.span };
  }
}
