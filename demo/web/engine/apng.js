// Animated pictures in colour: APNG (W3C PNG specification, third edition, section 11.3.5).

import { SIGNATURE, big_endian, chunk, joined } from "./png.js";

const RGBA_8_BIT = [8, 6, 0, 0, 0]; // depth, kind, compression, filter, no interlace
const short = (number) => [number >>> 8, number & 255];

// A Blob that plays for ever. frames: ImageData of one size; each is shown for frame_ms, the last for
// hold_ms.
export async function encode_apng(frames, { frame_ms, hold_ms }) {
  const [{ width, height }] = frames,
    size = [...big_endian(width), ...big_endian(height)];
  const parts = [
    ...[SIGNATURE, chunk("IHDR", [...size, ...RGBA_8_BIT])],
    chunk("acTL", [...big_endian(frames.length), ...big_endian(0)]),
  ];
  let sequence = 0;
  for (const [i, frame] of frames.entries()) {
    const ms = i === frames.length - 1 ? hold_ms : frame_ms,
      at = [...Array(8).fill(0)];
    const control = [...size, ...at, ...short(ms), ...short(1000), 0, 0];
    parts.push(chunk("fcTL", [...big_endian(sequence++), ...control]));
    const data = await deflated(frame);
    if (i === 0) parts.push(chunk("IDAT", data));
    else parts.push(chunk("fdAT", joined(big_endian(sequence++), data)));
  }
  return new Blob([...parts.map((part) => Uint8Array.from(part)), chunk("IEND", [])], {
    type: "image/apng",
  });
}

async function deflated({ data, width, height }) {
  const rows = new Uint8Array(height * (4 * width + 1)); // each after the number of its filter: none
  for (let y = 0; y < height; y++)
    rows.set(data.subarray(4 * y * width, 4 * (y + 1) * width), y * (4 * width + 1) + 1);
  const packed = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}
