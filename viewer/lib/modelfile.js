// Model files: safetensors with the Spec in their metadata. As petri/modelfile.py; reading one executes nothing.

import { onGraph } from "./graph.js";
import { checkRoom } from "./pack.js";
import { checkSpec, tensorShapes } from "./spec.js";

const SCHEMA = "2";

/**
 * Read a model file.
 * @param {ArrayBuffer} buffer the whole file
 * @returns {{name: string, spec: object, weights: Object<string, Float32Array>, res: number, steps: number,
 *   training: object, conditions: string[], classes: string[], samples: object[],
 *   metadata: Object<string, string>}} name: what it grows; weights: by their
 *   names in the file; res: cells along the longer side that it was trained on, or nodes of a ring or a mesh; steps: most that it was trained to grow in;
 *   conditions: of a model of several targets, what each of its fixed planes asks for; classes: of a classifier, what
 *   each of its votes is for; samples: and pictures for it, `{ width, height, values }`
 * @throws {Error} one line: not a model file, of another schema, or its Spec and weights do not fit each other; an
 *   `Obstacle` if it is a model that a browser does not compute
 */
export function parseModel(buffer) {
  const file = readSafetensors(buffer);
  const { metadata } = file;
  if (metadata.format !== "petri") throw new Error("not a petri model: its metadata lacks format = petri");
  for (const name of ["schema", "version", "spec", "target", "training"]) {
    if (!Object.hasOwn(metadata, name)) throw new Error(`the metadata lacks ${name}`);
  }
  const tensors = metadata.schema === "1" ? upgraded(file.tensors) : file.tensors;
  if (metadata.schema !== SCHEMA && metadata.schema !== "1") {
    throw new Error(
      `schema must be ${SCHEMA}, got ${JSON.stringify(metadata.schema)}: ` +
        `written by petri ${JSON.stringify(metadata.version)}`,
    );
  }
  checkPrintable("target", metadata.target);
  const spec = checkSpec(parseJson("the Spec", metadata.spec));
  checkRoom(spec);
  const shapes = tensorShapes(spec);
  for (const name of [...new Set([...Object.keys(shapes), ...tensors.keys()])].sort()) {
    if (!tensors.has(name)) throw new Error(`the Spec needs the tensor ${name}`);
    if (!Object.hasOwn(shapes, name)) throw new Error(`the Spec has no place for the tensor ${name}`);
  }
  const weights = {};
  for (const [name, shape] of Object.entries(shapes)) {
    const tensor = tensors.get(name);
    if (tensor.dtype !== "F32") throw new Error(`${name} must be float32, got ${tensor.dtype}`);
    if (tensor.shape.join() !== shape.join()) {
      throw new Error(`${name} must be [${shape.join(", ")}] by the Spec, got [${tensor.shape.join(", ")}]`);
    }
    const values = new Float32Array(buffer.slice(tensor.begin, tensor.end));
    if (!values.every(Number.isFinite)) throw new Error(`${name} has values that are not finite`);
    weights[name] = values;
  }
  const training = parseJson("training", metadata.training);
  if (training === null || typeof training !== "object" || Array.isArray(training)) {
    throw new Error("training must be a JSON object");
  }
  const phases = training.recipe?.phases;
  const last = (Array.isArray(phases) && phases.at(-1)) || {};
  const most = Array.isArray(last.steps) ? last.steps.at(-1) : undefined;
  return {
    name: metadata.target,
    spec,
    weights,
    res: resOf(last.res, spec),
    steps: isWhole(most, 1, 50_000) ? most : 100,
    training,
    conditions: checkConditions(parseJson("conditions", metadata.conditions ?? "[]"), spec),
    classes: checkClasses(parseJson("classes", metadata.classes ?? "[]"), spec),
    samples: samplesOf(training, spec),
    metadata,
  };
}

/** Cells along the longer side, or nodes; 72, the field's usual size, if that is not said. */
function resOf(res, spec) {
  const [rows, columns] = Array.isArray(res) && res.length === 2 ? res : [res, res];
  if (onGraph(spec)) return rows === 1 && isWhole(columns, 3, 2 ** 21) ? columns : 72;
  return isWhole(rows, 8, 4096) && isWhole(columns, 8, 4096) ? Math.max(rows, columns) : 72;
}

