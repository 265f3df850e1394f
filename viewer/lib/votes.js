// What the cells of a classifier say: the verdict that their votes add up to. As petri/nca/votes.py.

/**
 * Count votes.
 * @param {object} spec of a classifier
 * @param {Float32Array} state `[plane, height, width]`
 * @returns {{which: number, shares: number[], cells: number}} which: the class of the greatest mean vote, -1 where there
 *   is no cell or none has voted; shares: of the cells, that vote for each class themselves; cells: how many there are
 */
export function verdict({ classes, channels, planes, masked }, state) {
  const area = state.length / planes;
  const sums = Array(classes).fill(0);
  const counts = Array(classes).fill(0);
  let cells = 0;
  let voted = 0;
  for (let at = 0; at < area; at++) {
    if (masked && !(state[channels * area + at] > 0.1)) continue;
    cells += 1;
    let which = 0;
    let alike = true;
    for (let c = 0; c < classes; c++) {
      const vote = state[c * area + at];
      sums[c] += vote;
      if (vote > state[which * area + at]) which = c;
      alike &&= vote === state[at];
    }
    if (alike) continue;
    voted += 1;
    counts[which] += 1;
  }
  const which = voted ? sums.indexOf(Math.max(...sums)) : -1;
  return { which, shares: counts.map((count) => count / Math.max(1, cells)), cells };
}
