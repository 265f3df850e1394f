// The page: one dish, a row of specimens, one row of controls. Its parts are the modules under page/.

import { onGraph } from "./lib/graph.js";
import { isMesh } from "./lib/mesh.js";
import { MAPS, fillsAnyShape } from "./lib/spec.js";
import { verify } from "./lib/verify.js";
import { Brush } from "./page/brush.js";
import { Classes } from "./page/classes.js";
import { Conditions } from "./page/conditions.js";
import { acceptFiles } from "./page/dropping.js";
import { follow } from "./page/following.js";
import { gridFor, toggleFull } from "./page/full.js";
import { Gestures } from "./page/gestures.js";
import { listen } from "./page/keyboard.js";
import { label, listChannels, listSizes, noteSize, showFilm } from "./page/label.js";
import { carryLight } from "./page/light.js";
import { readLink, viewInLink, writeLink } from "./page/link.js";
import { complain, say, silence, trying } from "./page/messages.js";
import { entryOf, listModels, loadModel, meshOf } from "./page/models.js";
import { ownPicture } from "./page/own.js";
import { speedAt } from "./page/pace.js";
import { Picker } from "./page/picker.js";
import { FIRST_SEEN, portrait } from "./page/portrait.js";
import { download, fileName, obstacle, paintedPicture, picture } from "./page/saving.js";
import { Stage } from "./page/stage.js";
import { remember, remembered, themeButton } from "./page/theme.js";
import { count } from "./page/training.js";

const LARGEST = 512; // cells along a side, if a model was trained on more and nobody asks for them

const LETTERS = "petri-single-keys";

const part = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");

let entry = null; // of the model in the dish
let choices = 0; // only the last one counts
let linked = {}; // what the address asks for
let touched = false; // whether the visitor knows what a stroke does
let portraits = Promise.resolve(); // of one model after the other

const picker = new Picker(part("picker"), pick);
const stage = new Stage(part("dish"), {
  rate: (rate) => (part("rate").textContent = count(rate)),
  drawn: showStep,
  recorded: (seconds) => (part("record").textContent = `Stop ${seconds.toFixed(1)} s`),
  full: () => trying(endRecording),
  lost: () => complain("The graphics were lost; waiting for the browser to give them back."),
  restored: () => say("The graphics are back."),
  seen: showZoom,
});
const brush = new Brush(part("dish"), part("brush"), stage.view, (tool, x, y, radius) => {
  stage.use(tool, x, y, radius, { ink: part("ink").value, condition: conditions.chosen });
  touched = true;
  showHint();
  clearTimeout(deciding);
  if (classes.labels.length) deciding = setTimeout(goOnStill, 300); // when the stroke rests
});
let deciding = 0;

const gestures = new Gestures(part("dish"), stage.view, brush, { wheel: true });
carryLight(part("dish"), (light) => stage.shine(light));
const classes = new Classes(part("classes"), part("verdict"), (sample) => {
  stage.look(sample);
  goOnStill();
});
const conditions = new Conditions(part("conditions"), (number) => trying(() => ask(number)));

// ---- the model in the dish

/** What the visitor picks: the way back leads to what was there before. */
function pick(chosen) {
  return choose(chosen, () => history.pushState(history.state, ""));
}

/**
 * Put a specimen in the dish and let it grow from its seed.
 * @param {object} chosen
 * @param {() => void} leave called before the address becomes that of the specimen.
 */
