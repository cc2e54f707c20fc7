// Files and links, as the buttons of the page give them.

import { make } from "./make.js";
import { reason } from "./runs.js";

const TITLES = { webp: "WebP", strip: "PNG strip" }; // others are in capitals
export const title_of = (format) => TITLES[format] ?? format.toUpperCase();

// Make a file of a request and download it. say: told how it goes, and in the end of the file: an
// element to download it again.
export async function download(engine, request, options, say) {
  say(`Making the ${title_of(options.format)}…`);
  try {
    const { blob, name, bytes } = await engine.file(request, options);
    const href = URL.createObjectURL(blob);
    const anchor = make("a", { href, download: name, textContent: name });
    say(anchor, ` ${size(bytes)}`);
    anchor.click();
  } catch (error) {
    say(reason(error));
  }
}

const size = (bytes) =>
  bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

// Only what the run was asked for: the page's own address may hold keys of the site around it.
export const link_to = (settings) =>
  `${location.origin}${location.pathname}?${new URLSearchParams(settings)}`;

// Copy a link, or say it, to be copied by hand.
export async function copy_link(href, say) {
  say((await copied(href)) ? "Link copied." : make("a", { href, textContent: "Copy this link." }));
}

// Whether a text could be copied: not without permission, as in a frame, nor on http.
export const copied = async (text) =>
  navigator.clipboard?.writeText(text).then(() => true, () => false) ?? false;
