// Who is whose neighbour on a ring or a mesh, in compressed rows, and what the harmonics give to each of them. As
// petri/nca/graph.py and petri/nca/senses/harmonics.py.

/** Whether the cells of a Spec are the nodes of a ring or a mesh. */
export function onGraph({ space }) {
  return space.kind !== "grid";
}

/** The harmonics that a sense reads; of invariants they are the slope's. */
function read(sense) {
  return sense.kind === "invariants" ? { ...sense, order: 1, dimensions: 3, gather: "mean" } : sense;
}

/** How many harmonics a sense reads. */
export function harmonicsOf(sense) {
  const { order, dimensions } = read(sense);
  return dimensions === 1 ? 1 + order : (order + 1) ** 2;
}

/**
 * A ring: each node reads the one before it, in direction −1, and the one after it, in direction 1.
 * @returns {{nodes: number, offsets: Int32Array, neighbours: Int32Array, directions: Float64Array}} node i reads
 *   `neighbours[offsets[i]]` up to that of `offsets[i + 1]`; directions: unit vectors, an edge after the other
 */
export function ring(nodes) {
  const offsets = Int32Array.from({ length: nodes + 1 }, (_, i) => 2 * i);
  const neighbours = Int32Array.from({ length: 2 * nodes }, (_, e) => ((e >> 1) + (e & 1 ? 1 : nodes - 1)) % nodes);
  return { nodes, offsets, neighbours, directions: Float64Array.from(neighbours, (_, e) => (e & 1 ? 1 : -1)) };
}

/**
 * The vertices of a mesh, each of which reads those that it shares an edge with, the smaller numbers first.
 * @param {Float32Array} places `[vertex, 3]`
 * @param {Uint32Array} faces `[face, 3]`
 * @param {string} frame what directions are told by: `world`, the axes of space, or `upright`, what lies right, up and out
 *   of each vertex
 * @returns {object} as of `ring`, of three dimensions; and `lengths` of the edges
 */
export function graphOf(places, faces, frame = "world") {
  const nodes = places.length / 3;
  const rows = new Int32Array(nodes + 1);
  for (const corner of faces) rows[corner + 1] += 2;
  for (let i = 0; i < nodes; i++) rows[i + 1] += rows[i];
  const found = new Int32Array(rows[nodes]);
  const ends = rows.slice(0, nodes);
  for (let at = 0; at < faces.length; at += 3) {
    const [a, b, c] = [faces[at], faces[at + 1], faces[at + 2]];
    found[ends[a]++] = b;
    found[ends[a]++] = c;
    found[ends[b]++] = c;
    found[ends[b]++] = a;
    found[ends[c]++] = a;
    found[ends[c]++] = b;
  }
  const offsets = new Int32Array(nodes + 1);
  let kept = 0;
  for (let i = 0; i < nodes; i++) {
    const row = found.subarray(rows[i], rows[i + 1]).sort();
    for (let e = 0; e < row.length; e++) {
      if (row[e] !== i && (e === 0 || row[e] !== row[e - 1])) found[kept++] = row[e]; // never beyond what is read
    }
    offsets[i + 1] = kept;
  }
  const neighbours = found.slice(0, kept);
  const graph = { nodes, offsets, neighbours, ...directionsOf(places, offsets, neighbours) };
  if (frame === "upright") stand(graph, normalsOf(places, faces));
  return graph;
}

function directionsOf(places, offsets, neighbours) {
  const directions = new Float64Array(3 * neighbours.length);
  const lengths = new Float64Array(neighbours.length);
  for (let i = 0; i + 1 < offsets.length; i++) {
    for (let e = offsets[i]; e < offsets[i + 1]; e++) {
      const at = 3 * neighbours[e];
      const x = places[at] - places[3 * i];
      const y = places[at + 1] - places[3 * i + 1];
      const z = places[at + 2] - places[3 * i + 2];
      lengths[e] = Math.sqrt(x * x + y * y + z * z);
      const far = lengths[e] || 1; // of two in one place there is none
      directions[3 * e] = x / far;
      directions[3 * e + 1] = y / far;
      directions[3 * e + 2] = z / far;
    }
  }
  return { directions, lengths };
}

