// The light of a material is where the pointer is; where there is none, it is far away.

/**
 * @param {HTMLCanvasElement} canvas
 * @param {(light: ?{x: number, y: number}) => void} shine told where it is, in shares of the canvas from its left and top
 */
export function carryLight(canvas, shine) {
  const place = ({ clientX, clientY }) => {
    const box = canvas.getBoundingClientRect();
    shine({ x: (clientX - box.left) / box.width, y: (clientY - box.top) / box.height });
  };
  canvas.addEventListener("pointermove", place, { capture: true });
  canvas.addEventListener("pointerleave", () => shine(null));
}
