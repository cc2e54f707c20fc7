// What people may ask for, and what is wrong with it: as in demo/values.py, request.py and draw.py,
// which say what each value means.

import { InputError, brief, check_choice, check_number, check_whole } from "./checks.js";
import { find_label } from "./class_names.js";
import { PICTURE_SIDE } from "./config.js";
import { digit_in } from "./drawings.js";
import { LatentDiffusion, RESAMPLE } from "./latent_diffusion.js";
import { weights_by } from "./samplers.js";
import { one_line } from "./vocabulary.js";

const FIRST_STRENGTH = 0.7;
const MAX_NAME_BYTES = 80;
const MAX_POINTS = 6;
const OF_DRAW = ["strength", "mask", "invert"]; // each may be null
const POINT = /^(.*):(\d+)$/s; // of a morph: what to draw, and its seed
const EMPTY = "Nothing is drawn yet: draw a digit, or choose a picture.";

// The requests to one model. about: what demo/static_page.py writes into the page. language:
// `promptLanguage(about.vocabulary)`.
export class Requests {
  constructor(about, language) {
    const { class_names, noise_schedule, defaults, switches, vocabulary } = about;
    const config = { conditioning: { class_names }, noise_schedule };
    Object.assign(this, { about, language });
    this.values = Object.fromEntries(about.values.map((value) => [value.name, value]));
    this.model = new LatentDiffusion({ config, defaults, switches, vocabulary }, null, language);
  }

  // The request for values by name; what is left out is as the page starts. names: the values that
  // there are, if not those of an image, a drawing or a morph. Throws InputError.
  check(given, names = null) {
    const kind = "morph" in given ? "morph" : "start_from" in given ? "draw" : "denoise";
    names ??= this.about.requests[kind];
    this.refuse_unknown(given, names);
    const start = names.map((name) => [name, this.values[name].start]);
    const all = { ...Object.fromEntries(start), ...this.about.left_out, ...given };
    const checked = Object.fromEntries(names.map((name) => [name, this.checked(name, all[name])]));
    if (kind === "morph") return new MorphRequest(this, names, checked);
    return new Request(this, names, this.#settled(checked));
  }

  refuse_unknown(given, known) {
    const unknown = Object.keys(given).filter((name) => !known.includes(name));
    if (unknown.length)
      throw new InputError(`There is no ${unknown.join(", ")} here, only ${known.join(", ")}.`);
  }

  // One value, in the form in which it is stored.
  checked(name, value) {
    const about = this.values[name];
    if (value === null && OF_DRAW.includes(name)) return null;
    return this.#kinds[about.kind](about.title, value, about);
  }

  #kinds = {
    number: (title, value, { low, high }) => check_number(title, value, low, high) + 0, // no -0
    whole: (title, value, { low, high }) => check_whole(title, value, low, high),
    choice: (title, value, { choices }) =>
      check_choice(title, value, choices.map(([text]) => text)),
    label: (title, value) => this.#label(title, value),
    names: (title, value) => {
      const split = (text) => text.split(",").map((name) => name.trim()).filter(Boolean);
      const names = typeof value === "string" ? split(value) : value;
      if (!Array.isArray(names))
        throw new InputError(`${title} must be a list of names, not ${brief(value)}.`);
      return [...new Set(names.map((one) => check_choice(title, one, this.about.switches)))].sort();
    },
    words: (title, value) => {
      return this.#words(title, Number.isInteger(value) ? String(value) : (value ?? ""));
    },
    boolean: (title, value) => check_choice(title, value, [true, false]),
    picture(title, value) {
      if (!value) throw new InputError(EMPTY);
      return as_text(digit_in(check_greys(title, value), PICTURE_SIDE, PICTURE_SIDE).digit);
    },
    mask(title, value) {
      const mask = check_greys(title, value).map((grey) => (grey > 127 ? 255 : 0));
      if (mask.every(Boolean))
        throw new InputError("Nothing is rubbed out yet: rub out the part to be redrawn.");
      if (!mask.some(Boolean))
        throw new InputError("All of the picture is rubbed out: leave a part of it.");
      return as_text(mask);
    },
    points: (title, value) => {
      if (Array.isArray(value) && value.length >= 2 && value.length <= MAX_POINTS)
        return value.map((point, i) => this.#point(point, i + 1));
      const found = Array.isArray(value) ? value.length : brief(value);
      throw new InputError(`${title} must be a list of 2 to ${MAX_POINTS} points, not ${found}.`);
    },
  };

  #label(title, value) {
    const { class_names, labels } = this.about;
    if (value === null) return null; // a prompt says it too
    const found = find_label(String(value), class_names);
    if (found === undefined) return check_choice(title, value, labels);
    return labels[found ?? labels.length - 1];
  }

