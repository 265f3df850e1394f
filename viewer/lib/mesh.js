// Surfaces of triangles: read from OBJ and PLY files, mended, moved into the unit sphere. As petri/graph/read.py and
// petri/graph/mesh.py.

export const MOST_VERTICES = 1_000_000;
const MOST_FACES = 2_500_000;
const MOST_BYTES = 256e6;
const TOO_MANY = `a page has room for meshes of ${MOST_VERTICES.toLocaleString("en")} vertices and ` +
  `${MOST_FACES.toLocaleString("en")} triangles`;

/** Whether a file is called as a mesh is; of those that cannot be read here `readMesh` says so. */
export function isMesh(name) {
  return /\.(obj|ply|stl|glb|gltf|off|3mf)$/i.test(name);
}

/**
 * Read a mesh file. Faces of more than three corners become fans.
 * @param {ArrayBuffer} buffer the whole file
 * @returns {{places: Float32Array, faces: Uint32Array}} `[vertex, 3]` and `[face, 3]`
 * @throws {Error} one line: no such file, damaged, or too large
 */
export function readMesh(buffer) {
  if (buffer.byteLength > MOST_BYTES) {
    throw new Error(`${TOO_MANY}, and files of ${MOST_BYTES / 1e6} MB; it has ${Math.ceil(buffer.byteLength / 1e6)} MB: thin it out first`);
  }
  const head = String.fromCharCode(...new Uint8Array(buffer, 0, Math.min(4, buffer.byteLength)));
  const { places, faces } = /^ply\s/.test(head) ? readPly(buffer) : readObj(buffer);
  if (!places.length || !faces.length) throw new Error(`a mesh needs vertices and faces, it has no ${places.length ? "faces" : "vertices"}`);
  for (const value of places) {
    if (!Number.isFinite(Math.fround(value))) throw new Error("a mesh's vertices must have finite places");
  }
  const last = places.length / 3 - 1;
  for (const corner of faces) {
    if (!(corner >= 0 && corner <= last)) throw new Error(`a face's corners must be vertices in 0..${last}, got ${corner}`);
  }
  return { places: Float32Array.from(places), faces: Uint32Array.from(faces) };
}

function checkCount(vertices, triangles) {
  if (vertices <= MOST_VERTICES && triangles <= MOST_FACES) return;
  const [count, what] = vertices > MOST_VERTICES ? [vertices, "vertices"] : [triangles, "triangles"];
  throw new Error(`${TOO_MANY}, it has ${count.toLocaleString("en")} ${what} or more: thin it out first`);
}

/** Add a face as a fan of triangles. */
function addFan(faces, corners) {
  for (let at = 1; at + 1 < corners.length; at++) faces.push(corners[0], corners[at], corners[at + 1]);
}

function readObj(buffer) {
  const text = new TextDecoder().decode(buffer);
  const [places, faces] = [[], []];
  for (let begin = 0, number = 1; begin < text.length; number++) {
    const end = text.indexOf("\n", begin) < 0 ? text.length : text.indexOf("\n", begin);
    const line = text.slice(begin, end);
    begin = end + 1;
    const words = line.trim().split(/\s+/);
    const values = words.slice(1).map((word) => (words[0] === "v" ? Number(word) : Number(word.split("/", 1)[0])));
    if (words[0] !== "v" && words[0] !== "f") continue;
    const right = words[0] === "v" ? values.every((value) => !Number.isNaN(value))
      : values.every((value) => Number.isInteger(value) && value !== 0);
    if (!right || values.length < 3) {
      throw new Error(`line ${number} is no vertex or face of an OBJ file: ${JSON.stringify(line.slice(0, 40))}`);
    }
    if (words[0] === "v") places.push(...values.slice(0, 3));
    // They are counted from 1, and backwards from the last one so far.
    else addFan(faces, values.map((at) => (at > 0 ? at - 1 : places.length / 3 + at)));
    checkCount(places.length / 3, faces.length / 3);
  }
  if (!places.length) throw new Error("it is no OBJ or PLY file with vertices");
  return { places, faces };
}

