// From a file back to the request that made it; as `opened` in demo/reproduce.py.

import { InputError, brief } from "./checks.js";

const KEYWORD = "Comment\0"; // as in ldm_core/files/metadata.py

// {tab, settings, show, said} of the bytes of a GIF or PNG that this system made: the tab alone, if it
// is not Watch. show: {format, show, scale, frame_ms}. said: what there is to say of it. Throws
// InputError for a file without settings, or that cannot be drawn here.
export function opened(requests, bytes, name) {
  const { weights, compare, morph, ...stored } = settings_in(bytes, name);
  const tab = compare ? "compare" : morph ? "morph" : stored.start_from ? "draw" : "watch";
  if (tab !== "watch") return { tab };
  const { about } = requests, said = [`${name} is opened.`], names = about.requests.denoise;
  const given = Object.fromEntries(names.map((one) => [one, stored[one] ?? null]));
  if (!given.prompt) // of a range of labels the first, or the first class
    given.label = stored.label?.replace(/^(\d+)-\d+$/, "$1") ?? about.labels[0];
  const known = Object.entries(given).filter(([, value]) => value !== null);
  let settings;
  try {
    settings = requests.check(Object.fromEntries(known)).settings();
  } catch (error) {
    throw new InputError(`${name} cannot be opened here. ${error.message}`);
  }
  const format = stored.strip ? "strip" : /\.gif$/i.test(name) ? "gif" : "png";
  const show = { format, show: stored.show, scale: stored.scale, frame_ms: stored.frame_ms };
  if (stored.count !== 1) said.push("Of its images, this is the first.");
  const others = Object.keys(about.defaults).filter(
    (one) => !names.includes(one) && brief(stored[one]) !== brief(about.defaults[one]),
  );
  const words = others.map((one) => `${one.replaceAll("_", " ")} ${stored[one]}`).join(" and ");
  if (words) said.push(`The page has no control for ${words}, so the picture is not the same.`);
  if (weights !== about.stored.weights)
    said.push("It was made with other weights, so the picture is not the same.");
  return { tab, settings, show, said: said.join(" ") };
}

function settings_in(bytes, name) {
  try {
    const text = bytes[0] === 0x47 ? gif_comment(bytes) : png_text(bytes);
    return { ...JSON.parse(new TextDecoder().decode(text)) };
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
    const begin = at + 8 + KEYWORD.length, end = at + 8 + view.getUint32(at);
    if (ascii(at + 4, 4 + KEYWORD.length) === `tEXt${KEYWORD}`) return bytes.subarray(begin, end);
  }
}