async function choose(chosen, leave = () => {}) {
  const choice = ++choices;
  try {
    if (chosen.obstacle) {
      await endRecording();
      if (choice !== choices) return;
    } else {
      const model = await loadModel(chosen);
      if (choice !== choices) return;
      await endRecording();
      await stage.put(model, linked.engine);
    }
  } catch (error) {
    if (choice !== choices) return;
    complain(`${chosen.title}: ${error.message}`);
    if (entry) picker.mark(entry);
    return;
  }
  if (entry) attempt(leave);
  const filmed = Boolean(entry?.obstacle);
  entry = chosen;
  picker.mark(entry);
  label(entry);
  showHint();
  for (const id of ["controls", "settings"]) part(id).disabled = Boolean(entry.obstacle);
  showFilm(entry, calm.matches);
  if (entry.obstacle) {
    conditions.list([]);
    offerClasses({ classes: [], samples: [] });
    setPlaying(false);
    silence();
    return;
  }
  setGround();
  brush.view = gestures.view = stage.view;
  stage.view.whole();
  offerTurning(onGraph(stage.model.spec));
  part("with-pixels").hidden = !paintsPlane();
  listChannels(stage.model.spec, stage, stage.model.classes);
  listSizes(entry, stage.model.classes.length ? undefined : linked.size);
  delete linked.size; // from here on it is the visitor's
  offerClasses(stage.model);
  conditions.list(stage.model.conditions);
  const asked = linked.target === undefined ? 0 : conditions.find(linked.target);
  if (asked >= 0) conditions.mark(asked);
  delete linked.target;
  part("with-seed").hidden = classes.labels.length > 0;
  part("with-size").hidden = classes.labels.length > 0 || stage.model.spec.space.kind === "mesh";
  part("seed-tool").disabled = classes.labels.length > 0; // for keys, too
  part("size").disabled = part("with-size").hidden;
  const paints = stage.model.conditions.length > 0 && !entry.spec.living && !onGraph(stage.model.spec);
  part("with-paint").hidden = part("paint").disabled = !paints;
  if (!paints && brush.tool === "paint") chooseTool("erase");
  part("verify").disabled = !entry.golden;
  silence();
  if (entry.spec.living && !entry.ground && !entry.own) portray(entry); // the visitor's own get theirs when they come
  await restart({ anew: true });
  if (linked.view) stage.view.set(linked.view.left, linked.view.top, linked.view.span);
  delete linked.view;
  if (filmed) setPlaying(!calm.matches);
}

/** Offer the legend of a classifier, and the tools that it has a use for. */
function offerClasses(model) {
  const before = classes.labels.length > 0;
  const now = model.classes.length > 0;
  classes.list(model);
  part("clear").hidden = part("own").hidden = !now;
  if (now === before) return;
  if (linked.tool === undefined) chooseTool(now ? "draw" : "erase");
  if (linked.brush === undefined) chooseSize(now ? "small" : "medium");
}

/** Offer what a ring or a mesh has more: it is turned, and a lamp shades it. */
function offerTurning(turns) {
  const before = !part("with-turn").hidden;
  part("with-turn").hidden = part("turn").disabled = !turns;
  part("with-light").hidden = !turns;
  const help = turns ? "Arrow keys turn it, Enter uses the tool in the middle" : "Arrow keys move the brush, Enter uses it";
  part("dish-help").textContent = `${help}, Space plays and pauses, I and U zoom.`;
  if (!turns && brush.tool === "turn") chooseTool("erase");
  else if (turns !== before && linked.tool === undefined) chooseTool(turns ? "turn" : "erase");
}

/** Begin again from the seed, at the size and with the fire seed that are chosen; a drawing stays, but not `anew`. */
async function restart({ anew = false } = {}) {
  if (entry.obstacle) return;
  await endRecording();
  const side = gridSide();
  try {
    await stage.restart(grid(), seed());
    if (conditions.labels.length && brush.tool !== "paint") stage.ask(conditions.chosen);
    const { samples } = stage.model;
    if (samples.length && (anew || !stage.dish.lookedAt)) stage.look(samples[Math.min(FIRST_SEEN, samples.length - 1)]);
  } catch (error) {
    complain(error.message); // what was there stays
    part("size").value = stage.dish.width === stage.model.res ? "" : stage.dish.width;
    noteSize(entry, stage.dish.width);
    return;
  }
  noteSize(entry, side);
  brush.setCells(...stage.dish.sides);
  part("engine").textContent = stage.dish.describe();
  keepLink();
  if (calm.matches) trying(() => stage.growStill());
}