// Of PLY's kinds of numbers, old and new names: bytes, and how a DataView reads them.
const KINDS = {
  char: [1, "getInt8"], uchar: [1, "getUint8"], short: [2, "getInt16"], ushort: [2, "getUint16"], int: [4, "getInt32"],
  uint: [4, "getUint32"], float: [4, "getFloat32"], double: [8, "getFloat64"],
};
const NEW = {
  int8: "char", uint8: "uchar", int16: "short", uint16: "ushort", int32: "int", uint32: "uint", float32: "float",
  float64: "double",
};
const HEADER = 65_536; // bytes, at most

/** Take numbers out of a PLY file's body, one after the other. */
class Numbers {
  #view;
  #at;
  #little;

  constructor(buffer, at, little) {
    [this.#view, this.#at, this.#little] = [new DataView(buffer), at, little];
  }

  next([size, read]) {
    const at = this.#at;
    if (at + size > this.#view.byteLength) return undefined;
    this.#at += size;
    return this.#view[read](at, this.#little);
  }
}

class Words {
  #words;
  #at = 0;

  constructor(buffer, at) {
    this.#words = new TextDecoder().decode(new Uint8Array(buffer, at)).trim().split(/\s+/);
  }

  next() {
    return this.#at < this.#words.length ? Number(this.#words[this.#at++]) : undefined;
  }
}

function readPly(buffer) {
  const { format, elements, end } = plyHeader(buffer);
  const body = format === "ascii" ? new Words(buffer, end) : new Numbers(buffer, end, format === "binary_little_endian");
  const found = { places: [], faces: [] };
  for (const { name, count, fields } of elements) {
    const axes = ["x", "y", "z"].map((axis) => fields.findIndex((field) => field.name === axis && !field.length));
    const list = fields.findIndex((field) => /^vertex_ind(ex|ices)$/.test(field.name) && field.length);
    if (name === "vertex" && axes.includes(-1)) throw new Error("the vertices of this PLY file have no x, y and z");
    if (name === "face" && list < 0) throw new Error("the faces of this PLY file have no vertex_indices");
    const take = (kind) => {
      const value = body.next(kind);
      if (value === undefined) throw new Error(`it ends among its ${count.toLocaleString("en")} of ${name}`);
      if (Number.isNaN(value) && format === "ascii") throw new Error(`its ${name} has a word that is no number`);
      return value;
    };
    for (let row = 0; row < count; row++) {
      const values = fields.map(({ kind, length }) => {
        if (!length) return take(kind);
        const many = take(length);
        if (!Number.isInteger(many) || many < 0) throw new Error(`its ${name} has a list of ${many}`);
        const items = [];
        for (let i = 0; i < many; i++) items.push(take(kind)); // it ends where the file does
        return items;
      });
      if (name === "vertex") found.places.push(...axes.map((axis) => values[axis]));
      else if (name === "face") addFan(found.faces, values[list]);
      checkCount(found.places.length / 3, found.faces.length / 3);
    }
  }
  return found;
}

/** The format, the elements, and where the header ends. */
function plyHeader(buffer) {
  const text = new TextDecoder("latin1").decode(new Uint8Array(buffer, 0, Math.min(HEADER, buffer.byteLength)));
  const mark = /\nend_header\r?\n/.exec(text);
  if (!mark) throw new Error("it is no PLY file: its header has no end");
  let format = "";
  const elements = [];
  for (const line of text.slice(0, mark.index).split(/\r?\n/).slice(1)) {
    const words = line.trim().split(/\s+/);
    const kind = (word) => KINDS[NEW[word] ?? word];
    if (["comment", "obj_info", ""].includes(words[0])) continue;
    if (words[0] === "format" && ["ascii", "binary_little_endian", "binary_big_endian"].includes(words[1])) {
      format = words[1];
    } else if (words[0] === "element" && /^\d{1,9}$/.test(words[2])) {
      elements.push({ name: words[1], count: Number(words[2]), fields: [] });
    } else if (words[0] === "property" && elements.length && words[1] === "list" && kind(words[2]) && kind(words[3])) {
      elements.at(-1).fields.push({ name: words[4], kind: kind(words[3]), length: kind(words[2]) });
    } else if (words[0] === "property" && elements.length && kind(words[1])) {
      elements.at(-1).fields.push({ name: words[2], kind: kind(words[1]), length: null });
    } else {
      throw new Error(`its PLY header has a line that is none: ${JSON.stringify(line.slice(0, 40))}`);
    }
  }
  if (!format) throw new Error("its PLY header does not say its format");
  const sizes = Object.fromEntries(elements.map(({ name, count }) => [name, count]));
  checkCount(sizes.vertex ?? 0, sizes.face ?? 0);
  return { format, elements, end: mark.index + mark[0].length };
}

/**
 * Weld vertices of one place, leave out faces without an area or that stand twice and vertices of no face, and move what
 * is left so that its box's middle lies in the origin and its farthest vertex at 1.
 * @throws {Error} one line: no face is left
 */
export function mended({ places, faces }) {
  const first = new Map();
  const target = new Uint32Array(places.length / 3);
  for (let i = 0; i < target.length; i++) {
    const key = [0, 1, 2].map((axis) => places[3 * i + axis] + 0).join(); // −0 is 0
    if (!first.has(key)) first.set(key, i);
    target[i] = first.get(key);
  }
  const [kept, seen, number] = [[], new Set(), new Int32Array(target.length).fill(-1)];
  for (let at = 0; at < faces.length; at += 3) {
    const corners = [0, 1, 2].map((corner) => target[faces[at + corner]]);
    const [a, b, c] = corners;
    const key = [...corners].sort((one, other) => one - other).join();
    if (a === b || b === c || c === a || seen.has(key)) continue;
    seen.add(key);
    kept.push(...corners);
    for (const corner of corners) number[corner] = 1;
  }
  if (!kept.length) throw new Error("a mesh needs faces with an area, it has none");
  let count = 0;
  for (let i = 0; i < number.length; i++) if (number[i] > 0) number[i] = count++;
  const used = new Float32Array(3 * count);
  number.forEach((to, from) => {
    if (to >= 0) used.set(places.subarray(3 * from, 3 * from + 3), 3 * to);
  });
  return { places: fitted(used), faces: Uint32Array.from(kept, (corner) => number[corner]) };
}

/**
 * A mesh that somebody brings to a model. Its own one, as petri writes it, is left as it is.
 * @param {{places: Float32Array, faces: Uint32Array}} read from `readMesh`
 * @param {number} vertices of the mesh that the model was trained on
 * @returns {object} `places` and `faces`, and `own`: whether it is that one
 * @throws {Error} one line, as of `mended`
 */
export function brought(read, vertices) {
  const made = mended(read);
  const near = (value, i) => Math.abs(value - read.places[i]) < 1e-5;
  const own = made.places.length === 3 * vertices && read.places.length === 3 * vertices && made.places.every(near);
  return { ...(own ? read : made), own };
}

function fitted(places) {
  const [low, high] = [[Infinity, Infinity, Infinity], [-Infinity, -Infinity, -Infinity]];
  places.forEach((value, i) => {
    low[i % 3] = Math.min(low[i % 3], value);
    high[i % 3] = Math.max(high[i % 3], value);
  });
  const moved = Float64Array.from(places, (value, i) => value - (low[i % 3] + high[i % 3]) / 2);
  let far = 0;
  for (let i = 0; i < moved.length; i += 3) far = Math.max(far, Math.hypot(moved[i], moved[i + 1], moved[i + 2]));
  return Float32Array.from(moved, (value) => (far > 0 ? value / far : value));
}
