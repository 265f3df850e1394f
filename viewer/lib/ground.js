// The ground that a figure is seen on. As petri/ground.py, which chooses it where a run or a page is made.

const WHITE = "#ffffff";
const BLACK = "#000000";
const MIDDLE = "#808080";
const RESERVE = { [WHITE]: 0, [BLACK]: 0.1, [MIDDLE]: 0.15 }; // share that the others must lose more for it to be chosen
const CLEAR = 0.25; // distance between two colours, of 1 between black and white, from which they are told apart well
const BRIGHTNESS = [0.3, 0.59, 0.11]; // what red, green and blue are worth: yellow is hardly seen on white
const INNER = 0.1; // weight of what lies within the outline: line art is seen although its inside is the ground's

/** The ground that a model's file names; null if it does not. */
export function keptGround(training) {
  return typeof training.ground === "string" && /^#[0-9a-f]{6}$/.test(training.ground) ? training.ground : null;
}

/**
 * A ground that a figure can be seen on: white, unless too much of its outline would vanish there.
 * @param {ImageData} figure not multiplied by alpha
 * @returns {string} `#rrggbb`
 */
export function chooseGround({ width, height, data }) {
  const alpha = (x, y) => data[4 * (y * width + x) + 3] / 255;
  const emptiest = (x, y) => {
    let least = 1;
    for (let row = Math.max(0, y - 1); row <= Math.min(height - 1, y + 1); row += 1) {
      for (let column = Math.max(0, x - 1); column <= Math.min(width - 1, x + 1); column += 1) {
        least = Math.min(least, alpha(column, row));
      }
    }
    return least;
  };
  const cells = [];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = 4 * (y * width + x);
      const inner = alpha(x, y);
      if (inner) cells.push({ rgb: [...data.subarray(at, at + 3)], inner, outline: inner - emptiest(x, y) });
    }
  }
  const weights = cells.some(({ outline }) => outline) ? ["outline", "inner"] : ["inner", "inner"];
  const lost = (ground) => {
    const grey = parseInt(ground.slice(1, 3), 16);
    const hidden = cells.map(({ rgb }) => {
      const square = rgb.reduce((sum, part, i) => sum + BRIGHTNESS[i] * ((part - grey) / 255) ** 2, 0);
      return 1 - Math.min(1, Math.sqrt(square) / CLEAR);
    });
    const [ofOutline, ofAll] = weights.map((name) => {
      const whole = cells.reduce((sum, cell) => sum + cell[name], 0);
      return cells.reduce((sum, cell, i) => sum + hidden[i] * cell[name], 0) / Math.max(whole, 1e-6);
    });
    return RESERVE[ground] + ofOutline + INNER * ofAll;
  };
  const losses = Object.keys(RESERVE).map((ground) => [lost(ground), ground]);
  return losses.reduce((best, each) => (each[0] < best[0] ? each : best))[1];
}