/** Cells along a side of the dish; nodes of a ring or a mesh. */
function gridSide() {
  if (stage.model.spec.space.kind === "mesh") return stage.dish.width;
  if (stage.model.classes.length) return stage.model.res; // pictures have their size
  return Number(part("size").value) || Math.min(stage.model.res, LARGEST);
}

/** The grid: square, but of a texture on the full screen, which it fills. */
function grid() {
  const side = gridSide();
  if (onGraph(stage.model.spec)) return { width: side, height: 1 };
  if (!document.fullscreenElement || !fillsAnyShape(stage.model.spec)) return { width: side, height: side };
  const { width, height } = part("frame").getBoundingClientRect();
  return gridFor({ width, height }, cell);
}

let cell = 4; // pixels along a cell's side, in the dish on the page

async function enterOrLeaveFull() {
  if (!document.fullscreenElement) cell = part("frame").clientWidth / gridSide();
  await toggleFull(part("frame"));
}

/** Let a texture live on, on the grid that the window has room for now. */
async function fillWindow() {
  if (!entry || entry.obstacle) return;
  part("frame").classList.toggle("fills", fillsAnyShape(stage.model.spec));
  const { width, height } = grid();
  if (width === stage.dish.width && height === stage.dish.height) return;
  await endRecording();
  await stage.reshape({ width, height });
  brush.setCells(width, height);
}

/** Say how near one is. */
function showZoom({ zoom, moved }) {
  if (moved && stage.view === stage.orbit) touched = true;
  showHint();
  part("zoom").classList.toggle("near", moved);
  part("whole").textContent = `${zoom < 10 ? zoom.toFixed(1) : count(zoom)}×`;
  clearTimeout(settling);
  settling = setTimeout(keepLink, 300); // browsers let an address be changed only so often
}

let settling = 0;

/** Ask for one of the model's targets: everywhere, or, with the brush for it, where the next strokes go. */
function ask(number) {
  conditions.mark(number);
  keepLink();
  if (brush.tool === "paint") return;
  stage.ask(number);
  goOnStill();
}

/** Let what has changed come to its end at once, for those who asked for less motion. */
function goOnStill() {
  if (calm.matches && !stage.pace.playing) trying(() => stage.growStill(stage.dish.stepNumber));
}

function showStep(number) {
  part("step").textContent = count(number);
  if (classes.labels.length) classes.look(stage.dish).catch(() => {}); // it was closed meanwhile
}

/** Give an entry the picture of what it grows, and the ground for that, when those before it have theirs. */
function portray(portrayed) {
  portraits = portraits.then(async () => {
    const { picture, ground } = await portrait(await loadModel(portrayed), linked.engine);
    portrayed.ground ??= ground;
    picker.setThumbnail(portrayed, picture);
    if (entry === portrayed) setGround();
  }).catch(() => {}); // then it stays without one
}

const wounds = (spec) => spec.living || fillsAnyShape(spec) || spec.classes > 0 || stage.view === stage.orbit;

function showHint() {
  const tool = stage.view === stage.orbit ? "turn" : entry?.spec.classes ? "draw" : "erase";
  part("hint").textContent = { turn: "Drag to turn it", draw: "Draw on it", erase: "Drag to wound it" }[tool];
  part("hint").hidden = touched || !entry || !wounds(entry.spec) || entry.obstacle || brush.tool !== tool;
}

/** Let a figure be seen: on the ground that is asked for, or on its own. */
function setGround() {
  const asked = part("ground").value;
  part("with-ground").hidden = !entry.spec.living;
  stage.ground = asked === "auto" ? entry.ground ?? "auto" : asked;
  stage.pace.request();
}

function setLight() {
  stage.lit = part("light").value !== "flat";
  stage.pace.request();
}

function seed() {
  const value = Number(part("seed").value);
  return Number.isInteger(value) && value >= 0 && value < 2 ** 32 ? value : 0;
}

