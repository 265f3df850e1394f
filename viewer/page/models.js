// The models that the page offers: from the page itself if they are inlined in it, else from manifest.json.

import { Obstacle, describeSpec } from "../lib/spec.js";
import { parseModel } from "../lib/modelfile.js";
import { onGraph } from "../lib/graph.js";
import { keptGround } from "../lib/ground.js";
import { brought, readMesh } from "../lib/mesh.js";
import { healed, heals } from "./training.js";

const INLINE = "petri-models";
const LARGEST = 64 << 20; // bytes; the largest Spec that there can be has half a million parameters

/**
 * List the models.
 * @returns {Promise<object[]>} entries as README.md describes them.
 */
export async function listModels() {
  const inline = document.getElementById(INLINE);
  const manifest = inline ? JSON.parse(inline.textContent) : await (await get("manifest.json")).json();
  // A manifest of petri 0.1.0 says less.
  return manifest.models.map((entry) => ({ ground: keptGround(entry.training), healed: healed(entry.training), ...entry }));
}

/** Read an entry's model; throws an Error of one line. */
export async function loadModel(entry) {
  const model = parseModel(await (await get(entry.file)).arrayBuffer());
  if (entry.mesh && !entry.surface) {
    entry.surface = { ...readMesh(await (await get(entry.mesh)).arrayBuffer()), own: true };
  }
  return entry.surface ? { ...model, mesh: entry.surface } : model;
}

/**
 * Read a mesh that the visitor brought.
 * @param {File} file
 * @param {number} vertices of the one that the model was trained on
 * @throws {Error} one line, which names it
 */
export async function meshOf(file, vertices) {
  try {
    return brought(readMesh(await file.arrayBuffer()), vertices);
  } catch (error) {
    throw new Error(`${file.name}: ${error.message}`);
  }
}

/**
 * Make an entry for a file that the visitor brought.
 * @param {File} file
 * @param {string[]} taken names that others have.
 * @param {?File} mesh that came with it.
 * @throws {Error} one line: not a model.
 */
export async function entryOf(file, taken, mesh = null) {
  if (!file.size) throw new Error(`${file.name} is not a model: it is empty, or a folder`);
  if (file.size > LARGEST) throw new Error(`${file.name} is too large for a model: ${Math.round(file.size / 1e6)} MB`);
  let model;
  try {
    model = parseModel(await file.arrayBuffer());
  } catch (error) {
    const film = error instanceof Obstacle ? "; `petri view` shows a film of it" : "";
    throw new Error(`${file.name}: ${error.message}${film}`);
  }
  const wants = onGraph(model.spec) && model.spec.space.kind === "mesh";
  if (wants && !mesh) {
    throw new Error(`${file.name} is of a mesh: bring that with it, such as the coloured.ply or worn.ply of its run`);
  }
  const surface = wants ? await meshOf(mesh, model.res) : null;
  const { name: title, spec, res, steps, training } = model;
  const called = file.name.replace(/\.safetensors$/i, "");
  const stem = called === "model" ? title : called; // every run's file is called that
  let name = stem;
  for (let number = 2; taken.includes(name); number += 1) name = `${stem}-${number}`;
  return {
    name, title, classes: model.classes, file: URL.createObjectURL(file), spec, description: describeSpec(spec), res, steps, training,
    heals: heals(training), healed: healed(training), ground: keptGround(training), own: true,
    ...(surface ? { surface } : {}),
  };
}

async function get(address) {
  const shown = address.length > 60 ? "the model" : address;
  let answer;
  try {
    answer = await fetch(address);
  } catch {
    throw new Error(`${shown} cannot be loaded: is the server still there?`);
  }
  if (!answer.ok) throw new Error(`${shown} cannot be loaded: ${answer.status} ${answer.statusText}`);
  return answer;
}
