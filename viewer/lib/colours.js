// The colours of classes; as petri/nca/colours.py.

export const COLOURS = [
  "#f8e4f3", "#ed5106", "#5230fc", "#b3fd0b", "#fc93fc",
  "#761903", "#0cff7e", "#a41db8", "#4fa76e", "#490651",
];
export const UNDECIDED = "#555555";

/** Red, green and blue of `#rrggbb`, in 0..1. */
export function parts(colour) {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
}
