// What a link to the page says: values of a run, or a grid.

import { number_in } from "./engine/checks.js";
import { one_line, typed } from "./engine/vocabulary.js";
import { reason } from "./runs.js";

const AXES = ["across", "across_values", "down", "down_values"];

// The query of the page's address, by name. In HTML & is written &amp;, and some copy that.
export function query() {
  const said = [...new URLSearchParams(location.search)];
  const of_link = ([name, text]) => [name.replace(/^(amp;)+/, ""), one_line(text)];
  return Object.fromEntries(said.map(of_link));
}

// The query of a link to a grid. settings: of its run. of_words: names of values that say nothing
// when they are empty.
export function query_of_grid(settings, of_words) {
  const { across, across_values, down, down_values, fixed, model } = settings;
  const query = { across, across_values: joined(across_values) };
  if (down) Object.assign(query, { down, down_values: joined(down_values) });
  for (const [name, value] of Object.entries(fixed))
    if (value || (value !== null && !of_words.includes(name)))
      query[`fixed_${name}`] = String(value);
  return model ? { ...query, model } : query;
}

// A line of CSV, as engines split it.
const joined = (values) =>
  values
    .map((value) => typed(one_line(String(value))))
    .map((text) => (/[,"]|^\s|\s$|^$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text))
    .join(", ");

// Set the controls to what the page's address says. tabs: by name. open: called with the name of
// the tab that it is for.
export async function follow_link({ about, engine, tabs, open }) {
  const given = query();
  const value = (name, text) => {
    const { kind } = about.values.find((one) => one.name === name) ?? {};
    return kind === "number" || kind === "whole" ? number_in(text) : text;
  };
  try {
    if ("lesson" in given) return open("inside");
    if ("across" in given && tabs.compare) {
      const fixed = Object.keys(given).filter((name) => name.startsWith("fixed_"));
      const values = fixed.map((name) => [name.slice(6), value(name.slice(6), given[name])]);
      const axes = AXES.map((name) => [name, given[name] ?? (name === "down" ? "nothing" : "")]);
      const { compare } = tabs;
      open("compare");
      compare.set(Object.fromEntries([...values, ...axes]));
      compare.generate();
      return;
    }
    const names = [...new Set([...about.controls.watch, ...about.of_words, "off"])];
    const said = names.filter((name) => name in given);
    if (!said.length) return;
    const request = Object.fromEntries(said.map((name) => [name, value(name, given[name])]));
    const { settings } = await engine.check("denoise", request);
    tabs.watch.set({ ...about.left_out, label: tabs.watch.store.controls.label, ...settings });
  } catch (error) {
    say_of_link(reason(error));
  }
}

// Say why a link does not work.
export function say_of_link(why) {
  const notice = document.querySelector(".notice");
  notice.textContent = `This link does not work. ${why}`;
  notice.hidden = false;
}
