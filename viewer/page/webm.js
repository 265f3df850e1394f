// A WebM file from encoded frames, each with the time it is to be shown: the rate is that of the steps, not of
// the machine that computed them. Source: the WebM container guidelines and RFC 8794 (EBML), RFC 9559 (Matroska).

const CLUSTER = 30_000; // milliseconds; a block's time within its cluster is a signed 16-bit number

/**
 * @param {{data: Uint8Array, time: number, key: boolean}[]} frames time in milliseconds, rising.
 * @param {{width: number, height: number, codec: "V_VP8"|"V_VP9", duration: number}} video duration in milliseconds.
 * @returns {Blob} video/webm.
 */
export function webm(frames, { width, height, codec, duration }) {
  const clusters = [];
  for (const frame of frames) {
    const last = clusters.at(-1);
    if (!last || frame.key || frame.time - last.time > CLUSTER) clusters.push({ time: frame.time, frames: [frame] });
    else last.frames.push(frame);
  }
  const blocks = clusters.map((cluster) =>
    element(0x1f43b675, [
      element(0xe7, whole(cluster.time)),
      ...cluster.frames.map((frame) => element(0xa3, block(frame, cluster.time))),
    ]),
  );
  const head = [
    element(0x1549a966, [
      element(0x2ad7b1, whole(1_000_000)), // nanoseconds a unit of time
      element(0x4489, float(duration)),
      element(0x4d80, text("petri")),
      element(0x5741, text("petri")),
    ]),
    element(0x1654ae6b, [
      element(0xae, [
        element(0xd7, whole(1)),
        element(0x73c5, whole(1)),
        element(0x83, whole(1)), // video
        element(0x86, text(codec)),
        element(0xe0, [element(0xb0, whole(width)), element(0xba, whole(height))]),
      ]),
    ]),
  ];
  // The index names each cluster's place; its own size does not depend on what it says.
  const index = (first) => {
    let place = first;
    return element(0x1c53bb6b, clusters.map((cluster, number) => {
      const point = [
        element(0xb3, whole(cluster.time)),
        element(0xb7, [element(0xf7, whole(1)), element(0xf1, whole(place))]),
      ];
      place += size(blocks[number]);
      return element(0xbb, point);
    }));
  };
  const before = size(head);
  const segment = [...head, index(before + size(index(0))), ...blocks];
  const header = element(0x1a45dfa3, [
    element(0x4286, whole(1)),
    element(0x42f7, whole(1)),
    element(0x42f2, whole(4)),
    element(0x42f3, whole(8)),
    element(0x4282, text("webm")),
    element(0x4287, whole(4)),
    element(0x4285, whole(2)),
  ]);
  return new Blob([header, element(0x18538067, segment)].flat(Infinity), { type: "video/webm" });
}

// An element is nested lists of byte arrays, joined only once, by the Blob.

function element(id, content) {
  const letters = [];
  for (let rest = id; rest > 0; rest = Math.floor(rest / 256)) letters.unshift(rest % 256);
  const length = whole(size(content));
  length[0] = 0x01; // an 8-byte size
  return [new Uint8Array(letters), length, content];
}

function block({ data, time, key }, start) {
  const offset = Math.round(time) - Math.round(start);
  return [new Uint8Array([0x81, offset >> 8, offset & 255, key ? 0x80 : 0]), data];
}

function size(parts) {
  return parts instanceof Uint8Array ? parts.length : parts.reduce((sum, part) => sum + size(part), 0);
}

function whole(value) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(Math.round(value)));
  return bytes;
}

function float(value) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return bytes;
}

function text(letters) {
  return new TextEncoder().encode(letters);
}
