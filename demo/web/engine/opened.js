// From a file back to the request that made it; as `opened` in demo/reproduce.py.

import { InputError, brief } from "./checks.js";
import { Grid } from "./grid.js";
import { settings_in } from "./settings_in.js";

// {tab, settings, show, said} of the bytes of a GIF or PNG that this system made. show: {format,
// show, scale, frame_ms}. said: what there is to say of it. Throws InputError for a file without
// settings, or that cannot be drawn here.
export function opened(requests, bytes, name) {
  const { weights, ...stored } = settings_in(bytes, name), said = [`${name} is opened.`];
  const { about } = requests;
  let tab, settings, show = {};
  try {
    if (stored.compare) {
      [tab, settings] = ["compare", new Grid(requests, stored.compare).settings()];
    } else {
      tab = stored.morph ? "morph" : stored.start_from ? "draw" : "watch";
      const names = about.requests[tab === "watch" ? "denoise" : tab];
      const given = Object.fromEntries(names.map((one) => [one, stored[one] ?? null]));
      if (tab !== "morph" && !given.prompt) given.label = first_label(requests, stored.label);
      const known = Object.entries(given).filter(([, value]) => value !== null);
      settings = requests.check(Object.fromEntries(known)).settings();
      const format = stored.strip ? "strip" : /\.gif$/i.test(name) ? "gif" : "png";
      show = { format, show: stored.show, scale: stored.scale, frame_ms: stored.frame_ms };
      if (tab !== "morph" && stored.count !== 1) said.push("Of its images, this is the first.");
      const others = Object.keys(about.defaults).filter(
        (one) => !names.includes(one) && brief(stored[one]) !== brief(about.defaults[one]),
      );
      const words = others.map((one) => `${one.replaceAll("_", " ")} ${stored[one]}`).join(" and ");
      if (words) said.push(`The page has no control for ${words}, so the picture is not the same.`);
    }
  } catch (error) {
    throw new InputError(`${name} cannot be opened here. ${error.message}`);
  }
  if (weights !== about.stored.weights)
    said.push("It was made with other weights, so the picture is not the same.");
  return { tab, settings, show, said: said.join(" ") };
}

// The label of the first image: of a range the first, and where there is none the first class.
function first_label({ about }, label) {
  return label ? label.replace(/^(\d+)-\d+$/, "$1") : about.labels[0];
}