async function addFiles(files) {
  const added = [];
  const problems = [];
  const isPicture = ({ type }) => type.startsWith("image/");
  const meshes = files.filter(({ name }) => isMesh(name));
  const models = files.filter((file) => !isMesh(file.name) && !isPicture(file));
  if (files.every(isPicture)) return lookAt(files.at(-1));
  if (!models.length) return wear(meshes.at(-1));
  for (const file of models) {
    try {
      const found = await entryOf(file, picker.entries.map(({ name }) => name), meshes.at(-1));
      picker.add(found);
      added.push(found);
    } catch (error) {
      problems.push(error.message);
    }
  }
  part("specimens").hidden = picker.entries.length < 2;
  const first = entry === null;
  if (added.length) await pick(added.at(-1));
  added.forEach(portray);
  if (first && entry) setPlaying(!calm.matches);
  if (problems.length) complain(problems.join("; "));
}

/** Put a picture of the visitor's own under the cells of a classifier. */
async function lookAt(file) {
  if (!classes.labels.length) {
    throw new Error(`${file.name} is a picture, and what is in the dish looks at none: choose a classifier first`);
  }
  const { notes, ...picture } = await ownPicture(file, stage.dish);
  if (!classes.labels.length) return;
  stage.look(picture);
  goOnStill();
  say(`${file.name}${notes.length ? `: ${notes.join("; ")}` : ""}.`);
}

/** Let the model in the dish colour another mesh. */
async function wear(file) {
  if (!entry || entry.obstacle || stage.model.spec.space.kind !== "mesh") {
    throw new Error(`${file.name} is a mesh, and what is in the dish colours none: bring a model of a mesh with it`);
  }
  await endRecording();
  const mesh = await meshOf(file, stage.model.res);
  await stage.wear(mesh);
  await restart();
  const how = stage.model.spec.start.kind === "cell" ? "colours it in its own way, from the top on" : "weaves on it";
  say(`${file.name}, ${count(stage.dish.width)} vertices: the rule ${how}.`);
}

// ---- controls

function setPlaying(playing) {
  if (playing) stage.pace.play();
  else stage.pace.pause();
  part("play").textContent = playing ? "Pause" : "Play";
  keepLink();
}

async function single() {
  setPlaying(false);
  await stage.step(1);
  stage.pace.request();
}

function setSpeed(speed) {
  stage.pace.speed = speed;
  const text = `${count(speed)} ${speed === 1 ? "step" : "steps"}/s`;
  part("speed-said").textContent = text;
  part("speed").setAttribute("aria-valuetext", text);
}

function chooseTool(name) {
  for (const input of document.getElementsByName("tool")) input.checked = input.value === name;
  setTool();
}

function chooseSize(name) {
  for (const input of document.getElementsByName("brush")) input.checked = input.value === name;
  setTool();
}

function setTool() {
  const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;
  brush.tool = chosen("tool");
  brush.reach = chosen("brush");
  part("dish").classList.toggle("turns", brush.tool === "turn");
  part("with-ink").hidden = brush.tool !== "draw" || classes.labels.length > 0;
  part("sizes").disabled = ["seed", "turn"].includes(brush.tool);
  showHint();
  keepLink();
}

// ---- saving and sharing

/** Whether a decoder paints a picture of a grid, of which any size can be asked for. */
function paintsPlane() {
  return Boolean(stage.model.spec.decoder) && !onGraph(stage.model.spec);
}

async function savePicture() {
  if (paintsPlane() && stage.channel === null) return savePainted();
  await stage.draw();
  download(await picture(part("dish"), stage.dish), fileName(`${entry.name}-${stage.dish.stepNumber}`, "png"));
  say("The picture is saved.");
}

/** Save what a decoder paints, as large as is chosen. */
async function savePainted() {
  const { name } = entry;
  const { stepNumber } = stage.dish;
  const pixels = Number(part("pixels").value);
  part("picture").disabled = true;
  try {
    const told = (share) => say(`Painting the picture: ${Math.round(100 * share)} %`);
    told(0);
    download(await paintedPicture(stage.dish, pixels, told), fileName(`${name}-${stepNumber}-${pixels}px`, "png"));
    say("The picture is saved.");
  } finally {
    part("picture").disabled = false;
  }
}

