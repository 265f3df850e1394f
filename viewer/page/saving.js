// Pictures and videos of the dish.

import { openDish } from "../lib/dish.js";
import { png } from "./png.js";
import { webm } from "./webm.js";

const SIDE = 512; // pixels, about; each cell is drawn as a whole number of them
const FINE = 1080; // pixels along a side, at most, of a copy of finer ones
const RATE = 30; // frames a second, at most
const CODECS = [
  { config: "vp09.00.41.08", name: "V_VP9" },
  { config: "vp8", name: "V_VP8" },
];
const KEY_EVERY = 60; // frames
const QUEUE = 8; // frames that the encoder may be behind
const LONGEST = 10_000; // frames: they are kept in memory until the end

/**
 * How large a copy of the dish is: each cell a square of whole pixels, or, where the canvas has the device's own pixels,
 * as many, within bounds.
 */
function sizeOf(canvas, cells) {
  const fine = canvas.width !== cells.width || canvas.height !== cells.height;
  const zoom = fine
    ? Math.min(1, FINE / Math.max(canvas.width, canvas.height))
    : Math.max(1, Math.round(SIDE / Math.max(cells.width, cells.height)));
  return { fine, width: Math.round(canvas.width * zoom), height: Math.round(canvas.height * zoom) };
}

/** Copy the dish; over a colour, or see-through where the dish is. */
function copied(canvas, { width, height, fine }, under = null) {
  // Encoders want even sides.
  const even = (side) => Math.ceil(side / 2) * 2;
  const copy = Object.assign(document.createElement("canvas"), { width: even(width), height: even(height) });
  const pen = copy.getContext("2d");
  pen.imageSmoothingEnabled = fine;
  if (under) {
    pen.fillStyle = under;
    pen.fillRect(0, 0, copy.width, copy.height);
  }
  pen.drawImage(canvas, 0, 0, width, height);
  return copy;
}

/** A PNG of what the canvas shows; it must have been drawn in this very task. */
export function picture(canvas, cells) {
  const copy = copied(canvas, sizeOf(canvas, cells));
  return new Promise((resolve, reject) => {
    copy.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture could not be made"))), "image/png");
  });
}

/**
 * A PNG of what a decoder paints of what is seen, while the dish lives on.
 * @param {Dish} dish
 * @param {number} pixels along its longer side
 * @param {(share: number) => void} told how much of it is done
 */
export async function paintedPicture(dish, pixels, told) {
  const { model, width, height, ground, map, light, view, seed, engine } = dish;
  const still = await openDish(document.createElement("canvas"), model, { width, height, seed, engine });
  try {
    const { left, top, span } = view;
    still.write(await dish.read());
    Object.assign(still, { ground, map, light, view: { left, top, span } });
    const scale = pixels / Math.max(width, height);
    const [across, down] = [width, height].map((side) => Math.max(1, Math.round(scale * side)));
    return await png(across, down, still.bands(across, down), { opaque: ground !== null || !model.spec.living, told });
  } finally {
    still.close();
  }
}

/** Why no video can be made here; empty if it can. */
export function obstacle() {
  if (typeof VideoEncoder === "function") return "";
  return window.isSecureContext
    ? "this browser cannot encode video"
    : "a browser encodes video only on pages that come over https or from this machine";
}

/** A video at a fixed rate: one frame for every so many steps, however long they take to compute. */
export class Recording {
  /**
   * @param {{width: number, height: number}} cells
   * @param {number} speed steps a second that the video shows.
   */
  constructor(cells, speed) {
    this.cells = cells;
    this.rate = Math.min(RATE, speed);
    this.every = Math.max(1, Math.round(speed / this.rate)); // steps a frame
    this.frames = [];
    this.count = 0;
    this.failure = null;
  }

  /** Choose a codec and begin; throws an Error of one line. */
  async begin(canvas) {
    this.size = sizeOf(canvas, this.cells);
    const { width, height } = copied(canvas, this.size);
    this.encoder = new VideoEncoder({
      output: (chunk) => {
        const data = new Uint8Array(chunk.byteLength);
        chunk.copyTo(data);
        this.frames.push({ data, time: chunk.timestamp / 1000, key: chunk.type === "key" });
      },
      error: (error) => {
        this.failure = error;
      },
    });
    for (const { config, name } of CODECS) {
      const wanted = { codec: config, width, height, bitrate: Math.max(6e6, 8 * width * height), framerate: this.rate };
      if (!(await VideoEncoder.isConfigSupported(wanted)).supported) continue;
      this.encoder.configure(wanted);
      Object.assign(this, { codec: name, width, height });
      return;
    }
    throw new Error("this browser has no encoder for WebM");
  }

  /** Whether the next frame can be taken now. */
  get ready() {
    return this.encoder.encodeQueueSize < QUEUE;
  }

  get full() {
    return this.count >= LONGEST || this.failure !== null;
  }

  get seconds() {
    return this.count / this.rate;
  }

  /** Take what the canvas shows as the next frame; it must have been drawn in this very task. */
  add(canvas) {
    if (this.failure) return;
    const paper = getComputedStyle(document.body).backgroundColor; // what a see-through dish lies on
    const frame = new VideoFrame(copied(canvas, this.size, paper), {
      timestamp: Math.round((1e6 * this.count) / this.rate),
      duration: Math.round(1e6 / this.rate),
    });
    this.encoder.encode(frame, { keyFrame: this.count % KEY_EVERY === 0 });
    frame.close();
    this.count += 1;
  }

  /** Finish; the Blob is video/webm. */
  async end() {
    if (!this.failure) await this.encoder.flush();
    if (this.encoder.state !== "closed") this.encoder.close();
    if (this.failure) throw new Error(`the video could not be encoded: ${this.failure.message}`);
    const { width, height, codec } = this;
    return webm(this.frames, { width, height, codec, duration: 1000 * this.seconds });
  }
}

/** Give the visitor a file. */
export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** A file name from a model's: letters that every system takes. */
export function fileName(name, ending) {
  const plain = name.normalize("NFKD").replace(/[^\w-]+/g, "-").replace(/^-+|-+$/g, "");
  return `${plain.slice(0, 60) || "petri"}.${ending}`;
}
