// Comparisons: grids of images that differ in one or two values of a request, all else the same; as
// in demo/grid.py.

import { InputError, brief, check_choice, number_in } from "./checks.js";
import { one_line, typed } from "./vocabulary.js";

const MAX_CELLS = 100;
const MAX_IMAGE_STEPS = 2000; // cells x steps
const TOGETHER = 8; // cells in one batch: more are no faster, and Stop must not wait for them

// "1,5, 3,5": every part that could be a decimal in other languages is one in this text.
const DECIMAL_COMMAS = /^\s*[0-9]+,[0-9]+\s*(,\s+[0-9]+(,[0-9]+)?\s*)*,?\s*$/;

// A line of CSV: quotes hold a comma, and "" is an empty value.
function split_values(given) {
  const text = typed(one_line(given)).trim();
  if (text.split('"').length % 2 === 0)
    throw new InputError(`A quote is not closed in ${brief(text)}: write "a, b" for one value.`);
  const values = [];
  const value = / *(?:"((?:[^"]|"")*)"([^,]*)|([^,]*))(,?)/y;
  for (let is_last = !text; !is_last; ) {
    const [, quoted = "", after, plain, comma] = value.exec(text);
    values.push((plain ?? quoted.replaceAll('""', '"') + after).trim());
    is_last = !comma || value.lastIndex === text.length;
  }
  return values;
}

const NO_WORD = "no word"; // over a column whose prompt says nothing

// A checked comparison. cells: requests, row by row.
export class Grid {
  // given: {across, across_values, down, down_values, fixed}. An axis is the name of a value, its
  // values a list or a text with commas between them; fixed: other values by name; what is left out
  // is as the page starts. Throws InputError.
  constructor(requests, { across, across_values, down = null, down_values = [], fixed = {} }) {
    this.requests = requests;
    const names = requests.about.requests.grid;
    requests.refuse_unknown(fixed, names);
    const checked = Object.entries(fixed).map(([name, one]) => [name, requests.checked(name, one)]);
    const axes = [this.#axis(across, across_values)];
    if (down && down !== "nothing") axes.push(this.#axis(down, down_values));
    [this.across, this.down = null] = axes;
    if (this.down?.name === across)
      throw new InputError(`${this.down.title} is on both sides: choose another for one of them.`);
    const count = axes.reduce((product, { values }) => product * values.length, 1);
    if (count > MAX_CELLS)
      throw new InputError(`A grid has at most ${MAX_CELLS} cells, not ${count}.`);
    const is_axis = ([name]) => axes.some((axis) => axis.name === name);
    this.fixed = Object.fromEntries(checked.filter((one) => !is_axis(one)));
    this.cells = (this.down?.values ?? [null]).flatMap((row) =>
      this.across.values.map((value) => {
        const varied = { [across]: value, ...(this.down && { [down]: row }) };
        return requests.check(this.#said({ ...this.fixed, ...varied }, varied), names);
      }),
    );
    this.steps = Math.max(...this.cells.map(({ values }) => values.steps));
    this.image_steps = this.cells.reduce((sum, { values }) => sum + values.steps, 0);
    if (this.image_steps > MAX_IMAGE_STEPS)
      throw new InputError(
        `${this.cost()}, but at most ${MAX_IMAGE_STEPS} are allowed: take fewer cells or ` +
          "fewer steps.",
      );
  }

  #axis(name, given) {
    check_choice("What differs", name, this.requests.about.requests.grid);
    const { title, choices = [], kind } = this.requests.values[name];
    if (kind === "number" && DECIMAL_COMMAS.test(given)) {
      const decimals = given.trim().replace(/([0-9]),([0-9])/g, "$1.$2");
      const spaced = split_values(given).join(", ");
      throw new InputError(
        `${title}: commas separate values, so write ${brief(decimals)} for decimals, or ` +
          `${brief(spaced)} with a space after each comma.`,
      );
    }
    const read = (text) => (["number", "whole"].includes(kind) ? number_in(text) : text);
    const listed = typeof given === "string" ? split_values(given).map(read) : given;
    if (!Array.isArray(listed) || !listed.length)
      throw new InputError(`${title} needs a list of values, with commas between them.`);
    if (listed.length > MAX_CELLS)
      throw new InputError(`A grid has at most ${MAX_CELLS} cells, not ${listed.length} and more.`);
    const values = listed.map((value) => this.requests.checked(name, value));
    const known = Object.fromEntries(choices);
    const titles = values.map((value) => this.#title(value, kind, known));
    return { name, title, values, titles };
  }

  #title(value, kind, known) {
    if (kind !== "words") return known[value] ?? String(value ?? NO_WORD);
    const { label, style } = this.requests.language.read(value);
    return label !== null || Object.keys(style).length ? value : NO_WORD;
  }

  // Values with a label and a prompt that agree: a prompt that names no class is about the label,
  // and one that does takes the place of a label that is the same in all cells.
  #said(given, varied) {
    const { language, about } = this.requests;
    if (!given.prompt) return given;
    if (language.read(given.prompt).label !== null)
      return "label" in varied ? given : { ...given, label: null };
    const index = about.labels.slice(0, -1).indexOf(given.label);
    const word = index < 0 ? "" : ` ${about.vocabulary.rows[1 + index][0]}`;
    return { ...given, label: null, prompt: given.prompt + word };
  }

  cost() {
    const { length } = this.cells, counts = new Set(this.cells.map(({ values }) => values.steps));
    const each = counts.size === 1 ? ` × ${this.steps} steps` : "";
    return `${length} cell${length === 1 ? "" : "s"}${each}: ${this.image_steps} steps in all`;
  }

  settings() {
    const { across, down, fixed } = this;
    const rows = down && { down: down.name, down_values: down.values };
    return { across: across.name, across_values: across.values, ...rows, fixed };
  }

  // What is known before any work.
  header() {
    const { across, down, steps, image_steps } = this;
    const axis = (one) => one && { name: one.name, title: one.title, titles: one.titles };
    return {
      settings: this.settings(),
      across: axis(across),
      down: axis(down),
      title: down ? `${across.title} across, ${down.title.toLowerCase()} down` : across.title,
      name: this.file_name(),
      cost: `${this.cost()}, of ${MAX_IMAGE_STEPS} at most.`,
      image_steps,
      steps,
      cells: this.cells.map((cell) => {
        const { settings, steps } = cell.header();
        return { settings, steps };
      }),
    };
  }

  file_name() {
    return [this.across, this.down].filter(Boolean).map(({ name }) => name).join("-by-");
  }

  stored() {
    return { compare: this.settings(), weights: this.requests.about.stored.weights };
  }

  // The cells that are drawn together: [{cells, asked, seeds, options}].
  batches() {
    const batches = new Map();
    this.cells.forEach((cell, i) => {
      const { asked, seed, options: { negative, ...options } } = cell.asks();
      const key = JSON.stringify(options), of_key = batches.get(key) ?? [];
      let batch = of_key.at(-1);
      if (!batch || batch.cells.length === TOGETHER) {
        batch = { cells: [], asked: [], seeds: [], options: { negative: [], ...options } };
        batches.set(key, [...of_key, batch]);
      }
      batch.cells.push(i);
      batch.asked.push(asked);
      batch.seeds.push(seed);
      batch.options.negative.push(negative);
    });
    return [...batches.values()].flat();
  }
}
