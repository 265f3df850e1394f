// What stands beside the dish: the model's name, how it was trained, and what can be chosen for it.

import { count, extent, facts, healing, onGrid } from "./training.js";

const SIDES = [64, 96, 128, 192, 256, 384, 512];
const COLOURS = ["Red", "Green", "Blue", "Alpha"];

const part = (id) => document.getElementById(id);

/** Say what an entry is, and where its run is if one is followed. */
export function label(entry) {
  part("name").textContent = entry.name;
  part("heals").textContent = healing(entry);
  const rows = [...(entry.run ? progress(entry.run) : []), ...facts(entry)];
  part("facts").replaceChildren(
    ...rows.flatMap(([name, value]) => [
      Object.assign(document.createElement("dt"), { textContent: name }),
      Object.assign(document.createElement("dd"), { textContent: value }),
    ]),
  );
  document.title = `${entry.name} · petri`;
  part("dish").setAttribute("aria-label", `Dish with ${entry.name}`);
  part("waiting").hidden = !entry.run || entry.run.epoch > 0;
}

function progress({ epoch, epochs, loss }) {
  if (!epoch) return [["Epoch", "waiting for the first checkpoint"]];
  return [["Epoch", `${count(epoch)} of ${count(epochs)}`], ["Loss now", loss.toPrecision(3)]];
}

/**
 * Show the film of an entry that a browser cannot compute, and why it cannot, in place of the dish; of others the dish.
 * @param {object} entry
 * @param {boolean} still whether a picture is to stand there instead
 */
export function showFilm({ name, film, thumbnail, obstacle, run }, still) {
  for (const id of ["film", "obstacle"]) part(id).hidden = !obstacle;
  for (const id of ["dish", "zoom", "caption"]) part(id).hidden = Boolean(obstacle);
  if (!obstacle) {
    part("film").removeAttribute("src");
    return;
  }
  const [address, what] = still ? [thumbnail, "A picture"] : [film, "A film"];
  part("film").src = run && !still ? `${address}?${run.version}` : address;
  part("film").alt = `${what} of ${name}`;
  part("obstacle").textContent = `${what} that PyTorch made: ${obstacle}.`;
}

/** Offer the grids, and say of each what was measured; as trained unless another is asked for. */
export function listSizes(entry, asked) {
  const sides = [...new Set([...SIDES, ...(asked ? [asked] : [])])].sort((a, b) => a - b);
  const options = sides.map((side) => {
    const holds = onGrid(entry, side)?.holds ?? null;
    return new Option(`${extent(entry, side)}${holds === null ? "" : holds ? " · holds" : " · breaks"}`, side);
  });
  part("size").replaceChildren(new Option(`As trained, ${entry.res}`, ""), ...options);
  part("size").value = asked ?? "";
}

/** Say what was measured on the grid that is chosen. */
export function noteSize(entry, side) {
  part("size-note").textContent = onGrid(entry, side)?.words ?? "";
}

/** Offer the channels that there are, and of a material its maps. */
export function listChannels({ channels, decoder }, { channel, map }, classes) {
  const names = classes.length ? classes.map((label) => `Votes for ${label}`) : COLOURS;
  const name = (number) => names[number] ?? `Hidden ${number - names.length + 1}`;
  const options = Array.from({ length: channels }, (_, number) => new Option(name(number), number));
  const maps = decoder?.maps ?? [];
  const shown = maps.map((one) => new Option(one[0].toUpperCase() + one.slice(1), one));
  part("channel").replaceChildren(new Option(maps.length ? "Under a light" : "Colour", ""), ...shown, ...options);
  part("channel").value = channel ?? (maps.includes(map) ? map : "");
}
