// What stands beside the dish: the model's name, how it was trained, and what can be chosen for it.

import { count, facts, healing } from "./training.js";

const SIDES = [64, 96, 128, 192, 256, 384, 512];
const COLOURS = ["Red", "Green", "Blue", "Alpha"];

const part = (id) => document.getElementById(id);

/** Say what an entry is, and where its run is if one is followed. */
export function label(entry) {
  part("name").textContent = entry.title;
  part("heals").textContent = healing(entry);
  const rows = [...(entry.run ? progress(entry.run) : []), ...facts(entry)];
  part("facts").replaceChildren(
    ...rows.flatMap(([name, value]) => [
      Object.assign(document.createElement("dt"), { textContent: name }),
      Object.assign(document.createElement("dd"), { textContent: value }),
    ]),
  );
  document.title = `${entry.title} · petri`;
  part("dish").setAttribute("aria-label", `Dish with ${entry.title}`);
}

function progress({ epoch, epochs, loss }) {
  if (!epoch) return [["Epoch", "waiting for the first checkpoint"]];
  return [["Epoch", `${count(epoch)} of ${count(epochs)}`], ["Loss now", loss.toPrecision(3)]];
}

/** Offer the grids; what was chosen stays chosen. */
export function listSizes(trained, asked) {
  const select = part("size");
  const kept = String(asked ?? select.value);
  const sides = [...new Set([...SIDES, ...(kept ? [Number(kept)] : [])])].sort((a, b) => a - b);
  const options = sides.map((side) => new Option(`${side} × ${side}`, side));
  select.replaceChildren(new Option(`As trained, ${trained}`, ""), ...options);
  select.value = kept;
}

/** Offer the channels that there are. */
export function listChannels(channels, shown) {
  const name = (number) => COLOURS[number] ?? `Hidden ${number - COLOURS.length + 1}`;
  const options = Array.from({ length: channels }, (_, number) => new Option(name(number), number));
  part("channel").replaceChildren(new Option("Colour", ""), ...options);
  part("channel").value = shown ?? "";
}
