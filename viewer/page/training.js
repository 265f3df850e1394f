// What a model's training tells a visitor: does it heal, and how was it made?

/** Whether it was trained to heal: true, false, or null where the file does not say. As in the manifest. */
export function heals(training) {
  const { trained_to: goal, recipe } = training;
  if (goal) return goal === "regenerate";
  if (!recipe) return null;
  return Boolean(recipe.pool?.damage);
}

/** One sentence about what to expect of the eraser. */
export function healing(entry) {
  if (entry.heals) return "Trained to heal: erase a part and watch it grow back.";
  if (entry.training.trained_to === "grow") {
    return "Trained to grow, not to last: it may fade or overgrow, and what you erase may not come back.";
  }
  if (entry.heals === false) return "Not trained to heal: what you erase may not come back.";
  return "Its file does not say whether it was trained to heal.";
}

/** Names and values for the label beside the dish; only what the file says. */
export function facts({ description, parameters, res, steps, training, follow }) {
  const { recipe, epochs, seconds, loss, source, authors, licence } = training;
  const list = [["Cell", description]];
  if (parameters) list.push(["Parameters", count(parameters)]);
  if (recipe) list.push(["Grid", `${res} × ${res} cells`], ["Grows in", `${steps} steps`]);
  if (Number.isFinite(epochs) && !follow) {
    list.push(["Trained", `${count(epochs)} epochs${Number.isFinite(seconds) ? `, ${duration(seconds)}` : ""}`]);
  }
  if (Number.isFinite(loss?.loss)) list.push(["Loss", loss.loss.toPrecision(2)]);
  for (const [name, value] of Object.entries({ Source: source, Authors: authors, Licence: licence })) {
    if (typeof value === "string") list.push([name, value]);
  }
  return list;
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
