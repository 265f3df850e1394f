// A picture of the visitor's own, as a classifier sees it. As petri/datasets/own.py.

const EMPTY = 0.1; // what is not brighter is no part of an object
const INK = 0.5; // mean brightness of what is to be seen below which it is ink, or of an edge above which it is paper
const SHADED = 0.98; // share of a grey ground's edge that is no brighter than what is taken for black
const LARGEST = 1024; // pixels along the longer side that are looked at

/**
 * Read a picture as fixed planes.
 * @param {Blob & {name: string}} file that the browser reads as a picture
 * @param {{width: number, height: number, spec: {fixed: number}}} dish that it is made to fit, on black
 * @returns {Promise<{width: number, height: number, values: Float32Array, notes: string[]}>} the planes, in 0..1, and what
 *   was done to it, in words
 * @throws {Error} one line: no picture, or one in which there is nothing
 */
export async function ownPicture(file, { width, height, spec }) {
  const { across, down, pixels } = await decode(file);
  const planes = spec.fixed === 1 ? [grey(pixels)] : [0, 1, 2].map((plane) => part(pixels, plane));
  const notes = [];
  if (spec.fixed === 1) {
    if (isInk(planes[0], pixels, across, down)) {
      planes[0] = planes[0].map((value, i) => alphaOf(pixels, i) * (1 - value));
      notes.push("inverted, as it is dark on bright");
    } else planes[0] = planes[0].map((value, i) => alphaOf(pixels, i) * value);
    if (laidOnBlack(planes[0], across, down)) notes.push("what is no brighter than its edge is left out");
  }
  if (across !== width || down !== height) notes.push(`made ${width} × ${height}`);
  const values = new Float32Array(spec.fixed * width * height);
  planes.forEach((plane, number) => fit(plane, across, down, values.subarray(number * width * height), width, height));
  if (!values.some((value) => value > EMPTY)) throw new Error(`there is nothing in ${file.name}: no part of it differs from its ground`);
  return { width, height, values, notes };
}

/** The pixels of a picture, RGBA, turned as it was taken; of a large one fewer. */
async function decode(file) {
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} is no picture that this browser reads`);
  }
  const share = Math.min(1, LARGEST / Math.max(image.width, image.height));
  const [across, down] = [image.width, image.height].map((side) => Math.max(1, Math.round(side * share)));
  const context = Object.assign(document.createElement("canvas"), { width: across, height: down }).getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, across, down);
  image.close();
  return { across, down, pixels: context.getImageData(0, 0, across, down).data };
}

const alphaOf = (pixels, i) => pixels[4 * i + 3] / 255;

function grey(pixels) {
  return Float32Array.from({ length: pixels.length / 4 }, (_, i) => {
    return (0.299 * pixels[4 * i] + 0.587 * pixels[4 * i + 1] + 0.114 * pixels[4 * i + 2]) / 255;
  });
}

/** One of the colours, on black. */
function part(pixels, plane) {
  return Float32Array.from({ length: pixels.length / 4 }, (_, i) => (pixels[4 * i + plane] / 255) * alphaOf(pixels, i));
}

/**
 * Whether a picture is of something dark: on a bright edge or, if it is see-through, on whatever. Of a darker edge, as of
 * paper in poor light, something goes further below it than anything above it.
 */
function isInk(plane, pixels, across, down) {
  const alphas = plane.map((_, i) => alphaOf(pixels, i));
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  if (alphas.some((alpha) => alpha < 1)) return sum(plane.map((value, i) => value * alphas[i])) < INK * sum(alphas);
  const along = edgeOf(plane, across, down);
  const edge = sum(along) / along.length;
  const [least, most] = plane.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [1, 0]);
  return edge > INK || edge - least > most - edge;
}

/** Leave out what is no brighter than a picture's edge, if its ground is not black; false if it is. */
function laidOnBlack(plane, across, down) {
  const edge = edgeOf(plane, across, down).sort();
  if (quantile(edge, 0.5) <= EMPTY) return false;
  const ground = quantile(edge, SHADED);
  const top = plane.reduce((most, value) => Math.max(most, value), 0);
  const scale = top - ground > EMPTY ? 1 / (top - ground) : 0;
  plane.forEach((value, i) => (plane[i] = Math.max(0, value - ground) * scale));
  return true;
}

function quantile(sorted, share) {
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)];
  return below + (at % 1) * (sorted[Math.ceil(at)] - below);
}

function edgeOf(plane, across, down) {
  const last = across * (down - 1);
  return Float32Array.from([
    ...plane.subarray(0, across), ...plane.subarray(last),
    ...Array.from({ length: down }, (_, row) => [plane[row * across], plane[row * across + across - 1]]).flat(),
  ]);
}

/** Put a plane into the middle of another, as large as it fits. */
function fit(plane, across, down, into, width, height) {
  const share = Math.min(width / across, height / down);
  const [columns, rows] = [across, down].map((side) => Math.max(1, Math.round(side * share)));
  const [left, top] = [Math.floor((width - columns) / 2), Math.floor((height - rows) / 2)];
  const kernel = share < 1 ? BOX : BICUBIC;
  const wide = resampled(plane, { lines: down, from: across, to: columns, kernel });
  const tall = resampled(turned(wide, columns, down), { lines: columns, from: down, to: rows, kernel });
  turned(tall, rows, columns).forEach((value, i) => {
    into[(top + Math.floor(i / columns)) * width + left + (i % columns)] = value;
  });
}

// What a pixel takes of those around it, by their distance in pixels of the coarser picture, as Pillow's filters have it.
const BOX = { radius: 0.5, weigh: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) };
const BICUBIC = {
  radius: 2,
  weigh: (x) => {
    const far = Math.abs(x);
    if (far < 1) return (1.5 * far - 2.5) * far * far + 1;
    return far < 2 ? ((-0.5 * far + 2.5) * far - 4) * far + 2 : 0;
  },
};

/** A picture whose lines have another length. */
function resampled(plane, { lines, from, to, kernel }) {
  if (from === to) return plane;
  const coarse = Math.max(1, from / to);
  const made = new Float32Array(lines * to);
  for (let at = 0; at < to; at++) {
    const centre = ((at + 0.5) * from) / to;
    const first = Math.max(0, Math.floor(centre - kernel.radius * coarse + 0.5));
    const last = Math.min(from, Math.floor(centre + kernel.radius * coarse + 0.5));
    const weights = Array.from({ length: last - first }, (_, i) => kernel.weigh((first + i - centre + 0.5) / coarse));
    const whole = weights.reduce((total, weight) => total + weight, 0);
    for (let line = 0; line < lines; line++) {
      const sum = weights.reduce((total, weight, i) => total + weight * plane[line * from + first + i], 0);
      made[line * to + at] = Math.min(1, Math.max(0, sum / whole));
    }
  }
  return made;
}

/** Columns as lines. */
function turned(plane, across, down) {
  return plane.map((_, i) => plane[(i % down) * across + Math.floor(i / down)]);
}
