// A surface of triangles in WebGL2: drawn with a colour a vertex or as a decoder paints it, flat or lit, and asked which
// vertex lies under a point.

import { Coat } from "./coat.js";
import { Context } from "./context.js";
import { normalsOf } from "./graph.js";

/** From where a surface is seen at first, in degrees, and how near. As petri/graph/raster.py draws it. */
export const FRONT = { turn: 0, tilt: 15, zoom: 1 };

const DISTANCE = 3.5; // of the eye from the middle, in units of the farthest vertex
const FILLS = 0.92; // share of the picture that the surface may fill
const SAMPLES = 4; // a pixel, so that edges are smooth

// What puts `seen` onto the screen.
const PLACE = `float away = ${DISTANCE.toFixed(1)} - seen.z;
    const float near = ${(DISTANCE - 1.05).toFixed(2)}, far = ${(DISTANCE + 1.05).toFixed(2)};
    gl_Position = vec4(focus * seen.xy, ((far + near) * away - 2.0 * far * near) / (far - near), away);`;

// A colour as a lamp shades it.
const LAMP = `uniform bool lamp;
in vec3 seen;
in vec3 facing;

vec3 lit(vec3 colour) {
    vec3 outward = facing / max(length(facing), 1e-6);
    if (dot(outward, vec3(0.0, 0.0, ${DISTANCE.toFixed(1)}) - seen) < 0.0) outward = -outward;  // an open surface, from inside
    const vec3 towards = vec3(0.3, 0.5, 0.8) / 0.98994949;
    return colour * (lamp ? 0.45 + 0.55 * max(dot(outward, towards), 0.0) : 1.0);
}
`;

const VERTEX = `#version 300 es
precision highp float;
layout(location = 0) in vec3 place;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec4 tint;
uniform mat3 turned;
uniform float focus;
out vec3 seen;      // where it is, from the eye's side
out vec3 facing;
out vec3 colour;
out vec3 at;        // where it is on the surface
flat out uint vertex;
void main() {
    seen = turned * place;
    facing = turned * normal;
    colour = tint.rgb;
    at = place;
    vertex = uint(gl_VertexID);
    ${PLACE}
}
`;

const SHOWN = `#version 300 es
precision highp float;
${LAMP}
in vec3 colour;
in vec3 at;
flat in uint vertex;
out vec4 shown;
void main() {
    shown = vec4(lit(colour), 1.0);
}
`;

// A corner of the triangle under a point, and where on the surface the point lies.
const PICKED = `#version 300 es
precision highp float;
precision highp int;
in vec3 seen;
in vec3 facing;
in vec3 colour;
in vec3 at;
flat in uint vertex;
out uvec4 found;
void main() {
    found = uvec4(vertex + 1u, floatBitsToUint(at));
}
`;

/** The matrix that turns about the upright axis and then tips towards the eye, column by column. */
function turning({ turn, tilt }) {
  const [a, b] = [turn, tilt].map((degrees) => (degrees * Math.PI) / 180);
  const [sinA, cosA, sinB, cosB] = [Math.sin(a), Math.cos(a), Math.sin(b), Math.cos(b)];
  return [cosA, sinB * sinA, -cosB * sinA, 0, cosB, sinB, sinA, -sinB * cosA, cosB * cosA];
}

/** Tell a program from where a surface is seen. */
function setView(gl, at, view) {
  gl.uniformMatrix3fv(at("turned"), false, turning(view));
  gl.uniform1f(at("focus"), focusOf(view));
}

const focusOf = ({ zoom }) => FILLS * Math.sqrt(DISTANCE ** 2 - 1) * zoom;

export class Surface {
  #made = null; // what lies on the GPU, and since which loss of it
  #coat = null; // what a decoder needs there, likewise

  /**
   * @param {Float32Array} places `[vertex, 3]`, within the unit sphere
   * @param {Uint32Array} faces `[face, 3]`
   * @throws {Error} one line: no WebGL2
   */
  constructor(places, faces) {
    Object.assign(this, { places, faces, count: places.length / 3 });
    this.context = Context.enter();
  }

