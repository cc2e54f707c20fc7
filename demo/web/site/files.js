// A worker that makes the files of a run: the page goes on meanwhile. A message is {id, frames,
// side, gif, png}: the pictures of all steps, and for each file {scale, settings, ...}. The answer
// is {id, gif, png}, Blobs, or {id, error}.

import { GIFEncoder } from "../packages/gifenc.js";
import { encode_png } from "../engine/png.js";

const GREYS = Array.from({ length: 256 }, (_, grey) => [grey, grey, grey]);
const BEFORE_COMMENT = 6 + 7 + 3 * 256; // signature, screen, palette

addEventListener("message", async ({ data: { id, frames, side, gif, png } }) => {
  try {
    const last = enlarge(frames.at(-1), side, png.scale);
    const picture = await encode_png(last, side * png.scale, written(png.settings));
    postMessage({
      id,
      gif: new Blob([encode_gif(frames, side, gif)], { type: "image/gif" }),
      png: new Blob([picture], { type: "image/png" }),
    });
  } catch (error) {
    postMessage({ id, error: String(error) });
  }
});

// Endless, with the settings in a comment: what ldm_core/files/gif.py writes, in a few more bytes.
function encode_gif(frames, side, { scale, settings }) {
  const gif = GIFEncoder();
  frames.forEach((frame, i) => {
    const is_last = i === frames.length - 1;
    const delay = is_last ? settings.hold_ms : settings.frame_ms;
    const palette = i ? null : GREYS;
    gif.writeFrame(enlarge(frame, side, scale), side * scale, side * scale, { palette, delay });
  });
  gif.finish();
  const bytes = gif.bytes();
  return new Blob([
    bytes.subarray(0, BEFORE_COMMENT),
    comment(written(settings)),
    bytes.subarray(BEFORE_COMMENT),
  ]);
}

// GIF89a specification, section 24: parts of up to 255 bytes, each after its length.
function comment(text) {
  const bytes = new TextEncoder().encode(text);
  const parts = [0x21, 0xfe];
  for (let at = 0; at < bytes.length; at += 255) {
    const part = bytes.subarray(at, at + 255);
    parts.push(part.length, ...part);
  }
  return Uint8Array.from([...parts, 0]);
}

// Each pixel becomes a square of scale x scale.
function enlarge(pixels, side, scale) {
  const wide = side * scale;
  return Uint8Array.from({ length: wide * wide }, (_, i) => {
    const [x, y] = [i % wide, Math.floor(i / wide)];
    return pixels[Math.floor(y / scale) * side + Math.floor(x / scale)];
  });
}

// JSON in ASCII letters, as Python writes it.
function written(settings) {
  const escaped = (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(settings).replace(/[^\0-~]/g, escaped);
}
