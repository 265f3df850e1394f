// What the cells of a dish live on if that is no grid: the nodes of a ring or a mesh, and the surface that shows them.

import { graphOf, nodesAround, pullsOf, harmonicsOf, ring } from "./graph.js";
import { Surface } from "./surface.js";

export const SIDE = 1000; // points along a side of the picture, in which strokes are told
const THICK = 0.14; // radius of the tube that a ring is shown as, in units of the ring's
const ROUND = 12; // vertices around it, of each node

export class Body {
  /**
   * @param {object} mesh `{ places, faces }`, and `own`: whether it is the one that the model was trained on
   * @param {string} frame as of `graphOf`
   * @throws {Error} one line: no WebGL2
   */
  static ofMesh(mesh, frame) {
    return new Body(graphOf(mesh.places, mesh.faces, frame), mesh.places, mesh, 1);
  }

  /** A ring of so many nodes, shown as a tube that is bent round. */
  static ofRing(nodes) {
    const centres = new Float32Array(3 * nodes);
    const places = new Float32Array(3 * nodes * ROUND);
    const faces = new Uint32Array(6 * nodes * ROUND);
    const wide = 1 - THICK;
    for (let i = 0; i < nodes; i++) {
      const angle = (2 * Math.PI * (i + 0.5)) / nodes;
      const [x, z] = [Math.sin(angle), Math.cos(angle)];
      centres.set([wide * x, 0, wide * z], 3 * i);
      for (let j = 0; j < ROUND; j++) {
        const around = (2 * Math.PI * j) / ROUND;
        const far = wide + THICK * Math.cos(around);
        places.set([far * x, THICK * Math.sin(around), far * z], 3 * (ROUND * i + j));
        const [a, b] = [ROUND * i + j, ROUND * i + ((j + 1) % ROUND)];
        const [c, d] = [a, b].map((corner) => (corner + ROUND) % (ROUND * nodes));
        faces.set([a, c, b, b, c, d], 6 * (ROUND * i + j));
      }
    }
    return new Body(ring(nodes), centres, { places, faces, own: true }, ROUND);
  }

  /** Use `ofMesh` or `ofRing`; `each`: vertices of the surface a node. */
  constructor(graph, centres, mesh, each) {
    Object.assign(this, { graph, centres, mesh, each, nodes: graph.nodes });
    this.surface = new Surface(mesh.places, mesh.faces);
  }

  /** Who is whose neighbour, as the step needs it for a sense. */
  rows(sense) {
    const { offsets, neighbours } = this.graph;
    return { offsets, neighbours, pulls: pullsOf(this.graph, sense), harmonics: harmonicsOf(sense) };
  }

  /** The node where growth begins on a mesh that the model was not trained on: the highest one; else null. */
  get top() {
    if (this.mesh.own) return null;
    let most = 0;
    for (let i = 1; i < this.nodes; i++) if (this.centres[3 * i + 1] > this.centres[3 * most + 1]) most = i;
    return most;
  }

  draw(pen, tints, view, lit) {
    this.surface.draw(pen, this.each === 1 ? tints : this.#spread(tints), view, lit);
  }

  /** See `Surface`: of a mesh, on which a decoder paints. */
  wear(model, layers) {
    this.surface.wear(model, layers);
  }

  look(part, size, view, lit) {
    return this.surface.look(part, size, view, lit);
  }

  floats(corners, shares) {
    return this.surface.floats(corners, shares);
  }

  #spread(tints) {
    const spread = new Uint32Array(this.each * this.nodes);
    new Uint32Array(tints.buffer, tints.byteOffset, this.nodes).forEach((tint, node) => {
      spread.fill(tint, this.each * node, this.each * (node + 1));
    });
    return new Uint8Array(spread.buffer);
  }

  /**
   * The node under a point of the picture.
   * @returns {?{node: number, place: number[]}} and the place on the surface; null beside it
   */
  at(x, y, view) {
    const found = this.surface.under(x / SIDE, y / SIDE, view);
    if (!found) return null;
    const { place } = found;
    const { offsets, neighbours } = this.graph;
    const far = (node) => Math.hypot(...place.map((value, axis) => this.centres[3 * node + axis] - value));
    let node = Math.floor(found.vertex / this.each);
    // Of a triangle one corner is known; the others are its neighbours.
    for (const other of neighbours.subarray(offsets[node], offsets[node + 1])) if (far(other) < far(node)) node = other;
    return { node, place };
  }

  /** The nodes around a point of the picture, within a radius in its points; none beside the surface. */
  around(x, y, radius, view) {
    const found = this.at(x, y, view);
    if (!found) return new Int32Array();
    const reach = this.surface.lengthAt(found.place, radius / SIDE, view);
    return nodesAround(this.graph, this.centres, found.node, reach);
  }

  close() {
    this.surface.close();
  }
}
