// From a file back to the request that made it. Both pages read all files of theirs here.

import { InputError } from "./engine/checks.js";
import { weights_by } from "./engine/samplers.js";

const KEYWORD = "tEXtComment\0"; // of a PNG, as in ldm_core/files/metadata.py
const ENDING = /\.(gif|webp|mp4|apng)$/i;

// {tab, settings, show, said} of a file that this system made: the tab alone, if it is not Watch.
// show: {format, show, scale, frame_ms}. said: what there is to say of it. Throws InputError for a file
// without settings, or that cannot be drawn here.
export async function opened(engine, about, file) {
  const { name } = file, bytes = new Uint8Array(await file.arrayBuffer());
  const { weights, compare, morph, ...stored } = settings_in(bytes, name);
  const tab = compare ? "compare" : morph ? "morph" : stored.start_from ? "draw" : "watch";
  if (tab !== "watch") return { tab };
  const said = [`${name} is opened.`], names = about.requests.denoise;
  const given = Object.fromEntries(names.map((one) => [one, stored[one] ?? null]));
  if (stored.prompt === "") given.label = about.labels.at(-1);
  else if (!given.prompt) // of a range of labels the first, or the first class
    given.label = stored.label?.replace(/^(\d+)-\d+$/, "$1") ?? about.labels[0];
  const known = Object.entries(given).filter(([, value]) => value !== null);
  const request = Object.fromEntries(known);
  const { settings } = await engine.check("denoise", request).catch((error) => {
    if (error.name !== "InputError") throw error;
    throw new InputError(`${name} cannot be opened here. ${error.message}`);
  });
  const format = stored.strip ? "strip" : (ENDING.exec(name)?.[1].toLowerCase() ?? "png");
  const show = { format, show: stored.show, scale: stored.scale, frame_ms: stored.frame_ms };
  if (stored.count !== 1) said.push("Of its images, this is the first.");
  const others = Object.keys(about.defaults).filter(
    (one) => !names.includes(one) && String(stored[one]) !== String(about.defaults[one]),
  );
  const words = others.map((one) => `${one.replaceAll("_", " ")} ${stored[one]}`).join(" and ");
  if (words) said.push(`The page has no control for ${words}, so the picture is not the same.`);
  if (weights !== weights_by(about, stored.sampler))
    said.push("It was made with other weights, so the picture is not the same.");
  return { tab, settings, show, said: said.join(" ") };
}

function settings_in(bytes, name) {
  try {
    const text = bytes[0] === 0x47 ? gif_comment(bytes) : marked(bytes);
    const settings = JSON.parse(new TextDecoder().decode(text));
    if (settings.weights) return settings;
  } catch {} // whatever else it is
  throw new InputError(`${name} holds no settings: it was not written by this program.`);
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

// Of the other formats: after a mark, with a length beside it.
function marked(bytes) {
  const view = new DataView(bytes.buffer), letters = new TextDecoder("latin1").decode(bytes);
  const at = (mark) => letters.indexOf(mark) + mark.length;
  const text = (begin, end) => bytes.subarray(begin, end);
  if (letters.startsWith("RIFF")) {
    // In the chunk EXIF, which comes last: ImageDescription ends with a zero.
    const begin = letters.indexOf("{", letters.lastIndexOf("EXIF"));
    return text(begin, letters.indexOf("\0", begin));
  }
  if (letters.startsWith("ftyp", 4)) {
    const box = at("\xa9cmt"); // "data" with its length, its type and its language
    return text(box + 16, box + view.getUint32(box));
  }
  const begin = at(KEYWORD), length = view.getUint32(begin - KEYWORD.length - 4);
  return text(begin, begin + length - (KEYWORD.length - 4)); // PNG: the type does not count
}
