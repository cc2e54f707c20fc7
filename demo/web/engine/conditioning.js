// What is asked -> what the network of prompts reads; as in ldm_core/model/text.py and
// conditioning.py.
//
// For a model that knows words a prompt is a row of places. Each place holds a word and the amount
// to which it counts, from 0 to 1; what is missing to 1 is the empty place. A style slider is such
// a word.

import { InputError, brief, check_number, check_whole } from "./checks.js";

const EMPTY = 0; // the row of an empty place
const ADVISED = 3; // unknown words that an error names

export class TextConditioning {
  // class_names: of the model. vocabulary: `Vocabulary.to_dict()`. language: what `promptLanguage`
  // in vocabulary.js makes of it; it reads prompts.
  constructor(class_names, vocabulary, language) {
    Object.assign(this, { class_names, vocabulary, language });
  }

  // What people ask of each image -> {rows, amounts}, Int32Array and Float32Array (B, n_places):
  // words as rows of the vocabulary, and by how much each counts.
  //
  // A class is the prompt of its name; null is the empty prompt. style is said of all images; 0
  // says nothing, and 1 or -1 the same as the word. Throws InputError for what this model does not
  // know, and where a prompt and style differ about a property.
  places(asked, style = null) {
    check_asked(asked);
    const said = this.#checked(style);
    const is_text = (one) => typeof one === "string";
    const checked = asked.map((one) => (is_text(one) ? one : check_label(one, this.class_names)));
    const words = checked.flatMap((one) => {
      const words = this.#words(one, said);
      return [...words, ...Array(this.vocabulary.places - words.length).fill([EMPTY, 1])];
    });
    return {
      rows: Int32Array.from(words, ([row]) => row),
      amounts: Float32Array.from(words, ([, amount]) => amount),
    };
  }

  context(asked, negative = null, style = null) {
    return context_of(this, asked, negative, style);
  }

  // The words of a prompt, [row, amount]. Those of style come last, where they are not in the way
  // of a sentence.
  #words(asked, style) {
    const { places, styles, rows } = this.vocabulary;
    const reading = typeof asked === "string" ? this.#read(asked) : { rows: [], style: {} };
    if (typeof asked === "number") reading.rows.push(1 + asked); // the row of a class
    const words = reading.rows.map((row) => [row, 1]);
    const phrase_of = (name, third) => styles[name][1 + third][0];
    for (const [name, amount] of style) {
      if (reading.style[name] === amount) continue;
      if (name in reading.style) {
        const said = phrase_of(name, reading.style[name]).map((row) => rows[row][0]).join(" ");
        const number = Number(amount.toPrecision(6));
        throw new InputError(
          `The prompt says ${said}, and style says ${name} ${number}: leave one out.`,
        );
      }
      words.push(...phrase_of(name, Math.sign(amount)).map((row) => [row, Math.abs(amount)]));
    }
    if (words.length > places)
      throw new InputError(
        `The prompt and its style have ${words.length} words together, and there is room for ` +
          `${places}. Take a shorter prompt.`,
      );
    return words;
  }

  #read(prompt) {
    const { rows, style, problems } = this.language.read(prompt);
    if (problems.length) throw new InputError(what_is_wrong(problems));
    return { rows, style };
  }

  #checked(style) {
    const known = Object.keys(this.vocabulary.styles);
    if (style !== null && (typeof style !== "object" || Array.isArray(style)))
      throw new InputError(
        `style must be a dictionary such as {"stroke": 1}, not ${brief(style)}.`,
      );
    for (const name in style)
      if (!known.includes(name)) {
        const allowed = known.join(", ") || "nothing";
        throw new InputError(`style may have ${allowed}, not ${brief(name)}.`);
      }
    for (const name in style) check_number(`style ${name}`, style[name], -1, 1);
    return known.filter((name) => style?.[name]).map((name) => [name, style[name]]); // in one order
  }
}

export class LabelConditioning {
  constructor(class_names) {
    this.class_names = class_names;
  }

  // As above, but for {rows, amounts} with the id of each image as its only row, Int32Array (B,),
  // and no amounts. Throws InputError for prompts and for any style.
  places(asked, style = null) {
    if (style && Object.keys(style).length)
      throw new InputError("These weights know labels only, and no style.");
    check_asked(asked);
    return { rows: Int32Array.from(asked, (one) => this.#id(one)), amounts: new Float32Array(0) };
  }

  context(asked, negative = null, style = null) {
    return context_of(this, asked, negative, style);
  }

  #id(asked) {
    if (typeof asked === "string")
      throw new InputError(
        `These weights know labels only, and no prompts such as ${brief(asked)}. Train new ones ` +
          "with train.py, in the repository: they learn words too.",
      );
    return check_label(asked, this.class_names) ?? this.class_names.length;
  }
}

// What sampling needs of what is asked of each image, and of what it is led away from; errors as
// for `places`. is_guided: for each image, false where both ask the same.
function context_of(conditioning, asked, negative, style) {
  const places = conditioning.places(asked, style);
  const away = conditioning.places(negative ?? asked.map(() => null));
  const is_guided = asked.map((_, image) =>
    ["rows", "amounts"].some((part) => {
      const n = places[part].length / asked.length;
      const [one, other] = [places, away].map((of) => of[part].slice(image * n, (image + 1) * n));
      return one.some((value, i) => value !== other[i]);
    }),
  );
  return { places, null: away, is_guided };
}

function check_asked(asked) {
  if (typeof asked === "string")
    throw new InputError(
      `Prompts are a list with one for each image: [${brief(asked)}].`,
    );
  if (asked.length === 0)
    throw new InputError("There is no prompt: give one label, prompt or None for each image.");
}

// A class index, or null for null and for -1, which stands for it in arrays.
function check_label(label, class_names) {
  if (label === null) return null;
  try {
    return check_whole("label", label, -1, class_names.length - 1) === -1 ? null : label;
  } catch {
    const names = class_names.map((name, i) => `${i} (${name})`).join(", ");
    throw new InputError(`label must be None or one of ${names}, not ${brief(label)}.`);
  }
}

// The problems of a prompt in the words of `Vocabulary.read`.
function what_is_wrong(problems) {
  const unknown = problems.filter(({ kind }) => kind === "unknown");
  const advice = ({ word, nearest, advice }) =>
    advice
      ? `the weight ${brief(word)} (${advice})`
      : `the unknown word ${brief(word)} (the nearest known one is ${brief(nearest)})`;
  const words = [...new Map(unknown.map((one) => [one.word, advice(one)])).values()];
  const said = words.slice(0, ADVISED);
  if (words.length > ADVISED) said.push(`${words.length - ADVISED} more`);
  const first = words.length ? [`The prompt has ${said.join(" and ")}.`] : [];
  const others = problems.filter(({ kind }) => kind !== "unknown").map(({ text }) => text);
  return [...first, ...others].join(" ");
}