  #words(title, value) {
    const { max_prompt } = this.about, length = [...String(value)].length;
    if (typeof value !== "string" || length > max_prompt) {
      const found = typeof value === "string" ? `${length} characters` : brief(value);
      const allowed = `text of at most ${max_prompt} characters`;
      throw new InputError(`${title} must be ${allowed}, not ${found}.`);
    }
    try {
      this.model.conditioning.places([value]);
    } catch (error) {
      throw new InputError(`${title}: ${error.message}`);
    }
    return this.language.read(value).rows.length ? one_line(value).trim() : "";
  }

  #point(point, i) {
    const [, what, seed] = POINT.exec(point) ?? [];
    if (seed === undefined)
      throw new InputError(`Point ${i} must be what to draw, a colon and a seed, as 3:7.`);
    const { low, high } = this.values.seed;
    const checked = this.#words(`Point ${i}`, what.trim());
    return `${checked}:${check_whole(`Seed ${i}`, Number(seed), low, high)}`;
  }

  // The same values, written in the one way in which they are stored.
  #settled(values) {
    if ("start_from" in values && [values.strength, values.mask, values.invert].every((value) => value === null))
      values = { ...values, strength: FIRST_STRENGTH };
    const { labels } = this.about;
    const { rows, label: said, style } = this.language.read(values.prompt);
    let label = labels[said ?? labels.length - 1];
    if (!rows.length) label = values.label ?? this.values.label.start;
    else if (values.label !== null && values.label !== label)
      throw new InputError(
        `Label and Prompt must say the same, not ${values.label} and ${label}: leave one of them out.`,
      );
    const names_only = said !== null && rows.length === 1;
    const settled = { ...values, label, prompt: names_only ? "" : values.prompt };
    for (const name in style) if (settled[name] === style[name]) settled[name] = 0;
    return settled;
  }

  // What `denoise` is to draw: the index of a class, null for no label, or a prompt.
  prompted(text) {
    const found = find_label(text, this.about.class_names);
    return found === undefined ? text : found;
  }
}

// A checked request for one image.
class Request {
  constructor(requests, names, values) {
    Object.assign(this, { requests, names, values });
    this.check_together();
  }

  // Two values may be allowed, but not together: the call refuses that, and does no step.
  check_together() {
    const { asked, seed, start, options } = this.asks();
    if (start?.invert !== undefined && this.values.strength !== null)
      throw new InputError("strength and invert both say how to start: give one of them.");
    this.requests.model.denoise([asked], { seeds: [seed], ...options });
  }

  // The values that make this request again, in the order in which people read them; without what
  // says nothing.
  settings() {
    const { values, about } = this.requests;
    const ordered = [true, false].flatMap((is_what) =>
      this.names.filter((name) => Boolean(values[name].says_what) === is_what),
    );
    const says = (name) => {
      if (name === "label") return !this.values.prompt;
      if (OF_DRAW.includes(name)) return this.values[name] !== null;
      if (name === "off") return this.values.off.length;
      return this.values[name] || !about.of_words.includes(name);
    };
    return Object.fromEntries(ordered.filter(says).map((name) => [name, this.values[name]]));
  }

  // All settings of a file: where the request says nothing, those in `blank`, or else the usual ones.
  all_settings(blank) {
    const { about } = this.requests, weights = weights_by(about, this.values.sampler);
    return { ...about.stored, ...blank, ...this.settings(), weights };
  }

  // A name for files, without an ending.
  file_name() {
    return `${name_part(this.values.prompt || this.values.label)}-seed-${this.values.seed}`;
  }

  // What is known before any work.
  header() {
    const { steps = 1 } = this.values;
    return { settings: this.settings(), name: this.file_name(), steps };
  }

  // What the worker is asked for: {asked, seed, start, options}. start: null for noise; options: of
  // `LatentDiffusion.denoise`.
  asks() {
    const { of_words } = this.requests.about;
    const { label, prompt, negative_prompt, seed, start_from, ...rest } = this.values;
    const { strength, mask, invert, ...settings } = rest;
    const style = {};
    for (const name of of_words.filter((name) => name in settings)) {
      if (settings[name]) style[name] = settings[name];
      delete settings[name];
    }
    const start = start_from && {
      picture: greys_in(start_from),
      ...(invert === null
        ? { strength: strength ?? (mask ? 1 : FIRST_STRENGTH) }
        : { invert: this.requests.prompted(invert) }),
      ...(mask && { mask: greys_in(mask), resample: RESAMPLE }),
    };
    return {
      asked: prompt || this.requests.prompted(label),
      seed,
      start: start || null,
      options: { negative: negative_prompt || null, style, ...settings },
    };
  }

  // What a file keeps of its making: `stored_settings` in ldm_core/output/file_settings.py.
  stored(shown) {
    const { strength, resample, mask } = this.asks().start ?? {};
    const start = { strength: strength ?? null, resample: resample ?? null };
    return { ...this.all_settings({ label: null, prompt: null }), ...start, ...shown };
  }
}

// A checked request for the images on a path through points.
class MorphRequest extends Request {
  check_together() {
    const { points, frames, options } = this.asks();
    this.requests.model.morph(points, frames, options);
  }

  // How many images there are.
  get count() {
    const { morph, frames, loop } = this.values;
    return loop ? frames * morph.length : frames * (morph.length - 1) + 1;
  }

  file_name() {
    return `morph-${name_part(this.values.morph.join("-"))}`;
  }

  header() {
    return { ...super.header(), steps: this.count - 1 };
  }

  asks() {
    const { morph, frames, ...options } = this.values;
    const point = (text) => {
      const [, what, seed] = POINT.exec(text);
      return [this.requests.prompted(what), Number(seed)];
    };
    return { points: morph.map(point), frames, options };
  }

  stored(shown) {
    const blank = { label: null, prompt: null, count: null, seed: null };
    return { ...this.all_settings(blank), ...shown };
  }
}

// A picture (28, 28) in settings: its greys in base64.
const as_text = (greys) => btoa(String.fromCharCode(...greys));
export const greys_in = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

function check_greys(title, text) {
  try {
    const greys = greys_in(text);
    if (greys.length === PICTURE_SIDE ** 2) return greys;
  } catch {}
  throw new InputError(`${title} must be 28 x 28 greys in base64.`);
}

function name_part(text) {
  const words = text.replace(/[^\p{L}\p{N}_]+/gu, "-");
  const bytes = new TextEncoder().encode(words).slice(0, MAX_NAME_BYTES);
  return new TextDecoder().decode(bytes, { stream: true }); // without half a letter
}
