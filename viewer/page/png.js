// PNG files of any size, written band after band: a canvas holds all pixels at once, and no browser takes one of every
// size. Source: the PNG specification, third edition (W3C).

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const SUB = 1; // filter: each byte less the one of the pixel before

/**
 * @param {number} width
 * @param {number} height
 * @param {AsyncIterable<Uint8ClampedArray>} bands RGBA of whole rows from the top, not multiplied by alpha
 * @param {object} options
 * @param {boolean} options.opaque leaves alpha out
 * @param {(share: number) => void} options.told of the rows that are done
 * @returns {Promise<Blob>} image/png
 */
export async function png(width, height, bands, { opaque = false, told = () => {} } = {}) {
  const channels = opaque ? 3 : 4;
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, opaque ? 2 : 6, 0, 0, 0], 8); // bits, colour type, compression, filters, no interlacing
  const parts = [new Uint8Array(SIGNATURE), ...chunk("IHDR", header)];
  const packing = new CompressionStream("deflate");
  const writing = write(packing.writable.getWriter(), bands, { width, height, channels, told });
  const reading = read(packing.readable.getReader(), parts);
  await Promise.all([writing, reading]);
  parts.push(...chunk("IEND", new Uint8Array(0)));
  return new Blob(parts, { type: "image/png" });
}

async function write(writer, bands, { width, height, channels, told }) {
  try {
    let rows = 0;
    for await (const band of bands) {
      await writer.write(filtered(band, width, channels));
      rows += band.length / (4 * width);
      told(rows / height);
    }
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => {});
    throw error;
  }
}

async function read(reader, parts) {
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    parts.push(...chunk("IDAT", value));
  }
}

/** Rows as they are packed: the filter's number, then the bytes. */
function filtered(band, width, channels) {
  const rows = band.length / (4 * width);
  const bytes = new Uint8Array(rows * (1 + channels * width));
  let to = 0;
  for (let row = 0; row < rows; row++) {
    bytes[to++] = SUB;
    const begin = 4 * row * width;
    for (let at = begin; at < begin + 4 * width; at += 4) {
      for (let channel = 0; channel < channels; channel++) {
        bytes[to++] = band[at + channel] - (at > begin ? band[at + channel - 4] : 0);
      }
    }
  }
  return bytes;
}

function chunk(kind, data) {
  const head = new Uint8Array(8);
  new DataView(head.buffer).setUint32(0, data.length);
  head.set(new TextEncoder().encode(kind), 4);
  const tail = new Uint8Array(4);
  new DataView(tail.buffer).setUint32(0, crc(data, crc(head.subarray(4))));
  return [head, data, tail];
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** CRC-32 of bytes that follow those of another. */
function crc(bytes, before = 0) {
  let value = ~before;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return ~value >>> 0;
}
