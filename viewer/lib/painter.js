// What a decoder paints, on the GPU: one pass over the pixels of a picture.

import { decoderPlaces } from "./decoder.js";
import { SHOWN } from "./lit.js";
import { layout } from "./pack.js";
import { decoderShader } from "./shader.js";

export class Painter {
  #lines; // texture: the columns of a picture in its first row, the rows in its second
  #block = null; // buffer of the layers, where a uniform block has room for them: it is read faster than a texture

  /**
   * @param {Context} context
   * @param {object} model from `parseModel`, with a decoder
   * @param {{data: Float32Array, width: number}} packed its weights
   */
  constructor(context, model, { data, width }) {
    const { gl } = context;
    const { spec } = model;
    const { texels } = decoderPlaces(spec);
    const block = 16 * texels <= gl.getParameter(gl.MAX_UNIFORM_BLOCK_SIZE);
    Object.assign(this, { context, gl, program: context.program(decoderShader(spec, { block })) });
    this.#lines = gl.createTexture();
    if (!block) return;
    const { below, decoder } = layout(spec);
    const begin = 4 * (below * width + decoder);
    this.#block = gl.createBuffer();
    gl.bindBuffer(gl.UNIFORM_BUFFER, this.#block);
    gl.bufferData(gl.UNIFORM_BUFFER, data.subarray(begin, begin + 4 * texels), gl.STATIC_DRAW);
    gl.uniformBlockBinding(this.program.handle, gl.getUniformBlockIndex(this.program.handle, "Weights"), 0);
  }

  /**
   * Paint into what is bound as framebuffer, from its first corner on.
   * @param {Gpu} gpu that has the state and the weights
   * @param {{columns: Float32Array, rows: Float32Array}} at of each line four numbers, as in raster.js
   * @param {?number[]} ground RGBA, premultiplied; null for the colours as they are, not bounded
   * @param {?object} surface of a material, as in lit.js
   */
  paint({ buffers, weights }, { columns, rows }, ground, surface = null) {
    const { gl } = this;
    const { handle, at } = this.program;
    const [width, height] = [columns.length / 4, rows.length / 4];
    gl.viewport(0, 0, width, height);
    gl.useProgram(handle);
    gl.activeTexture(gl.TEXTURE2);
    gl.bindTexture(gl.TEXTURE_2D, this.#lines);
    this.#layLines(columns, rows);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, weights);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, buffers[0].texture);
    if (this.#block) gl.bindBufferBase(gl.UNIFORM_BUFFER, 0, this.#block);
    else gl.uniform1i(at("weights"), 1);
    gl.uniform1i(at("state"), 0);
    gl.uniform1i(at("lines"), 2);
    gl.uniform1i(at("shown"), ground ? 1 : 0);
    gl.uniform4f(at("ground"), ...(ground ?? [0, 0, 0, 0]));
    if (surface) {
      const [x, y, z, near] = surface.light;
      gl.uniform1i(at("map"), SHOWN.indexOf(surface.map));
      gl.uniform4f(at("light"), x, near ? height - y : y, z, near);
      gl.uniform1f(at("pixel"), surface.pixel);
    }
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  #layLines(columns, rows) {
    const { gl } = this;
    const longest = Math.max(columns.length, rows.length);
    const both = new Float32Array(2 * longest);
    both.set(columns);
    both.set(rows, longest);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, longest / 4, 2, 0, gl.RGBA, gl.FLOAT, both);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
    }
  }

  /** The colours as they are, float32 `[row, column, 4]`. */
  floats(gpu, at) {
    const { gl } = this;
    const [width, height] = [at.columns.length / 4, at.rows.length / 4];
    const texture = gl.createTexture();
    const framebuffer = gl.createFramebuffer();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texStorage2D(gl.TEXTURE_2D, 1, this.context.format, width, height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    this.paint(gpu, at, null);
    const found = new Float32Array(4 * width * height);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.FLOAT, found);
    gl.deleteFramebuffer(framebuffer);
    gl.deleteTexture(texture);
    return found;
  }

  close() {
    this.gl.deleteTexture(this.#lines);
    if (this.#block) this.gl.deleteBuffer(this.#block);
  }
}