async function record() {
  if (stage.recording) {
    await endRecording();
    return;
  }
  await stage.record();
  setPlaying(true);
  say(`Recording ${count(stage.pace.speed)} steps for every second of video, however fast this machine is.`);
}

async function endRecording() {
  if (!stage.recording) return;
  part("record").textContent = "Record";
  const { video, seconds } = await stage.endRecording();
  download(video, fileName(entry.name, "webm"));
  say(`The video is saved: ${seconds.toFixed(1)} s.`);
}

/** Keep the address what a link to this very view would be. */
function keepLink() {
  if (!entry) return "";
  const hash = writeLink({
    model: entry.own ? null : entry.name,
    target: conditions.label,
    size: part("size").value || null,
    seed: seed(),
    speed: stage.pace.speed,
    channel: stage.channel,
    map: stage.map,
    tool: brush.tool,
    brush: brush.reach,
    ink: part("ink").value,
    ground: part("ground").value === "auto" ? null : part("ground").value,
    light: stage.lit ? null : "flat",
    view: viewInLink(stage.view),
    play: stage.pace.playing || entry.obstacle ? null : "no",
    engine: linked.engine,
  });
  attempt(() => history.replaceState({ own: entry.own ? entry.name : null }, "", hash));
  return location.href.split("#")[0] + hash;
}

/** Change the address; a page within a page has none of its own. */
function attempt(change) {
  try {
    change();
  } catch {
    // Then there is nothing to go back to.
  }
}

async function copyLink() {
  const address = keepLink();
  const own = entry.own ? " The model itself is only on this device." : "";
  try {
    await navigator.clipboard.writeText(address);
    say(`The link is copied.${own}`);
  } catch {
    say(`The link is the address of this page: ${address}${own}`);
  }
}

/** Do what the address asks for; what it does not name is as at first, what is not valid in it is named and left out. */
async function takeLink() {
  const { settings, refused } = readLink(location.hash);
  const { target, view } = settings;
  const { own } = history.state ?? {}; // a model of the visitor's own, which no link can carry
  linked = settings;
  part("seed").value = settings.seed ?? 0;
  stage.channel = settings.channel ?? null;
  stage.map = settings.map ?? null;
  for (const name of ["tool", "brush"]) {
    for (const input of document.getElementsByName(name)) {
      input.checked = settings[name] ? input.value === settings[name] : input.defaultChecked;
    }
  }
  part("ink").value = settings.ink ?? part("ink").defaultValue;
  showGround(settings.ground ?? "auto");
  part("light").value = settings.light ?? "";
  setLight();
  setTool();
  part("speed").value = settings.speed ? Math.log10(settings.speed) : part("speed").defaultValue;
  setSpeed(settings.speed ?? speedAt(Number(part("speed").value)));
  const first = picker.entries.find(({ spec }) => spec.living) ?? picker.entries[0];
  const found = settings.model === undefined ? picker.find(own) ?? first : picker.find(settings.model);
  await choose(found ?? first);
  if (!found) complain(`The link asks for ${settings.model}, which is not here.`);
  else if (target !== undefined && conditions.find(target) < 0) refused.push("target");
  if (found && !found.obstacle && stage.channel !== (settings.channel ?? null)) refused.push("channel");
  // From no nearer than whole only a mesh can be seen otherwise than at first.
  if (found && !found.obstacle && view?.span >= 1 && stage.view === stage.flat) refused.push("view");
  if (found && !found.obstacle && stage.map !== (settings.map ?? null)) refused.push("map");
  if (found && refused.length) complain(`The link has no valid ${refused.join(", ")}.`);
  if (entry && !entry.obstacle) setPlaying(!calm.matches && settings.play !== "no");
}

/** Show a ground as the chosen one, in the list or not. */
function showGround(ground) {
  const select = part("ground");
  if (![...select.options].some(({ value }) => value === ground)) select.add(new Option(ground, ground));
  select.value = ground;
}