/** Directions that vertices face, unit vectors `[vertex, 3]`; 0 where there is none. */
export function normalsOf(places, faces) {
  const normals = new Float64Array(places.length);
  for (let at = 0; at < faces.length; at += 3) {
    const a = 3 * faces[at];
    const b = 3 * faces[at + 1];
    const c = 3 * faces[at + 2];
    for (let axis = 0; axis < 3; axis++) {
      const [next, last] = [(axis + 1) % 3, (axis + 2) % 3];
      const ahead = (places[b + next] - places[a + next]) * (places[c + last] - places[a + last]);
      const back = (places[b + last] - places[a + last]) * (places[c + next] - places[a + next]);
      const across = ahead - back; // of a normal as long as twice the area
      normals[a + axis] += across;
      normals[b + axis] += across;
      normals[c + axis] += across;
    }
  }
  for (let i = 0; i < normals.length; i += 3) {
    const long = Math.sqrt(normals[i] ** 2 + normals[i + 1] ** 2 + normals[i + 2] ** 2) || 1;
    for (let axis = 0; axis < 3; axis++) normals[i + axis] /= long;
  }
  return normals;
}

/** Tell directions by what lies right, up and out of each vertex; as `upright` in petri/graph/mesh.py. */
function stand({ nodes, offsets, directions }, normals) {
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  for (let i = 0; i < nodes; i++) {
    let out = normals.subarray(3 * i, 3 * i + 3);
    if (!out.some((value) => value)) out = [0, 0, 1];
    let up = Math.abs(out[1]) > 1 - 1e-6 ? [0, 0, 1] : [0, 1, 0];
    const share = dot(up, out);
    up = up.map((value, axis) => value - share * out[axis]);
    const long = Math.sqrt(dot(up, up));
    up = up.map((value) => value / long);
    const right = [
      up[1] * out[2] - up[2] * out[1], up[2] * out[0] - up[0] * out[2], up[0] * out[1] - up[1] * out[0],
    ];
    for (let e = offsets[i]; e < offsets[i + 1]; e++) {
      const direction = directions.slice(3 * e, 3 * e + 3);
      directions[3 * e] = dot(right, direction);
      directions[3 * e + 1] = dot(up, direction);
      directions[3 * e + 2] = dot(out, direction);
    }
  }
}

/**
 * What each harmonic gives to the difference to each neighbour.
 * @param {object} graph as of `ring`
 * @param {object} sense of the kind `harmonics` or `invariants`
 * @returns {Float32Array} `[edge, harmonic]`
 * @throws {Error} one line: they need directions of other dimensions than the graph has
 */
export function pullsOf({ nodes, offsets, neighbours, directions, lengths }, sense) {
  const count = harmonicsOf(sense);
  const { order, dimensions, gather, valence, edge = 0 } = read(sense);
  if (edge && !lengths) throw new Error("a sense that heeds how long edges are needs places, the graph has none");
  const has = directions.length / neighbours.length;
  if (order && has !== dimensions) {
    throw new Error(`harmonics of order ${order} need directions of ${dimensions} dimensions, the graph has ${has}`);
  }
  const pulls = new Float32Array(count * neighbours.length);
  const root = Math.sqrt(3);
  for (let i = 0; i < nodes; i++) {
    const many = offsets[i + 1] - offsets[i];
    let longer = 1; // than its edges is the usual one
    if (edge) {
      let total = 0;
      for (let e = offsets[i]; e < offsets[i + 1]; e++) total += lengths[e];
      if (total > 0) longer = edge / (total / many);
    }
    const even = (gather === "sum" ? 1 : valence / many) * longer ** 2;
    const odd = (gather === "sum" ? 1 : valence / many) * longer;
    for (let e = offsets[i]; e < offsets[i + 1]; e++) {
      const at = count * e;
      pulls[at] = even;
      if (count === 1) continue;
      if (dimensions === 1) {
        pulls[at + 1] = directions[e] * odd;
        continue;
      }
      const x = directions[3 * e];
      const y = directions[3 * e + 1];
      const z = directions[3 * e + 2];
      pulls[at + 1] = y * odd;
      pulls[at + 2] = z * odd;
      pulls[at + 3] = x * odd;
      if (count < 9) continue;
      pulls[at + 4] = root * x * y * even;
      pulls[at + 5] = root * y * z * even;
      pulls[at + 6] = ((3 * z * z - 1) / 2) * even;
      pulls[at + 7] = root * x * z * even;
      pulls[at + 8] = ((root * (x * x - y * y)) / 2) * even;
    }
  }
  return pulls;
}

/** The nodes that lie within a radius of one, and hang together with it there. */
export function nodesAround({ offsets, neighbours }, places, node, radius) {
  const far = (other) => Math.hypot(...[0, 1, 2].map((axis) => places[3 * other + axis] - places[3 * node + axis]));
  const found = new Set([node]);
  for (const one of found) {
    for (let e = offsets[one]; e < offsets[one + 1]; e++) {
      if (!found.has(neighbours[e]) && far(neighbours[e]) <= radius) found.add(neighbours[e]);
    }
  }
  return Int32Array.from(found);
}
