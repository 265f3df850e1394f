// What a decoder paints of a surface, on the GPU: every pixel asks it, wherever in its triangle it lies.

import { normalsOf } from "./graph.js";
import { decoderPlaces, packDecoder } from "./decoder.js";
import { decoderShader } from "./shader.js";

const ACROSS = 2048; // texels along a row of what lies in rows: what every GPU takes

// Each corner of a triangle looks up what belongs to it: so it can tell which three nodes the triangle has.
const corners = (place) => `#version 300 es
precision highp float;
precision highp int;
uniform highp usampler2D faces;
uniform highp sampler2D places;
uniform highp sampler2D normals;
uniform mat3 turned;
uniform float focus;
out vec3 seen;      // where it is, from the eye's side
out vec3 facing;
flat out uvec3 nodes;
out vec3 shares;
invariant gl_Position;
ivec2 at(int number, int across) {
    return ivec2(number % across, number / across);
}
void main() {
    nodes = texelFetch(faces, at(gl_VertexID / 3, textureSize(faces, 0).x), 0).rgb;
    int corner = gl_VertexID % 3;
    int node = int(corner == 0 ? nodes.x : corner == 1 ? nodes.y : nodes.z);
    shares = vec3(corner == 0, corner == 1, corner == 2);
    ivec2 there = at(node, textureSize(places, 0).x);
    seen = turned * texelFetch(places, there, 0).xyz;
    facing = turned * texelFetch(normals, there, 0).xyz;
    ${place}
}
`;

// Points that are told, in a row of pixels.
const POINTS = `#version 300 es
precision highp float;
precision highp int;
layout(location = 0) in uvec3 corners;
layout(location = 1) in vec3 near;
uniform float count;
flat out uvec3 nodes;
out vec3 shares;
out vec3 seen;
out vec3 facing;
void main() {
    nodes = corners;
    shares = near;
    seen = facing = vec3(0.0);
    gl_PointSize = 1.0;
    gl_Position = vec4((2.0 * float(gl_VertexID) + 1.0) / count - 1.0, 0.0, 0.0, 1.0);
}
`;

// So that each pixel asks the decoder once, for what is nearest.
const DEPTH = `#version 300 es
precision mediump float;
out vec4 shown;
void main() {
    shown = vec4(0.0);
}
`;

export class Coat {
  #textures; // by the names of the shaders' uniforms
  #block = null; // buffer of the weights, where a uniform block has room for them

  /**
   * @param {Context} context
   * @param {object} model from `parseModel`, of a mesh and with a decoder
   * @param {{places: Float32Array, faces: Uint32Array}} surface
   * @param {{place: string, lamp: string}} view GLSL: what puts `seen` onto the screen, and the function `lit`
   */
  constructor(context, model, { places, faces }, { place, lamp }) {
    const { gl } = context;
    const { spec } = model;
    const { texels } = decoderPlaces(spec);
    const block = 16 * texels <= gl.getParameter(gl.MAX_UNIFORM_BLOCK_SIZE);
    const paint = decoderShader(spec, { block, surface: { lamp, columns: ACROSS } });
    Object.assign(this, { context, gl, model, groups: spec.groups, nodes: places.length / 3, count: faces.length });
    this.programs = {
      depth: context.program(DEPTH, corners(place)), paint: context.program(paint, corners(place)),
      points: context.program(paint, POINTS),
    };
    const normals = Float32Array.from(normalsOf(places, faces));
    this.#textures = {
      faces: this.#rows(faces, gl.RGB32UI, gl.RGB_INTEGER, gl.UNSIGNED_INT, 3),
      places: this.#rows(places, gl.RGB32F, gl.RGB, gl.FLOAT, 3),
      normals: this.#rows(normals, gl.RGB32F, gl.RGB, gl.FLOAT, 3),
      state: this.#texture(gl.TEXTURE_2D_ARRAY),
    };
    gl.texStorage3D(
      gl.TEXTURE_2D_ARRAY, 1, gl.RGBA32F, Math.min(ACROSS, this.nodes), Math.ceil(this.nodes / ACROSS), this.groups,
    );
    const weights = packDecoder(model);
    if (!block) {
      this.#textures.weights = this.#rows(weights, gl.RGBA32F, gl.RGBA, gl.FLOAT, 4, true);
      return;
    }
    this.#block = gl.createBuffer();
    gl.bindBuffer(gl.UNIFORM_BUFFER, this.#block);
    gl.bufferData(gl.UNIFORM_BUFFER, weights, gl.STATIC_DRAW);
    for (const { handle } of [this.programs.paint, this.programs.points]) {
      gl.uniformBlockBinding(handle, gl.getUniformBlockIndex(handle, "Weights"), 0);
    }
  }

