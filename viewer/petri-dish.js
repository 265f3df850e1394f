// <petri-dish src="spiral.safetensors">: a pattern alive on any page.
//
// Attributes: src (a model file), size (cells along a side; as trained if left out), seed (decides which cells
// fire), speed (steps a second, 30), fps (pictures a second at most), target (of a model of several: what it is to be, such
// as 🦋; it lives on when that changes), tool (erase, seed, draw or none: what a pointer does; a classifier is drawn on), ground (what lies under a figure:
// a CSS colour, auto for one that it can be seen on; see-through if left out), paused, label, film (a picture in motion
// of a model that browsers cannot compute, shown in its place), mesh (an OBJ or PLY file, for a model of meshes to
// colour), light (flat: a mesh in its plain colours; else a lamp shades it). A mesh is turned by dragging, unless tool says
// otherwise, and then by dragging beside it.
// A texture fills its box, whatever its shape, with `size` cells along the shorter side; other models are square.
// Two fingers zoom in it, and so does a wheel with Ctrl. What a decoder paints has the device's own pixels.
// A classifier has a legend: its buttons drop sample pictures in, and one wipes the drawing away.
// Property: target. Methods: play(), pause(), reset(), clear(). Events: "ready", "error" (its detail is one line).

import { openDish } from "./lib/dish.js";
import { keptGround } from "./lib/ground.js";
import { onGraph } from "./lib/graph.js";
import { brought, readMesh } from "./lib/mesh.js";
import { parseModel } from "./lib/modelfile.js";
import { Obstacle, fillsAnyShape } from "./lib/spec.js";
import { Brush } from "./page/brush.js";
import { Classes } from "./page/classes.js";
import { gridFor } from "./page/full.js";
import { Gestures } from "./page/gestures.js";
import { carryLight } from "./page/light.js";
import { Orbit } from "./page/orbit.js";
import { CHANGING, Pace } from "./page/pace.js";
import { FIRST_SEEN, portrait } from "./page/portrait.js";
import { Sharpness, fitCanvas } from "./page/sharpness.js";
import { View } from "./page/view.js";

// A constructed style sheet, and elements that no text is parsed for: strict Content-Security-Policies let both be.
const STYLE = new CSSStyleSheet();
STYLE.replaceSync(`
  :host { display: inline-grid; place-items: center; position: relative; width: 256px; aspect-ratio: 1;
    container-type: size; }
  :host([hidden]) { display: none; }
  canvas { display: block; width: min(100cqw, 100cqh); aspect-ratio: 1; image-rendering: pixelated; touch-action: none;
    cursor: crosshair; }
  canvas.fine { image-rendering: auto; }
  canvas.turns { cursor: grab; }
  canvas.fills { width: 100cqw; height: 100cqh; aspect-ratio: auto; }
  :host([tool="none"]) canvas { touch-action: auto; cursor: default; }
  .brush { position: absolute; translate: -50% -50%; border: 1px solid #fff; border-radius: 50%;
    mix-blend-mode: difference; pointer-events: none; box-sizing: border-box; }
  [hidden] { display: none; }
  .legend, output { --side: min(100cqw, 100cqh); position: absolute; left: calc(50cqw - var(--side) / 2); }
  .legend { top: calc(50cqh - var(--side) / 2); width: var(--side); display: grid; grid-auto-flow: column;
    grid-auto-columns: 1fr; gap: 1px; }
  .legend[hidden] { display: none; }
  .legend button { position: relative; inset: auto; translate: none; opacity: 1; min-width: 0; overflow: hidden; padding: 8px 1px 6px;
    border: 0; border-radius: 0; background: #000c; color: #bbb; font-size: 12px; text-align: center; }
  .legend i { position: absolute; inset: 0 0 auto; height: 5px; }
  .legend b { position: absolute; left: 0; bottom: 0; height: 3px; }
  .legend [aria-pressed="true"] { color: #fff; font-weight: 700; background: #333c; }
  output:not([hidden]) ~ button { left: auto; right: 8px; translate: none; }
  output { bottom: calc(50cqh - var(--side) / 2); padding: 8px; font: 13px/1.2 system-ui, sans-serif; color: #fff;
    pointer-events: none; }
  button { position: absolute; left: 50%; bottom: 8px; translate: -50% 0; font: 13px/1 system-ui, sans-serif; padding: 8px 10px;
    border: 1px solid; border-radius: 4px; background: Canvas; color: CanvasText; opacity: 0; cursor: pointer; }
  :host(:hover) button, :host(:focus-within) button, :host([paused]) button { opacity: 1; }
  @media (hover: none) { button { opacity: 1; } }
  p { margin: 0; padding: 1em; max-width: 100%; max-height: 100%; box-sizing: border-box; overflow: auto;
    overflow-wrap: anywhere; font: 14px/1.4 system-ui, sans-serif; }
  figure { margin: 0; width: min(100cqw, 100cqh); aspect-ratio: 1; position: relative; }
  figure img { display: block; width: 100%; height: 100%; image-rendering: pixelated; }
  figcaption { position: absolute; inset: auto 0 0; padding: 4px 8px; font: 12px/1.3 system-ui, sans-serif;
    background: color-mix(in srgb, Canvas 85%, transparent); color: CanvasText; }
`);