async function verifyModel() {
  part("verify").disabled = true;
  say("Computing the golden values on this machine…");
  try {
    const { differences, largest, same, engine } = await verify(stage.model, entry.golden, {
      engine: stage.dish.engine,
    });
    const steps = differences.at(-1).step;
    const measured = `the largest difference within ${steps} steps is ${largest.toExponential(1)}, on ${engine}.`;
    if (same) say(`The same as in PyTorch: ${measured}`);
    else complain(`Not the same as in PyTorch: ${measured}`);
  } finally {
    part("verify").disabled = false;
  }
}

// ---- the beginning

function wire() {
  const on = (id, event, action) => part(id).addEventListener(event, () => trying(action));
  on("play", "click", () => setPlaying(!stage.pace.playing));
  on("single", "click", single);
  on("reset", "click", restart);
  on("speed", "input", () => setSpeed(speedAt(Number(part("speed").value))));
  on("speed", "change", keepLink);
  on("size", "change", restart);
  on("seed", "change", () => {
    part("seed").value = seed();
    return restart();
  });
  on("channel", "change", () => {
    const { value } = part("channel");
    stage.map = value in MAPS ? value : null;
    stage.channel = value === "" || stage.map ? null : Number(value);
    stage.pace.request();
    keepLink();
  });
  on("tools", "change", setTool);
  on("sizes", "change", setTool);
  on("ink", "change", keepLink);
  on("ground", "change", () => {
    setGround();
    keepLink();
  });
  on("light", "change", () => {
    setLight();
    keepLink();
  });
  on("nearer", "click", () => stage.view.near(1.25));
  on("farther", "click", () => stage.view.near(0.8));
  on("whole", "click", () => stage.view.whole());
  on("clear", "click", () => stage.look());
  on("own", "click", () => part("own-file").click());
  on("own-file", "change", () => {
    const [file] = part("own-file").files;
    part("own-file").value = ""; // so that the same file can be chosen again
    return file && lookAt(file);
  });
  on("full-screen", "click", enterOrLeaveFull);
  document.addEventListener("fullscreenchange", () => trying(fillWindow));
  addEventListener("resize", () => {
    if (document.fullscreenElement) trying(fillWindow);
  });
  on("picture", "click", savePicture);
  on("record", "click", record);
  on("link", "click", copyLink);
  on("verify", "click", verifyModel);
  on("keys", "click", () => part("help").showModal());
  const reason = obstacle();
  if (reason) Object.assign(part("record"), { disabled: true, title: reason });
  addEventListener("popstate", () => trying(takeLink)); // another link, or the way back
  themeButton(part("theme"), () => stage.pace.request());
  acceptFiles(part("frame"), part("open"), part("file"), (files) => trying(() => addFiles(files)));
  part("made").open = matchMedia("(min-height: 56rem)").matches;
  part("letters").checked = remembered(LETTERS) !== "off";
  on("letters", "change", () => remember(LETTERS, part("letters").checked ? "on" : "off"));
  listen(part("help"), part("key-list"), part("letters"));
}

/** A run's new checkpoint: new weights in the same dish, whose state goes on. */
async function takeCheckpoint(followed, newer) {
  if (newer && !followed.obstacle) {
    const model = await loadModel(followed);
    if (entry !== followed) return;
    await stage.put(model, linked.engine);
    portray(followed);
  }
  if (entry !== followed) return;
  label(entry);
  if (newer) showFilm(entry, calm.matches);
}

async function begin() {
  wire();
  const models = await listModels();
  for (const listed of models) picker.add(listed);
  part("specimens").hidden = models.length < 2;
  if (!models.length) throw new Error("There is no model here yet: drop one on the page.");
  await takeLink();
  if (!entry) return;
  if (models.some((listed) => listed.follow)) {
    follow(() => entry, takeCheckpoint, (reason) => complain(`The run cannot be followed now: ${reason}.`));
  }
  if (calm.matches) say("Paused, because your system asks for less motion. Press Play to see the cells at work.");
}

trying(begin);
