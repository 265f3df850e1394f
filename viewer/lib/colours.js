// The colours of classes; as petri/nca/colours.py.

export const COLOURS = [
  "#ddff04", "#b22506", "#6019f7", "#03ffbc", "#f451a4",
  "#67c20c", "#f2baff", "#bf8463", "#9e7cf1", "#921294",
];
export const UNDECIDED = "#555555";

/** Red, green and blue of `#rrggbb`, in 0..1. */
export function parts(colour) {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
}