/** The names of the targets that a model knows: none, or a text for each fixed plane. */
function checkConditions(labels, spec) {
  checkTexts("conditions", labels);
  if (new Set(labels).size < labels.length) throw new Error("conditions must differ");
  if (labels.length && labels.length !== spec.fixed) {
    throw new Error(`there must be a condition for each of ${spec.fixed} fixed planes, got ${labels.length}`);
  }
  return labels;
}

/** What each of a classifier's votes is for. */
function checkClasses(labels, spec) {
  checkTexts("classes", labels);
  if (labels.length !== spec.classes || new Set(labels).size < labels.length) {
    const found = labels.join(", ") || "none";
    throw new Error(`there must be a name, and each another, for each of the Spec's ${spec.classes} classes, got ${found}`);
  }
  return labels;
}

function checkTexts(name, labels) {
  if (!Array.isArray(labels)) throw new Error(`${name} must be a list`);
  for (const label of labels) {
    if (typeof label !== "string") throw new Error(`each of the ${name} must be a text`);
    checkPrintable(`each of the ${name}`, label);
  }
}

/** Pictures that a classifier's file carries: fixed planes `[plane, height, width]` each, in 0..1; as petri/samples.py. */
function samplesOf({ samples }, spec) {
  const { planes, height, width, pixels } = samples ?? {};
  if (!spec.classes || planes !== spec.fixed || !Array.isArray(pixels)) return [];
  try {
    const all = pixels.map((text) => Float32Array.from(atob(text), (letter) => letter.charCodeAt(0) / 255));
    return all.every(({ length }) => length === planes * height * width)
      ? all.map((values) => ({ width, height, values })) : [];
  } catch {
    return []; // no base64
  }
}

/** The tensors of a file of version 0.1 (schema 1), whose trained bank was the only one, by their names of now. */
function upgraded(tensors) {
  return new Map([...tensors].map(([name, tensor]) => [name.replace(/^perception\.bank$/, "perception.0.bank"), tensor]));
}

const SIZES = { BOOL: 1, U8: 1, I8: 1, I16: 2, U16: 2, F16: 2, BF16: 2, I32: 4, U32: 4, F32: 4, I64: 8, U64: 8, F64: 8 };

/** The tensors' places in a safetensors file: every byte must belong to exactly one of them. */
function readSafetensors(buffer) {
  const fail = (why) => {
    throw new Error(`not a model file: ${why}`);
  };
  if (buffer.byteLength < 8) fail("too short for a safetensors header");
  const view = new DataView(buffer);
  const size = view.getUint32(0, true);
  if (view.getUint32(4, true) !== 0 || size > buffer.byteLength - 8) fail("no safetensors header");
  let header;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(buffer, 8, size));
    header = text.startsWith("{") ? JSON.parse(text) : null;
  } catch {
    header = null;
  }
  if (header === null) fail("its safetensors header is not JSON");
  const metadata = header.__metadata__ ?? {};
  if (typeof metadata !== "object" || Object.values(metadata).some((value) => typeof value !== "string")) {
    fail("its metadata are not texts");
  }
  const tensors = new Map();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const { dtype, shape, data_offsets: offsets } = entry ?? {};
    const whole = (values) => Array.isArray(values) && values.every((value) => isWhole(value, 0, 2 ** 40));
    if (!Object.hasOwn(SIZES, dtype) || !whole(shape) || !whole(offsets) || offsets.length !== 2) {
      fail(`its header says nothing sensible of ${JSON.stringify(name)}`);
    }
    const count = shape.reduce((product, side) => product * side, 1);
    if (offsets[1] - offsets[0] !== count * SIZES[dtype]) fail(`${JSON.stringify(name)} has the wrong size`);
    tensors.set(name, { dtype, shape, begin: 8 + size + offsets[0], end: 8 + size + offsets[1] });
  }
  let end = 8 + size;
  for (const tensor of [...tensors.values()].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (tensor.begin !== end) fail("its tensors overlap or leave gaps");
    end = tensor.end;
  }
  if (end !== buffer.byteLength) fail("it is cut off, or has more than its header says");
  return { metadata, tensors };
}

function parseJson(what, text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${what} is not JSON`);
  }
}

function checkPrintable(name, text) {
  if (!text.trim() || [...text].length > 5000) throw new Error(`${name} must be a text of 1 to 5,000 characters`);
  if (/[\u0000-\u001f\u007f-\u009f]/.test(text)) throw new Error(`${name} must have no control characters`);
}

function isWhole(value, low, high) {
  return Number.isInteger(value) && value >= low && value <= high;
}
