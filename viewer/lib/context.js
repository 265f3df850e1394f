// The WebGL2 context of a page, shared by all its dishes: browsers keep about sixteen, and drop the oldest if more are
// made. What a dish draws goes on to its own canvas at once.

const COVER = `#version 300 es
// One triangle that covers the screen.
void main() {
    gl_Position = vec4(4.0 * float(gl_VertexID & 1) - 1.0, 2.0 * float(gl_VertexID & 2) - 1.0, 0.0, 1.0);
}
`;

let shared = null;

/** What WebGL2 offers here: `{ reason }` why it cannot be used, or `{ software }`: whether the processor draws. */
export function probeGpu() {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl) return { reason: "this browser has no WebGL2" };
  try {
    if (!stateFormat(gl)) return { reason: "this GPU cannot draw to float textures" };
    const info = gl.getExtension("WEBGL_debug_renderer_info");
    const renderer = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
    return { renderer, software: /swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer) };
  } finally {
    gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

/** The best float format that can be drawn to: RGBA32F, else RGBA16F, else null. */
function stateFormat(gl) {
  gl.getExtension("EXT_color_buffer_float");
  gl.getExtension("EXT_color_buffer_half_float");
  for (const format of [gl.RGBA32F, gl.RGBA16F]) {
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, texture);
    gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, format, 4, 4, 2);
    const framebuffer = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    for (const layer of [0, 1]) {
      gl.framebufferTextureLayer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0 + layer, texture, 0, layer);
    }
    const complete = gl.checkFramebufferStatus(gl.FRAMEBUFFER) === gl.FRAMEBUFFER_COMPLETE;
    gl.deleteFramebuffer(framebuffer);
    gl.deleteTexture(texture);
    if (complete) return format;
  }
  return null;
}

export class Context {
  #users = 0;
  #programs = new Map(); // by their shaders: models of one architecture share them
  losses = 0; // how often everything on the GPU was lost

  /**
   * The page's context, made at first use; who enters leaves again.
   * @throws {Error} one line: no WebGL2, no float targets, or the context is lost
   */
  static enter() {
    const context = shared ?? new Context();
    if (context.gl.isContextLost()) throw new Error("the GPU was lost; the browser has not given it back yet");
    shared = context;
    context.#users++;
    return context;
  }

  /** Use `enter`. */
  constructor() {
    this.image = document.createElement("canvas"); // for what a dish draws, a pixel a cell, from the bottom left
    this.gl = this.image.getContext("webgl2", {
      antialias: false, depth: false, stencil: false, powerPreference: "high-performance",
    });
    if (!this.gl) throw new Error("this browser has no WebGL2");
    this.format = stateFormat(this.gl);
    if (!this.format) {
      this.#drop();
      throw new Error("this GPU cannot draw to float textures");
    }
    // Without this it would never come back.
    this.image.addEventListener("webglcontextlost", (event) => event.preventDefault());
    this.image.addEventListener("webglcontextrestored", () => {
      this.#programs.clear(); // before any dish hears of it: this was here first
      this.losses += 1;
      this.format = stateFormat(this.gl);
    });
  }

  /** Make room for a picture of this size. */
  makeRoom(width, height) {
    if (this.image.width < width) this.image.width = width;
    if (this.image.height < height) this.image.height = height;
  }

  /** A program that runs a fragment shader for every cell: its `handle`, and `at(name)`, the places of its uniforms. */
  program(fragment, vertex = COVER) {
    const { gl } = this;
    const key = vertex + fragment;
    if (this.#programs.has(key)) return this.#programs.get(key);
    const handle = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(handle, shader);
      gl.deleteShader(shader);
    }
    gl.linkProgram(handle);
    if (!gl.getProgramParameter(handle, gl.LINK_STATUS) && !gl.isContextLost()) {
      const logs = gl.getAttachedShaders(handle).map((shader) => gl.getShaderInfoLog(shader));
      const log = [...logs, gl.getProgramInfoLog(handle)].find((text) => text) ?? "";
      gl.deleteProgram(handle);
      throw new Error(`this GPU cannot run the model: ${log.replaceAll("\0", "").trim().split("\n")[0]}`);
    }
    const places = new Map();
    const at = (name) => {
      if (!places.has(name)) places.set(name, gl.getUniformLocation(handle, name));
      return places.get(name);
    };
    this.#programs.set(key, { handle, at });
    return { handle, at };
  }

  /** Give it back; when the last has left, the browser has it again. */
  leave() {
    this.#users--;
    if (this.#users) return;
    shared = null;
    this.#drop();
  }

  #drop() {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}
