// Keys for everything. Each does what a control does, so that there is one way for a thing to happen.

const KEYS = [
  [[" "], "play or pause", () => press("play")],
  [["."], "one step", () => press("single")],
  [["r"], "reset to the seed", () => press("reset")],
  [["n"], "next specimen", () => another(1)],
  [["b"], "specimen before", () => another(-1)],
  [["a"], "turn a mesh", () => pick("tool", "turn")],
  [["e"], "erase", () => pick("tool", "erase")],
  [["d"], "draw", () => pick("tool", "draw")],
  [["s"], "seed", () => pick("tool", "seed")],
  [["w"], "paint what it is to be", () => pick("tool", "paint")],
  [["m"], "another target", () => following("conditions")],
  [["i"], "zoom in", () => press("nearer")],
  [["u"], "zoom out", () => press("farther")],
  [["0"], "see the whole", () => press("whole")],
  [["f"], "full screen", () => press("full-screen")],
  [["1", "2", "3"], "brush size", (key) => pick("brush", ["small", "medium", "large"][key - 1])],
  [["+", "="], "faster", () => slide("speed", 3)],
  [["-"], "slower", () => slide("speed", -3)],
  [["]"], "larger grid", () => turn("size", 1)],
  [["["], "smaller grid", () => turn("size", -1)],
  [["c"], "next channel", () => turn("channel", 1)],
  [["x"], "channel before", () => turn("channel", -1)],
  [["p"], "save a picture", () => press("picture")],
  [["v"], "record, or stop", () => press("record")],
  [["l"], "copy a link", () => press("link")],
  [["g"], "verify", () => press("verify")],
  [["o"], "open a model", () => press("open")],
  [["t"], "dark or light", () => press("theme")],
  [["h", "?"], "this list", () => press("keys")],
];
const IN_THE_DISH = [
  ["Arrows", "move the brush, or turn a mesh"],
  ["Enter", "use the tool"],
];
const REPEATED = [".", "+", "=", "-", "i", "u"];

/**
 * Listen to the keyboard, and list the keys.
 * @param {HTMLDialogElement} dialog while it is open, its own keys alone count.
 * @param {HTMLElement} list a `dl`.
 * @param {HTMLInputElement} letters turns single keys off, for those whose speech or switches would press them.
 */
export function listen(dialog, list, letters) {
  for (const [keys, meaning] of KEYS) add(list, keys, meaning);
  for (const [key, meaning] of IN_THE_DISH) add(list, [key], `${meaning}, in the dish`);
  document.addEventListener("keydown", (event) => {
    if (!letters.checked || dialog.open || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.defaultPrevented || types(event.target)) return;
    // The space bar presses the button that has the focus, and chooses the radio button.
    if (event.key === " " && event.target.closest("button, input")) return;
    const name = event.key.toLowerCase();
    const found = KEYS.find(([keys]) => keys.includes(name));
    if (!found || (event.repeat && !REPEATED.includes(name))) return;
    event.preventDefault();
    found[2](name);
  });
}

function types(target) {
  return target.matches("select, textarea, input:not([type=radio], [type=checkbox], [type=range])");
}

function add(list, keys, meaning) {
  const term = document.createElement("dt");
  for (const key of keys) {
    const text = key === " " ? "Space" : key.length === 1 ? key.toUpperCase() : key;
    term.append(Object.assign(document.createElement("kbd"), { textContent: text }));
  }
  const row = document.createElement("div");
  row.append(term, Object.assign(document.createElement("dd"), { textContent: meaning }));
  list.append(row);
}

function press(id) {
  document.getElementById(id).click();
}

function pick(name, value) {
  const input = [...document.getElementsByName(name)].find((radio) => radio.value === value);
  if (!input.matches(":disabled")) input.click();
}

function another(distance) {
  const all = [...document.getElementsByName("model")];
  if (all.length) all[(all.findIndex((input) => input.checked) + distance + all.length) % all.length].click();
}

/** Press the button after the one that is pressed, of a row. */
function following(id) {
  const all = [...document.getElementById(id).children];
  if (all.length) all[(all.findIndex((button) => button.ariaPressed === "true") + 1) % all.length].click();
}

/** Choose the option `distance` places on in a select. */
function turn(id, distance) {
  const select = document.getElementById(id);
  const next = select.selectedIndex + distance;
  if (select.matches(":disabled") || next < 0 || next >= select.options.length) return;
  select.selectedIndex = next;
  select.dispatchEvent(new Event("change", { bubbles: true }));
}

/** Move a slider by so many of its steps. */
function slide(id, places) {
  const slider = document.getElementById(id);
  slider.stepUp(places);
  for (const name of ["input", "change"]) slider.dispatchEvent(new Event(name, { bubbles: true }));
}
