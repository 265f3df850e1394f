// What a model's training and its evaluation tell a visitor: does it heal, on which grids does it hold, how was it made?

const HEALS = 90; // percent of the damage that is gone, from which a model is said to heal
const WORSE = 3; // times the error as trained that makes a pattern broken on another grid …
const SEEN = 0.005; // … if it is more than this, which nobody sees

/** Whether it was trained to heal: true, false, or null where the file does not say. As in the manifest. */
export function heals(training) {
  const { trained_to: goal, recipe } = training;
  if (goal) return goal === "regenerate";
  return recipe?.pool ? Boolean(recipe.pool.damage) : null;
}

/** Percent of what a cut circle takes, of a mesh a patch, that was measured to grow back; null where that was not. */
export function healed(training) {
  return regeneration(training).find(({ kind }) => kind === "circle" || kind === "patch")?.percent ?? null;
}

function regeneration({ evaluation }) {
  const found = Array.isArray(evaluation?.regeneration) ? evaluation.regeneration : [];
  return found.filter((one) => Number.isFinite(one?.percent));
}

function percent(value) {
  return `${Math.round(Math.min(100, Math.max(0, value)))} %`; // beyond 100 it is better than before the damage
}

/** Whether it is known to heal: measured, or else trained to. */
export function knownToHeal(entry) {
  return entry.healed === null ? entry.heals === true : entry.healed >= HEALS;
}

/** One sentence about what to expect of the eraser: what was measured, or else what it was trained for. */
export function healing(entry) {
  if (entry.healed !== null) {
    const heals = entry.healed >= HEALS ? "Heals" : entry.healed >= 50 ? "Heals in part" : "Does not heal";
    const though = heals === "Heals" && !entry.heals ? ", though it was not trained to" : "";
    const what = entry.spec.space?.kind === "mesh" ? "patch that is emptied" : "circle that is cut out";
    return `${heals}${though}: of a ${what}, ${percent(entry.healed)} grows back.`;
  }
  if (entry.classes?.length) return "Draw on it: every cell votes on what it is part of, and together they agree.";
  if (entry.training.recipe?.task === "texture") return "A texture, for a plane of any size: erase a part, and it is woven anew.";
  if (entry.training.recipe?.task === "wear") return "A texture, for any mesh: erase a part, and it is woven anew.";
  if (entry.heals) return "Trained to heal: erase a part and watch it grow back.";
  if (entry.training.trained_to === "grow") {
    return "Trained to grow, not to last: it may fade or overgrow, and what you erase may not come back.";
  }
  if (entry.heals === false) return "Not trained to heal: what you erase may not come back.";
  return "Its file does not say whether it was trained to heal.";
}

/**
 * What was measured on another grid: `{ holds, words }`; null on its own.
 * @param {object} entry
 * @param {number} side cells along a side
 */
export function onGrid({ res, spec, training }, side) {
  if (side === res) return null;
  const { sizes, loss } = training.evaluation ?? {};
  const there = Array.isArray(sizes) ? sizes.find((one) => one?.res === side && Number.isFinite(one.loss)) : null;
  if (!there) {
    const kind = spec.space.kind ?? "grid";
    return { holds: null, words: `Not measured on this ${kind}: it was trained on ${extent({ spec }, res)}.` };
  }
  const own = (loss?.seen ?? loss?.rgba ?? loss?.rgb)?.pattern ?? 0;
  const holds = there.loss <= Math.max(WORSE * own, SEEN);
  const errors = `an error of ${there.loss.toPrecision(2)}, and ${own.toPrecision(2)} as trained`;
  return { holds, words: `${holds ? "Holds" : "Breaks"} on this grid: ${errors}.` };
}

/** How large a grid, a ring or a mesh is: such as `64 × 64`. */
export function extent({ spec }, side) {
  const units = { ring: "nodes", mesh: "vertices" }[spec.space?.kind];
  return units ? `${count(side)} ${units}` : `${side} × ${side}`;
}

/** Names and values for the label beside the dish; only what the file says. */
export function facts({ name, title, spec, description, parameters, res, steps, training, follow }) {
  const { recipe, epochs, seconds, loss, source, authors, licence } = training;
  const found = training.evaluation?.readings ? training.evaluation : training.found;
  const list = [["Cell", description]];
  if (title !== name) list.unshift([spec.classes ? "Sees" : "Grows", title]);
  if (parameters) list.push(["Parameters", count(parameters)]);
  if (recipe) list.push(...placed(spec, res), [spec.classes ? "Decides in" : "Grows in", `${steps} steps`]);
  if (Number.isFinite(epochs) && !follow) {
    list.push(["Trained", `${count(epochs)} epochs${Number.isFinite(seconds) ? `, ${duration(seconds)}` : ""}`]);
  }
  const looks = (Array.isArray(found?.readings) ? found.readings : []).filter((one) => Number.isFinite(one?.pictures));
  if (looks.length) {
    const shares = looks.map((one) => `${(100 * one.pictures).toFixed(1)} % after ${one.steps}`);
    list.push(["Recognised", `of ${count(found.pictures)} test pictures ${shares.join(", ")} steps`]);
  }
  if (Number.isFinite(loss?.loss)) list.push(["Loss", loss.loss.toPrecision(2)]);
  const cuts = regeneration(training).map((one) => `${one.kind} ${percent(one.percent)}`);
  if (cuts.length) list.push(["Healed", cuts.join(", ")]);
  for (const [name, value] of Object.entries({ Source: source, Authors: authors, Licence: licence })) {
    if (typeof value === "string") list.push([name, value]);
  }
  return list;
}

function placed(spec, res) {
  const kind = { ring: "Ring", mesh: "Mesh" }[spec.space?.kind];
  return [kind ? [kind, extent({ spec }, res)] : ["Grid", `${extent({ spec }, res)} cells`]];
}

/** A whole number for people. */
export function count(value) {
  return Math.round(value).toLocaleString("en");
}

function duration(seconds) {
  const minutes = Math.round(seconds / 60);
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
