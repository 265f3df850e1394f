// Which cells take part in a step: a counter-based hash of 32-bit words. As petri/nca/fire.py.

/** Hash a 32-bit word (PCG-RXS-M-XS-32; O'Neill 2014, Jarzynski and Olano 2020). */
export function pcg(value) {
  const a = (Math.imul(value, 747796405) + 2891336453) >>> 0;
  const w = Math.imul((a >>> ((a >>> 28) + 4)) ^ a, 277803737);
  return ((w >>> 22) ^ w) >>> 0;
}

/** The word that decides whether a cell fires: `pcg(x + pcg(y + pcg(seed + pcg(step))))`, in 0..2³²−1. */
export function fireWord(x, y, seed, step) {
  return pcg(x + pcg(y + pcg(seed + pcg(step >>> 0))));
}