  /** Everything on the GPU: made at first use, and again when a lost one is back. */
  get #own() {
    const { context } = this;
    const { gl } = context;
    if (this.#made?.since === context.losses) return this.#made;
    const array = gl.createVertexArray();
    gl.bindVertexArray(array);
    const buffer = (place, values, kind) => {
      const made = gl.createBuffer();
      gl.bindBuffer(kind, made);
      gl.bufferData(kind, values, place === 2 ? gl.DYNAMIC_DRAW : gl.STATIC_DRAW);
      if (kind === gl.ELEMENT_ARRAY_BUFFER) return made;
      gl.enableVertexAttribArray(place);
      if (place === 2) gl.vertexAttribPointer(place, 4, gl.UNSIGNED_BYTE, true, 0, 0);
      else gl.vertexAttribPointer(place, 3, gl.FLOAT, false, 0, 0);
      return made;
    };
    const normals = Float32Array.from(normalsOf(this.places, this.faces));
    const buffers = [
      buffer(0, this.places, gl.ARRAY_BUFFER), buffer(1, normals, gl.ARRAY_BUFFER),
      buffer(2, 4 * this.count, gl.ARRAY_BUFFER), buffer(3, this.faces, gl.ELEMENT_ARRAY_BUFFER),
    ];
    gl.bindVertexArray(null);
    this.#made = {
      since: context.losses, array, buffers, tints: buffers[2], programs: {
        shown: context.program(SHOWN, VERTEX), picked: context.program(PICKED, VERTEX),
      },
    };
    return this.#made;
  }

  /**
   * Draw it onto a canvas, see-through around it.
   * @param {CanvasRenderingContext2D} pen
   * @param {Uint8ClampedArray} tints RGBA of the vertices
   * @param {{turn: number, tilt: number, zoom: number}} view degrees, and how many times nearer
   * @param {boolean} lit whether a lamp shades it; else the plain colours
   */
  draw(pen, tints, view, lit) {
    const { gl } = this.context;
    if (gl.isContextLost()) return; // the canvas shows what it showed
    const { width, height } = pen.canvas;
    const { array, tints: place, programs } = this.#own;
    const { image } = this.#picture({ left: 0, top: 0, right: width, bottom: height }, [width, height], () => {
      gl.bindBuffer(gl.ARRAY_BUFFER, place);
      gl.bufferSubData(gl.ARRAY_BUFFER, 0, tints);
      this.#triangles(programs.shown, array, view, (at) => gl.uniform1i(at("lamp"), Number(lit)));
    });
    pen.clearRect(0, 0, width, height);
    pen.drawImage(image, 0, image.height - height, width, height, 0, 0, width, height);
  }

  /** Let a decoder paint a state, `[group, vertex, 4]`, from now on. */
  wear(model, layers) {
    const { context } = this;
    if (context.gl.isContextLost()) return;
    if (this.#coat?.since !== context.losses || this.#coat.model !== model) {
      this.#drop();
      const made = new Coat(context, model, this, { place: PLACE, lamp: LAMP });
      this.#coat = { since: context.losses, model, made };
    }
    this.#coat.made.set(layers);
  }

  /**
   * A part of a picture of what a decoder paints of the state that was given last.
   * @param {{left: number, top: number, right: number, bottom: number}} part of the picture
   * @param {number[]} size of the whole of it, in pixels
   * @param {object} view
   * @param {boolean} lit
   * @returns {?{image: HTMLCanvasElement, width: number, height: number}} it lies in the lower left corner of the image;
   *   null where there is none
   */
  look(part, size, view, lit) {
    const { gl, losses } = this.context;
    if (gl.isContextLost() || this.#coat?.since !== losses) return null;
    return this.#picture(part, size, () => this.#coat.made.draw((at) => {
      setView(gl, at, view);
      gl.uniform1i(at("lamp"), Number(lit));
    }));
  }

  /** What a decoder paints at points; see `Coat`. */
  floats(corners, shares) {
    if (this.context.gl.isContextLost() || !this.#coat) throw new Error("the graphics are lost");
    return this.#coat.made.floats(corners, shares);
  }

  /** Draw a part of a picture into the shared image, smooth at its edges. */
  #picture({ left, top, right, bottom }, [across, down], draw) {
    const { context } = this;
    const { gl } = context;
    const [width, height] = [right - left, bottom - top];
    context.makeRoom(width, height);
    const target = this.#target(gl.RGBA8, width, height, Math.min(SAMPLES, gl.getParameter(gl.MAX_SAMPLES)));
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.viewport(-left, bottom - down, across, down);
    draw();
    gl.bindFramebuffer(gl.DRAW_FRAMEBUFFER, null);
    gl.disable(gl.SCISSOR_TEST);
    gl.blitFramebuffer(0, 0, width, height, 0, 0, width, height, gl.COLOR_BUFFER_BIT, gl.NEAREST);
    target.free();
    return { image: context.image, width, height };
  }

  /**
   * What lies under a point of a picture of it.
   * @param {number} x from the left, in shares of the picture's width
   * @param {number} y from the top, likewise
   * @returns {?{vertex: number, place: number[]}} the nearest corner of the triangle there, and the place on it
   */
  under(x, y, view) {
    const { gl } = this.context;
    if (gl.isContextLost()) return null;
    const { array, programs } = this.#own;
    const side = 4096; // of a picture of which one pixel is drawn
    const target = this.#target(gl.RGBA32UI, 1, 1, 0);
    gl.clearBufferuiv(gl.COLOR, 0, [0, 0, 0, 0]);
    gl.clear(gl.DEPTH_BUFFER_BIT);
    gl.viewport(-Math.floor(x * side), -Math.floor((1 - y) * side), side, side);
    this.#triangles(programs.picked, array, view);
    const found = new Uint32Array(4);
    gl.readPixels(0, 0, 1, 1, gl.RGBA_INTEGER, gl.UNSIGNED_INT, found);
    target.free();
    if (!found[0]) return null;
    const place = [...new Float32Array(found.buffer, 4)];
    return { vertex: found[0] - 1, place };
  }

  /** How long on the surface, at a place, a length in shares of the picture's side is. */
  lengthAt(place, share, view) {
    const [, , x, , , y, , , z] = turning(view);
    const away = DISTANCE - (x * place[0] + y * place[1] + z * place[2]);
    return (2 * share * away) / focusOf(view);
  }

  #triangles({ handle, at }, array, view, more = () => {}) {
    const { gl } = this.context;
    gl.useProgram(handle);
    setView(gl, at, view);
    more(at);
    gl.enable(gl.DEPTH_TEST);
    gl.bindVertexArray(array);
    gl.drawElements(gl.TRIANGLES, this.faces.length, gl.UNSIGNED_INT, 0);
    gl.bindVertexArray(null);
    gl.disable(gl.DEPTH_TEST); // the other dishes know of no depth
  }

  /** Something with depth to draw on, bound. */
  #target(format, width, height, samples) {
    const { gl } = this.context;
    const frame = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    const stores = [[gl.COLOR_ATTACHMENT0, format], [gl.DEPTH_ATTACHMENT, gl.DEPTH_COMPONENT24]].map(([at, kind]) => {
      const store = gl.createRenderbuffer();
      gl.bindRenderbuffer(gl.RENDERBUFFER, store);
      gl.renderbufferStorageMultisample(gl.RENDERBUFFER, samples, kind, width, height);
      gl.framebufferRenderbuffer(gl.FRAMEBUFFER, at, gl.RENDERBUFFER, store);
      return store;
    });
    return {
      free() {
        gl.bindFramebuffer(gl.FRAMEBUFFER, null);
        gl.deleteFramebuffer(frame);
        for (const store of stores) gl.deleteRenderbuffer(store);
      },
    };
  }

  #drop() {
    if (this.#coat?.since === this.context.losses) this.#coat.made.close();
    this.#coat = null;
  }

  close() {
    const { gl, losses } = this.context;
    this.#drop();
    if (this.#made?.since === losses) {
      gl.deleteVertexArray(this.#made.array);
      for (const buffer of this.#made.buffers) gl.deleteBuffer(buffer);
    }
    this.#made = null;
    this.context.leave();
  }
}
