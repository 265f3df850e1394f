// The points at which a picture is painted: its rows and columns, and where they lie among the cells.

export const WHOLE = Object.freeze({ left: 0, top: 0, span: 1 });

/**
 * Where lines of a picture, rows or columns, lie among cells; as `Raster` and `_shares` in petri/nca/decoder.py.
 * @param {object} spec with a decoder
 * @param {number} cells along this side of the grid
 * @param {object} lines
 * @param {number} lines.from where the picture begins and
 * @param {number} lines.span what it takes, as shares of the grid
 * @param {number} lines.count of all lines of the picture
 * @param {number} lines.first of those that are asked for, and
 * @param {number} lines.end the one behind their last
 * @returns {Float32Array} of each line the cell before it and the cell after it (−1 beyond the edge), the share of the
 *   one after it, and where in its patch it lies, −1..1
 */
export function linesAmong({ decoder, space }, cells, { from = 0, span = 1, count, first = 0, end = count }) {
  const shift = decoder.coordinates === "centre" ? 0.5 : 0;
  const found = new Float32Array(4 * (end - first));
  const cell = (number) => {
    if (space.padding === "wrap") return ((number % cells) + cells) % cells;
    return number >= 0 && number < cells ? number : -1;
  };
  for (let line = first; line < end; line++) {
    const place = (from + (span * (line + 0.5)) / count) * cells;
    const before = Math.floor(place - shift);
    found.set([cell(before), cell(before + 1), place - shift - before, (place % 1) * 2 - 1], 4 * (line - first));
  }
  return found;
}

/** Parts of a picture, from the top left, none of more pixels than `most` or of more along a side than `side`. */
export function partsOf(width, height, most, side = Infinity) {
  const across = Math.min(width, side);
  const down = Math.min(height, side, Math.max(1, Math.floor(most / across)));
  const parts = [];
  for (let top = 0; top < height; top += down) {
    for (let left = 0; left < width; left += across) {
      parts.push({ left, top, right: Math.min(width, left + across), bottom: Math.min(height, top + down) });
    }
  }
  return parts;
}
