// Files of pictures with their settings inside, and the way back; as in ldm_core/files/.

import { GIFEncoder } from "../packages/gifenc.js";
import { encode_png } from "./png.js";
import { grid_frames } from "./grid_picture.js";

const GREYS = Array.from({ length: 256 }, (_, grey) => [grey, grey, grey]);
const BEFORE_COMMENT = 6 + 7 + 3 * 256; // signature, screen, palette

// A Blob. format: "gif", or "png" of the last frame. frames: planes {greys, width, height} of one
// size, or with titles those of `grid_frames`. A frame is shown for
// frame_ms, the last for hold_ms.
export async function make_file({ format, frames, titles = null, scale, settings, ...times }) {
  const planes = titles ? grid_frames(frames, titles) : frames;
  const text = written(settings), { width } = planes[0];
  if (format === "gif") return new Blob(gif(planes, scale, text, times), { type: "image/gif" });
  const last = enlarge(planes.at(-1), scale);
  const bytes = await encode_png(last, width * scale, text);
  return new Blob([bytes], { type: "image/png" });
}

// Endless, with the settings in a comment: what ldm_core/files/gif.py writes, in a few more bytes.
function gif(frames, scale, text, { frame_ms, hold_ms }) {
  const encoder = GIFEncoder();
  frames.forEach((frame, i) => {
    const delay = i === frames.length - 1 ? hold_ms : frame_ms, palette = i ? null : GREYS;
    const [width, height] = [frame.width * scale, frame.height * scale];
    encoder.writeFrame(enlarge(frame, scale), width, height, { palette, delay });
  });
  encoder.finish();
  const bytes = encoder.bytes();
  return [bytes.subarray(0, BEFORE_COMMENT), comment(text), bytes.subarray(BEFORE_COMMENT)];
}

// GIF89a specification, section 24: parts of up to 255 bytes, each after its length.
function comment(text) {
  const bytes = new TextEncoder().encode(text), parts = [0x21, 0xfe];
  for (let at = 0; at < bytes.length; at += 255) {
    const part = bytes.subarray(at, at + 255);
    parts.push(part.length, ...part);
  }
  return Uint8Array.from([...parts, 0]);
}

// Each pixel becomes a square of scale x scale.
function enlarge({ greys, width }, scale) {
  const wide = width * scale;
  return Uint8Array.from({ length: greys.length * scale ** 2 }, (_, i) => {
    const [x, y] = [i % wide, Math.floor(i / wide)];
    return greys[Math.floor(y / scale) * width + Math.floor(x / scale)];
  });
}

// JSON in ASCII letters, as Python writes it.
function written(settings) {
  const escaped = (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(settings).replace(/[^\0-~]/g, escaped);
}