let turns = 0;

export class PetriDish extends HTMLElement {
  static observedAttributes = [
    "src", "size", "seed", "speed", "fps", "target", "tool", "ground", "paused", "label", "film", "mesh", "light",
  ];

  #canvas = element("canvas", { tabIndex: 0, role: "application" });
  #button = element("button", { type: "button" });
  #error = element("p", { role: "alert", hidden: true });
  #film = element("figure", { hidden: true });
  #legend = element("div", { className: "legend", hidden: true, role: "group", ariaLabel: "Sample pictures" });
  #said = element("output", { hidden: true });
  #classes = new Classes(this.#legend, this.#said, (sample) => this.#look(sample));
  #brush;
  #gestures;
  #dish = null;
  #turn = 0; // only the last source counts
  #seen = true; // in the window
  #watch;
  #box; // watches its size
  #shaping = false; // whether a grid for another box is under way
  #sharpness = new Sharpness();
  #flat = new View(() => this.#pace.request());
  #orbit = new Orbit(() => this.#pace.request(), (x, y) => this.#beside(x, y));
  #view = this.#flat;
  #pace = new Pace({
    step: (...asked) => this.#dish?.step(...asked),
    draw: () => this.#draw(),
    measured: () => {},
  });

  constructor() {
    super();
    const ring = element("div", { className: "brush", hidden: true });
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [STYLE];
    root.append(this.#canvas, ring, this.#legend, this.#said, this.#button, this.#error, this.#film);
    this.#brush = new Brush(this.#canvas, ring, this.#view, (...use) => this.#use(...use));
    this.#gestures = new Gestures(this.#canvas, this.#view, this.#brush, { wheel: false });
    carryLight(this.#canvas, (light) => this.#shine(light));
    this.#button.addEventListener("click", () => (this.hasAttribute("paused") ? this.play() : this.pause()));
    this.#watch = new IntersectionObserver(([entry]) => {
      this.#seen = entry.isIntersecting; // nobody sees it: let it rest
      this.#update();
    });
    this.#box = new ResizeObserver(() => {
      this.#pace.request(); // its pixels are another number
      this.#shape();
    });
  }

  connectedCallback() {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) this.pause();
    this.#watch.observe(this);
    this.#box.observe(this);
    this.#configure();
    this.#load();
  }

  disconnectedCallback() {
    this.#turn = 0;
    this.#watch.disconnect();
    this.#box.disconnect();
    this.#pace.pause();
    this.#dish?.close();
    this.#dish = null;
  }

  attributeChangedCallback(name, before, now) {
    if (!this.#turn || before === now) return; // it has not begun yet
    this.#configure();
    if (["src", "film", "mesh"].includes(name)) this.#load();
    else if (name === "size" || name === "seed") this.reset();
    else if (name === "ground") this.#layGround();
    else if (name === "target") {
      this.#ask();
      if (this.#dish && this.hasAttribute("paused")) this.#growStill(this.#dish.stepNumber);
    }
  }

  /** What a model of several targets is to be, as its label says; "" for the first. */
  get target() {
    return this.getAttribute("target") ?? "";
  }

  set target(label) {
    this.setAttribute("target", label ?? "");
  }

  play() {
    this.removeAttribute("paused");
  }

  pause() {
    this.setAttribute("paused", "");
  }

  /** Begin again from the seed. */
  async reset() {
    if (!this.#dish) return;
    await this.#restart();
    if (this.#dish && this.hasAttribute("paused")) await this.#growStill();
  }

  async #load() {
    const turn = (this.#turn = ++turns);
    this.#say("");
    this.#film.hidden = true;
    try {
      const source = this.getAttribute("src");
      if (!source) throw new Error("petri-dish needs a model: src=\"model.safetensors\"");
      const model = parseModel(await fetchFile(source, "model"));
      if (model.spec.space.kind === "mesh") model.mesh = await this.#mesh(model.res);
      if (turn !== this.#turn) return;
      if (this.#dish && !this.#dish.takes(model)) {
        this.#dish.close();
        this.#dish = null;
      }
      if (this.#dish) {
        await this.#dish.load(model);
        if (turn !== this.#turn) return;
        await this.#restart();
        if (turn !== this.#turn) return;
        this.#lookFirst();
      } else {
        const dish = await openDish(this.#canvas, model, { ...this.#grid(model), seed: this.#seed() });
        if (turn !== this.#turn) {
          dish.close();
          return;
        }
        this.#dish = dish;
        this.#view = onGraph(model.spec) ? this.#orbit : this.#flat;
        dish.view = this.#brush.view = this.#gestures.view = this.#view;
        this.#lookFirst();
        dish.ground = null; // what lies under a figure is the canvas's own background
        dish.onrestored = () => {
          if (this.hasAttribute("paused")) this.#growStill();
          this.#pace.request();
        };
        this.#ask();
        this.#fit();
      }
      this.#classes.list(model);
      if (model.classes.length) this.#offerClear();
      this.#configure(); // the label may be the model's
      this.#layGround();
      if (this.hasAttribute("paused")) await this.#growStill();
      this.#update();
      this.dispatchEvent(new Event("ready"));
    } catch (error) {
      if (turn !== this.#turn) return;
      if (error instanceof Obstacle && this.hasAttribute("film")) {
        this.#showFilm(error.message);
        return;
      }
      this.#say(error.message);
      this.dispatchEvent(new CustomEvent("error", { detail: error.message }));
    }
  }

  /** The mesh that is to be coloured. */
  async #mesh(vertices) {
    const source = this.getAttribute("mesh");
    if (!source) {
      throw new Error('the model colours a mesh, and petri-dish has none: mesh="coloured.ply", or of a texture "worn.ply"');
    }
    return brought(readMesh(await fetchFile(source, "mesh")), vertices);
  }

  #beside(x, y) {
    const [width, height] = this.#dish.sides;
    return this.#dish.under(x * width, y * height) === null;
  }

  /** Show the film in place of the dish, and beneath it why there is none. */
  #showFilm(reason) {
    const picture = element("img", { src: this.getAttribute("film"), alt: this.getAttribute("label") ?? "A film" });
    this.#film.replaceChildren(picture, element("figcaption", { textContent: `A film: ${reason}.` }));
    this.#film.hidden = false;
    this.#canvas.hidden = this.#button.hidden = true;
    this.#classes.list({ classes: [], samples: [] });
    this.dispatchEvent(new Event("ready"));
  }

  async #restart() {
    const dish = this.#dish;
    const { width, height } = this.#grid(dish.model);
    if (width !== dish.width || height !== dish.height) await dish.resize(width, height);
    if (dish !== this.#dish) return;
    dish.reset({ seed: this.#seed() });
    if (!dish.lookedAt) this.#lookFirst(); // what the visitor has drawn stays
    this.#ask();
    this.#fit();
  }

  /** Move the light of a material, or, with null, far away. */
  #shine(light) {
    if (!this.#dish?.spec.decoder?.maps.length) return;
    this.#dish.light = light;
    this.#pace.request();
  }

  async #draw() {
    const dish = this.#dish;
    if (!dish) return;
    this.#canvas.classList.toggle("fine", fitCanvas(this.#canvas, dish));
    await this.#sharpness.draw(dish, this.#pace);
    if (dish === this.#dish) await this.#classes.look(dish);
    if (dish === this.#dish) await this.#sharpness.refine(dish, this.#pace);
  }

  /** Grow to the end at once: what stands still is to show something. */
  async #growStill(from = 0) {
    const dish = this.#dish;
    const { model } = dish;
    const steps = from ? CHANGING * model.steps : model.steps;
    await dish.grow(from + steps, () => {
      return dish === this.#dish && model === dish.model && this.hasAttribute("paused");
    });
    this.#pace.request();
  }

  #configure() {
    this.#pace.speed = this.#number("speed", 1, 1000) ?? 30;
    this.#pace.frames = this.#number("fps", 1, 1000) ?? Infinity;
    const draws = this.#dish?.model.classes.length > 0;
    const turns = this.#view === this.#orbit;
    this.#brush.tool = this.getAttribute("tool") ?? (draws ? "draw" : turns ? "turn" : "erase");
    this.#canvas.classList.toggle("turns", this.#brush.tool === "turn");
    if (this.#dish) this.#dish.lit = this.getAttribute("light") !== "flat";
    this.#brush.reach = draws ? "small" : "medium";
    const name = this.#dish ? `Dish with ${this.#dish.model.name}` : "Dish";
    this.#canvas.setAttribute("aria-label", this.getAttribute("label") ?? name);
    this.#update();
  }

  #update() {
    const paused = this.hasAttribute("paused");
    this.#button.textContent = paused ? "Play" : "Pause";
    if (!paused && this.#seen && this.#dish) this.#pace.play();
    else this.#pace.pause();
    this.#pace.request();
  }

  /** Be what the attribute asks for: the world changes, and the state lives on. */
  #ask() {
    const dish = this.#dish;
    const labels = dish?.model.conditions ?? [];
    const asked = this.target;
    const found = asked ? labels.findIndex((label) => label === asked || label === asked.slice(asked.indexOf(":") + 1)) : 0;
    if (!dish || (!asked && !labels.length)) return;
    if (found < 0) {
      const known = labels.length ? `it knows ${labels.join(", ")}` : "it knows no targets";
      this.dispatchEvent(new CustomEvent("error", { detail: `the model cannot be ${asked}: ${known}` }));
      return;
    }
    dish.setCondition(found);
    this.#pace.request();
  }

  /** Give a texture the grid that its box has room for; it lives on. */
  async #shape() {
    const dish = this.#dish;
    if (!dish || this.#shaping || !fillsAnyShape(dish.spec)) return;
    this.#shaping = true;
    try {
      for (;;) {
        const { width, height } = this.#grid(dish.model);
        if (dish !== this.#dish || (width === dish.width && height === dish.height)) return;
        await dish.reshape(width, height);
        if (dish === this.#dish) this.#fit();
      }
    } finally {
      this.#shaping = false;
    }
  }

  #fit() {
    const [width, height] = this.#dish.sides;
    this.#canvas.classList.toggle("fills", fillsAnyShape(this.#dish.spec));
    this.#brush.setCells(width, height);
    this.#view.cells = Math.max(width, height);
    fitCanvas(this.#canvas, this.#dish);
    this.#pace.request();
  }

  /** Lay under a figure what it is to be seen on; a plane hides it. */
  async #layGround() {
    const ground = this.getAttribute("ground") ?? "";
    const { style } = this.#canvas;
    style.backgroundColor = ""; // also what an attribute that is no colour leaves
    if (ground !== "auto") {
      style.backgroundColor = ground;
      return;
    }
    const model = this.#dish?.model;
    if (!model) return;
    let colour = keptGround(model.training);
    try {
      colour ??= (await portrait(model)).ground;
    } catch {
      // There is no room for a second one: see-through.
    }
    if (model === this.#dish?.model && this.getAttribute("ground") === "auto") style.backgroundColor = colour ?? "";
  }


  /** Put a picture under the cells of a classifier, or none; they live on. */
  #look({ width, height, values } = {}) {
    const dish = this.#dish;
    if (!dish) return;
    if (!values) dish.setFixed(new Float32Array(dish.spec.fixed * dish.width * dish.height));
    else if (width === dish.width && height === dish.height) dish.setFixed(values);
    this.#pace.request();
    if (this.hasAttribute("paused")) this.#growStill(dish.stepNumber);
  }

  #lookFirst() {
    const { samples } = this.#dish.model;
    if (samples.length) this.#look(samples[Math.min(FIRST_SEEN, samples.length - 1)]);
  }

  /** Wipe away what a classifier looks at. */
  clear() {
    if (this.#dish?.model.classes.length) this.#look();
  }

  #offerClear() {
    const button = element("button", { type: "button", textContent: "×", title: "Clear", ariaLabel: "Clear" });
    button.addEventListener("click", () => this.clear());
    this.#legend.append(button);
  }

  #use(tool, x, y, radius) {
    if (this.#dish?.model.classes.length) {
      if (tool !== "none") this.#dish.drawPicture(x, y, radius, tool === "erase");
    } else if (tool === "seed") this.#dish?.plant(x, y);
    else if (tool === "erase") this.#dish?.erase(x, y, radius);
    this.#pace.request();
  }

  #say(text) {
    this.#error.textContent = text;
    this.#error.hidden = !text;
    this.#canvas.hidden = this.#button.hidden = Boolean(text);
    if (text) this.#classes.list({ classes: [], samples: [] });
  }

  #side(model) {
    return (model.classes.length ? null : this.#number("size", 8, 1024)) ?? model.res; // pictures have their size
  }

  #grid(model) {
    const side = this.#side(model);
    const { clientWidth: width, clientHeight: height } = this;
    if (onGraph(model.spec)) return { width: side, height: 1 };
    if (!fillsAnyShape(model.spec) || !width || !height) return { width: side, height: side };
    return gridFor({ width, height }, Math.min(width, height) / side);
  }

  #seed() {
    return this.#number("seed", 0, 2 ** 32 - 1) ?? 0;
  }

  /** An attribute that is a whole number in a range; null if it is none. */
  #number(name, low, high) {
    const text = this.getAttribute(name) ?? "";
    const value = Number(text);
    return /^\d{1,10}$/.test(text) && value >= low && value <= high ? value : null;
  }
}

function element(kind, properties) {
  return Object.assign(document.createElement(kind), properties);
}

async function fetchFile(source, what) {
  const answer = await fetch(source).catch(() => null);
  if (answer?.ok) return answer.arrayBuffer();
  if (element("a", { href: source }).protocol === "file:") {
    throw new Error(
      `a browser reads no ${what} from a disk: run \`python3 -m http.server\` in this folder ` +
        "and open this page from http://localhost:8000",
    );
  }
  throw new Error(`the ${what} cannot be loaded${answer ? `: ${answer.status}` : ""}`);
}

if (!customElements.get("petri-dish")) customElements.define("petri-dish", PetriDish);
