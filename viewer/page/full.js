// The dish alone on the whole screen: a texture fills it, whatever its shape.

const MOST = 640; // cells along a side: what a screen has room for is more than most machines keep up with
const LEAST = 16;

/**
 * The grid that fills a box with cells as large as those of a square dish.
 * @param {{width: number, height: number}} box in pixels
 * @param {number} cell pixels along a cell's side
 * @returns {{width: number, height: number}} in cells; fewer and larger ones where they would be too many
 */
export function gridFor(box, cell) {
  const size = Math.max(cell, box.width / MOST, box.height / MOST);
  const cells = (length) => Math.max(LEAST, Math.round(length / size));
  return { width: cells(box.width), height: cells(box.height) };
}

/** Enter full screen, or leave it; throws an Error of one line where a browser has none. */
export async function toggleFull(frame) {
  if (document.fullscreenElement) {
    await document.exitFullscreen();
    return;
  }
  if (!frame.requestFullscreen) throw new Error("this browser shows nothing on the full screen");
  await frame.requestFullscreen();
}
