// Colours as the browser computes them.

const known = new Map();

/** The background of an element, `[r, g, b]` in 0..1; what is transparent counts as black. */
export function backgroundOf(element) {
  const text = getComputedStyle(element).backgroundColor;
  if (!known.has(text)) {
    const pen = new OffscreenCanvas(1, 1).getContext("2d", { alpha: false });
    pen.fillStyle = text;
    pen.fillRect(0, 0, 1, 1);
    known.set(text, [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)].map((value) => value / 255));
  }
  return known.get(text);
}

/** `#rrggbb` as `[r, g, b]` in 0..1. */
export function rgb(text) {
  return [1, 3, 5].map((start) => parseInt(text.slice(start, start + 2), 16) / 255);
}
