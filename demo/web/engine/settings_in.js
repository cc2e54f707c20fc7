// Settings inside files, from the place where each format keeps a comment; as in
// ldm_core/files/metadata.py.

import { InputError } from "./checks.js";

const KEYWORD = "Comment";

// The settings in a GIF or PNG that this system made. Throws InputError, which calls the file by name.
export function settings_in(bytes, name) {
  try {
    const text = bytes[0] === 0x47 ? gif_comment(bytes) : png_text(bytes);
    return Object.fromEntries(Object.entries(JSON.parse(new TextDecoder().decode(text))));
  } catch {
    const read = "This page reads GIF and PNG.";
    throw new InputError(`${name} holds no settings: it was not written by this program. ${read}`);
  }
}

// GIF89a specification, sections 18 to 26: the comment comes before the first picture.
function gif_comment(bytes) {
  let at = 13 + 3 * 2 ** ((bytes[10] & 7) + 1);
  while (bytes[at] === 0x21) {
    const is_comment = bytes[at + 1] === 0xfe, parts = [];
    for (at += 2; bytes[at]; at += 1 + bytes[at])
      parts.push(...bytes.subarray(at + 1, at + 1 + bytes[at]));
    at += 1;
    if (is_comment) return Uint8Array.from(parts);
  }
}

// PNG specification, sections 5.3 and 11.3.3.
function png_text(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const ascii = (from, length) => String.fromCharCode(...bytes.subarray(from, from + length));
  for (let at = 8; at < bytes.length; at += 12 + view.getUint32(at)) {
    const length = view.getUint32(at), begin = at + 8 + KEYWORD.length + 1;
    if (ascii(at + 4, 4) === "tEXt" && ascii(at + 8, KEYWORD.length + 1) === `${KEYWORD}\0`)
      return bytes.subarray(begin, at + 8 + length);
  }
}
