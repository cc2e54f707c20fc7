// What a link to the page says: values of a run, or a grid.

import { reason } from "./runs.js";

const FLOAT = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const AXES = ["across", "across_values", "down", "down_values"];

// Set the controls to what the page's address says. tabs: by name. open: called with the name of
// the tab that it is for.
export async function follow_link({ about, engine, tabs, open }) {
  const query = Object.fromEntries(new URLSearchParams(location.search));
  const value = (name, text) => {
    const { kind } = about.values.find((one) => one.name === name) ?? {};
    const is_number = (kind === "number" || kind === "whole") && FLOAT.test(text.trim());
    return is_number ? Number(text) : text; // what is no number is refused by name
  };
  try {
    if ("across" in query && tabs.compare) {
      const fixed = Object.keys(query).filter((name) => name.startsWith("fixed_"));
      const values = fixed.map((name) => [name.slice(6), value(name.slice(6), query[name])]);
      const axes = AXES.map((name) => [name, query[name] ?? (name === "down" ? "nothing" : "")]);
      const { compare } = tabs;
      open("compare");
      compare.set(Object.fromEntries([...values, ...axes]));
      compare.generate();
      return;
    }
    const names = [...new Set([...about.controls.watch, ...about.of_words])];
    const said = names.filter((name) => name in query);
    if (!said.length) return;
    const request = Object.fromEntries(said.map((name) => [name, value(name, query[name])]));
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