  #texture(kind) {
    const { gl } = this;
    const texture = gl.createTexture();
    gl.bindTexture(kind, texture);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(kind, name, gl.NEAREST);
    return texture;
  }

  /** Numbers in a texture, row after row; of full width if a shader counts on that. */
  #rows(values, format, order, type, lanes, full = false) {
    const { gl } = this;
    const count = values.length / lanes;
    const [across, down] = [full ? ACROSS : Math.min(ACROSS, count), Math.ceil(count / ACROSS)];
    const whole = new values.constructor(lanes * across * down);
    whole.set(values);
    const texture = this.#texture(gl.TEXTURE_2D);
    gl.texImage2D(gl.TEXTURE_2D, 0, format, across, down, 0, order, type, whole);
    return texture;
  }

  /** Take a state: of each group of four channels the nodes' values, `[group, node, 4]`. */
  set(layers) {
    const { gl, nodes } = this;
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, this.#textures.state);
    const rows = Math.floor(nodes / ACROSS);
    const rest = nodes % ACROSS;
    for (let group = 0; group < this.groups; group++) {
      const lay = (row, across, down) => {
        if (!across || !down) return;
        const begin = 4 * (group * nodes + row * ACROSS);
        const part = layers.subarray(begin, begin + 4 * across * down);
        gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, row, group, across, down, 1, gl.RGBA, gl.FLOAT, part);
      };
      lay(0, ACROSS, rows);
      lay(rows, rest, 1);
    }
  }

  #use({ handle, at }) {
    const { gl } = this;
    gl.useProgram(handle);
    Object.entries(this.#textures).forEach(([name, texture], unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(name === "state" ? gl.TEXTURE_2D_ARRAY : gl.TEXTURE_2D, texture);
      gl.uniform1i(at(name), unit);
    });
    gl.activeTexture(gl.TEXTURE0);
    if (this.#block) gl.bindBufferBase(gl.UNIFORM_BUFFER, 0, this.#block);
  }

  /**
   * Draw the triangles into what is bound, which has depth.
   * @param {(at: (name: string) => WebGLUniformLocation) => void} turn sets the uniforms of the view
   */
  draw(turn) {
    const { gl } = this;
    gl.enable(gl.DEPTH_TEST);
    for (const program of [this.programs.depth, this.programs.paint]) {
      this.#use(program);
      turn(program.at);
      gl.uniform1i(program.at("shown"), 1);
      gl.drawArrays(gl.TRIANGLES, 0, this.count);
      gl.depthFunc(gl.LEQUAL);
      gl.depthMask(false);
    }
    gl.depthFunc(gl.LESS);
    gl.depthMask(true);
    gl.disable(gl.DEPTH_TEST); // the other dishes know of no depth
  }

  /**
   * The colours of points as they are, float32 `[point, 4]`, not bounded.
   * @param {Uint32Array} corners of the triangle that each lies in, `[point, 3]`
   * @param {Float32Array} shares how near it lies to each, `[point, 3]`
   */
  floats(corners, shares) {
    const { gl } = this;
    const count = corners.length / 3;
    const array = gl.createVertexArray();
    gl.bindVertexArray(array);
    const buffers = [corners, shares].map((values, place) => {
      const made = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, made);
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.STREAM_DRAW);
      gl.enableVertexAttribArray(place);
      if (place) gl.vertexAttribPointer(place, 3, gl.FLOAT, false, 0, 0);
      else gl.vertexAttribIPointer(place, 3, gl.UNSIGNED_INT, 0, 0);
      return made;
    });
    const framebuffer = gl.createFramebuffer();
    const texture = this.#texture(gl.TEXTURE_2D);
    gl.texStorage2D(gl.TEXTURE_2D, 1, this.context.format, count, 1);
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    gl.viewport(0, 0, count, 1);
    const { points } = this.programs;
    this.#use(points);
    gl.uniform1f(points.at("count"), count);
    gl.uniform1i(points.at("shown"), 0);
    gl.drawArrays(gl.POINTS, 0, count);
    const found = new Float32Array(4 * count);
    gl.readPixels(0, 0, count, 1, gl.RGBA, gl.FLOAT, found);
    gl.bindVertexArray(null);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.deleteFramebuffer(framebuffer);
    gl.deleteTexture(texture);
    gl.deleteVertexArray(array);
    for (const buffer of buffers) gl.deleteBuffer(buffer);
    return found;
  }

  close() {
    for (const texture of Object.values(this.#textures)) this.gl.deleteTexture(texture);
    if (this.#block) this.gl.deleteBuffer(this.#block);
  }
}
