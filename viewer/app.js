// The page: one dish, a row of specimens, one row of controls. Its parts are the modules under page/.

import { verify } from "./lib/verify.js";
import { Brush } from "./page/brush.js";
import { acceptFiles } from "./page/dropping.js";
import { follow } from "./page/following.js";
import { listen } from "./page/keyboard.js";
import { label, listChannels, listSizes } from "./page/label.js";
import { readLink, writeLink } from "./page/link.js";
import { complain, say, silence, trying } from "./page/messages.js";
import { entryOf, listModels, loadModel } from "./page/models.js";
import { speedAt } from "./page/pace.js";
import { Picker } from "./page/picker.js";
import { download, fileName, obstacle, picture } from "./page/saving.js";
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

const picker = new Picker(part("picker"), choose);
const stage = new Stage(part("dish"), {
  rate: (rate) => (part("rate").textContent = count(rate)),
  drawn: showStep,
  recorded: (seconds) => (part("record").textContent = `Stop ${seconds.toFixed(1)} s`),
  full: () => trying(endRecording),
  lost: () => complain("The graphics were lost; waiting for the browser to give them back."),
  restored: () => say("The graphics are back."),
});
const brush = new Brush(part("dish"), part("brush"), (tool, x, y, radius) => {
  stage.use(tool, x, y, radius, part("ink").value);
});

// ---- the model in the dish

/** Put a specimen in the dish and let it grow from its seed. */
async function choose(chosen) {
  const choice = ++choices;
  try {
    const model = await loadModel(chosen);
    if (choice !== choices) return;
    await endRecording();
    await stage.put(model, linked.engine);
  } catch (error) {
    if (choice !== choices) return;
    complain(`${chosen.title}: ${error.message}`);
    if (entry) picker.mark(entry);
    return;
  }
  entry = chosen;
  picker.mark(entry);
  label(entry);
  listChannels(stage.model.spec.channels, stage.channel);
  listSizes(stage.model.res, linked.size);
  delete linked.size; // from here on it is the visitor's
  for (const id of ["controls", "settings"]) part(id).disabled = false;
  part("verify").disabled = !entry.golden;
  silence();
  await restart();
}

/** Begin again from the seed, at the size and with the fire seed that are chosen. */
async function restart() {
  await endRecording();
  const side = Number(part("size").value) || Math.min(stage.model.res, LARGEST);
  try {
    stage.restart(side, seed());
  } catch (error) {
    complain(error.message); // what was there stays
    part("size").value = stage.dish.width === stage.model.res ? "" : stage.dish.width;
    return;
  }
  brush.setCells(side, side);
  part("engine").textContent = stage.dish.describe();
  keepLink();
  if (calm.matches) trying(() => stage.growStill());
}

function showStep(number) {
  part("step").textContent = count(number);
  if (entry?.own && !entry.thumbnail && number >= stage.model.steps) {
    picker.setThumbnail(entry, part("dish").toDataURL());
  }
}

function seed() {
  const value = Number(part("seed").value);
  return Number.isInteger(value) && value >= 0 && value < 2 ** 32 ? value : 0;
}

async function addFiles(files) {
  let last = null;
  const problems = [];
  for (const file of files) {
    try {
      last = await entryOf(file, picker.entries.map(({ name }) => name));
      picker.add(last);
    } catch (error) {
      problems.push(error.message);
    }
  }
  part("specimens").hidden = picker.entries.length < 2;
  const first = entry === null;
  if (last) await choose(last);
  if (first && entry) setPlaying(!calm.matches);
  if (problems.length) complain(problems.join("; "));
}

// ---- controls

function setPlaying(playing) {
  if (playing) stage.pace.play();
  else stage.pace.pause();
  part("play").textContent = playing ? "Pause" : "Play";
  keepLink();
}

function single() {
  setPlaying(false);
  stage.step(1);
  stage.pace.request();
}

function setSpeed(speed) {
  stage.pace.speed = speed;
  const text = `${count(speed)} ${speed === 1 ? "step" : "steps"}/s`;
  part("speed-said").textContent = text;
  part("speed").setAttribute("aria-valuetext", text);
}

function setTool() {
  const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;
  brush.tool = chosen("tool");
  brush.reach = chosen("brush");
  part("with-ink").hidden = brush.tool !== "draw";
  part("sizes").disabled = brush.tool === "seed";
  keepLink();
}

// ---- saving and sharing

async function savePicture() {
  stage.draw();
  download(await picture(part("dish"), stage.dish), fileName(`${entry.name}-${stage.dish.stepNumber}`, "png"));
  say("The picture is saved.");
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
    size: part("size").value || null,
    seed: seed(),
    speed: stage.pace.speed,
    channel: stage.channel,
    tool: brush.tool,
    brush: brush.reach,
    ink: part("ink").value,
    play: stage.pace.playing ? null : "no",
    engine: linked.engine,
  });
  try {
    history.replaceState(null, "", hash);
  } catch {
    // A page within a page has no address of its own.
  }
  return location.href.split("#")[0] + hash;
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

/** Do what the address asks for; what is not valid in it is named and left out. */
async function takeLink() {
  const { settings, refused } = readLink(location.hash);
  linked = settings;
  part("seed").value = settings.seed ?? 0;
  stage.channel = settings.channel ?? null;
  part("size").replaceChildren(); // listed anew with the size of the link
  for (const name of ["tool", "brush"]) {
    for (const input of document.getElementsByName(name)) input.checked ||= input.value === settings[name];
  }
  if (settings.ink) part("ink").value = settings.ink;
  setTool();
  if (settings.speed) part("speed").value = Math.log10(settings.speed);
  setSpeed(settings.speed ?? stage.pace.speed);
  const found = settings.model === undefined ? picker.entries[0] : picker.find(settings.model);
  await choose(found ?? picker.entries[0]);
  if (!found) complain(`The link asks for ${settings.model}, which is not here.`);
  else if (stage.channel !== (settings.channel ?? null)) refused.push("channel");
  if (found && refused.length) complain(`The link has no valid ${refused.join(", ")}.`);
  if (entry) setPlaying(!calm.matches && settings.play !== "no");
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
    stage.channel = part("channel").value === "" ? null : Number(part("channel").value);
    stage.pace.request();
    keepLink();
  });
  on("tools", "change", setTool);
  on("sizes", "change", setTool);
  on("ink", "change", keepLink);
  on("picture", "click", savePicture);
  on("record", "click", record);
  on("link", "click", copyLink);
  on("verify", "click", verifyModel);
  on("keys", "click", () => part("help").showModal());
  const reason = obstacle();
  if (reason) Object.assign(part("record"), { disabled: true, title: reason });
  addEventListener("hashchange", () => trying(takeLink));
  themeButton(part("theme"), () => stage.pace.request());
  acceptFiles(part("frame"), part("open"), part("file"), (files) => trying(() => addFiles(files)));
  part("made").open = matchMedia("(min-height: 50rem)").matches;
  part("letters").checked = remembered(LETTERS) !== "off";
  on("letters", "change", () => remember(LETTERS, part("letters").checked ? "on" : "off"));
  listen(part("help"), part("key-list"), part("letters"));
}

/** A run's new checkpoint: new weights in the same dish, whose state goes on. */
async function takeCheckpoint(followed, newer) {
  if (newer) {
    const model = await loadModel(followed);
    if (entry !== followed) return;
    await stage.put(model, linked.engine);
  }
  if (entry === followed) label(entry);
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
