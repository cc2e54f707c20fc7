// What may be asked, and what is wrong with what may not: as in demo/requests.py and prompts.py,
// which say what each value means. A link means the same here and there; a test compares them.

import { InputError, check_choice, check_number, check_whole } from "../engine/checks.js";
import { LatentDiffusion } from "../engine/latent_diffusion.js";
import { find_label } from "./labels.js";

const MAX_NAME_BYTES = 80;
const FLOAT = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const ENDLESS = /^([+-]?)(inf|infinity|nan)$/i;

// The requests to one model. about: what `what_the_page_knows` in demo/static_page.py says. language:
// `promptLanguage(about.vocabulary)`, null for a model that knows labels only.
export class Requests {
  constructor(about, language) {
    Object.assign(this, { about, language });
    this.start = Object.fromEntries(about.values.map(({ name, start }) => [name, start]));
    const { class_names, noise_schedule, defaults, vocabulary } = about;
    const config = { conditioning: { class_names }, noise_schedule };
    this.model = new LatentDiffusion({ config, defaults, vocabulary }, null, language);
  }

  // The request in the query string of a link, null if it holds no value of a request. What it
  // leaves out is as the page starts. Throws InputError.
  from_link(query) {
    const { values, of_words } = this.about;
    const texts = Object.fromEntries(new URLSearchParams(query));
    const unknown = (name) => !values.some((value) => value.name === name);
    const words = Object.keys(texts).filter((name) => of_words.includes(name) && unknown(name));
    if (words.length)
      throw new InputError(
        `These weights know labels only, and no ${words.join(", ")}. Take a label, or weights ` +
          "that know words.",
      );
    const own = values.filter(({ name }) => name in texts);
    const given = own.map(({ name, kind }) => [name, read(kind, texts[name])]);
    return given.length ? this.check(Object.fromEntries(given)) : null;
  }

  // The request for the values of the controls. The prompt says it all, where there is one.
  from_page(given) {
    return this.check(given.prompt ? { ...given, label: null } : given);
  }

  // The request for values by name; what is left out is as the page starts. Throws InputError.
  check(given) {
    const all = { ...this.about.left_out, ...given };
    const checked = this.about.values.map((value) => [value.name, this.#checked(value, all)]);
    const request = new Request(this, this.#settled(Object.fromEntries(checked)));
    const { asked, seed, negative, style, settings } = request.asks();
    // Two values may be allowed, but not together: this refuses that, and does no step.
    this.model.denoise([asked], { seeds: [seed], negative, style, ...settings });
    return request;
  }

  #checked({ name, title, kind, low, high, choices }, { [name]: value }) {
    const { class_names, labels, max_prompt } = this.about;
    if (kind === "number") return check_number(title, value, low, high) + 0; // no -0
    if (kind === "whole") return check_whole(title, value, low, high);
    if (kind === "choice") return check_choice(title, value, choices);
    if (kind === "label") {
      if (value === null) return null;
      const found = find_label(value, class_names);
      if (found === undefined) return check_choice(title, value, choices);
      return labels[found ?? labels.length - 1];
    }
    const length = [...value].length;
    if (length > max_prompt) {
      const allowed = `text of at most ${max_prompt} characters`;
      throw new InputError(`${title} must be ${allowed}, not ${length} characters.`);
    }
    try {
      this.model.conditioning.places([value]);
    } catch (error) {
      throw new InputError(`${title}: ${error.message}`);
    }
    return this.language.read(value).rows.length ? value.trim() : "";
  }

  // The same values, written in the one way in which they are stored.
  #settled(values) {
    if (!this.language) return values;
    const { labels } = this.about;
    const { rows, label: said, style } = this.language.read(values.prompt);
    let label = labels[said ?? labels.length - 1];
    if (!rows.length) label = values.label ?? this.start.label;
    else if (values.label !== null && values.label !== label)
      throw new InputError(
        `Label and Prompt must say the same, not ${values.label} and ${label}: ` +
          "leave one of them out.",
      );
    const names_only = said !== null && rows.length === 1;
    const settled = { ...values, label, prompt: names_only ? "" : values.prompt };
    for (const name in style) if (settled[name] === style[name]) settled[name] = 0;
    return settled;
  }
}

// A checked request.
class Request {
  #requests;

  constructor(requests, values) {
    this.#requests = requests;
    this.values = values;
  }

  // The values that make this request again, in the order in which people read them; without what
  // says nothing.
  settings() {
    const { values, of_words } = this.#requests.about;
    const ordered = [true, false].flatMap((is_what) =>
      values.filter(({ says_what = false }) => says_what === is_what),
    );
    const says = ({ name }) =>
      name === "label" ? !this.values.prompt : this.values[name] || !of_words.includes(name);
    return Object.fromEntries(ordered.filter(says).map(({ name }) => [name, this.values[name]]));
  }

  // The values as one line of text.
  line() {
    const said = Object.entries(this.settings()).map(([name, value]) => {
      const { in_line, kind } = this.#requests.about.values.find((one) => one.name === name);
      const text = kind === "number" ? shortest(value) : value;
      const parts = { "{}": text, "{s}": value === 1 ? "" : "s" };
      return in_line.replace(/\{s?\}/g, (part) => parts[part]);
    });
    return said.join(" · ");
  }

  // A name for files, without an ending.
  file_name() {
    const what = this.values.prompt || this.values.label;
    const words = what.replace(/[^\p{L}\p{N}_]+/gu, "-");
    const bytes = new TextEncoder().encode(words).slice(0, MAX_NAME_BYTES);
    const text = new TextDecoder().decode(bytes, { stream: true }); // without half a letter
    return `${text}-seed-${this.values.seed}`;
  }

  // What `Engine.denoise` is asked for.
  asks() {
    const { about } = this.#requests;
    const { label, prompt, negative_prompt, seed, ...rest } = this.values;
    const index = about.labels.indexOf(label);
    const class_index = index === about.labels.length - 1 ? null : index;
    const style_names = Object.keys(rest).filter((name) => about.of_words.includes(name));
    const said = style_names.filter((name) => rest[name]);
    return {
      asked: prompt || class_index,
      seed,
      negative: negative_prompt || null,
      style: Object.fromEntries(said.map((name) => [name, rest[name]])),
      settings: Object.fromEntries(
        Object.entries(rest).filter(([name]) => !style_names.includes(name)),
      ),
    };
  }

  // What a file keeps of its making: `stored_settings` in ldm_core/output/file_settings.py.
  stored(scale) {
    const what = { label: null, prompt: null };
    return { ...this.#requests.about.stored, ...what, ...this.settings(), scale };
  }
}

// The text in a link as a value of its kind; what cannot be read stays text, which is refused.
function read(kind, text) {
  if (kind !== "number" && kind !== "whole") return text;
  const trimmed = text.trim();
  if (FLOAT.test(trimmed)) return Number(trimmed);
  const [, sign, endless] = ENDLESS.exec(trimmed) ?? [];
  if (!endless) return text;
  return /nan/i.test(endless) ? NaN : sign === "-" ? -Infinity : Infinity;
}

// As Python's "g" writes it.
const shortest = (number) => String(Number(number.toPrecision(6)));
