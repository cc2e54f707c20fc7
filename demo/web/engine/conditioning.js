// What is asked -> what the network of prompts reads; as in ldm_core/model/text.py and
// conditioning.py. Values have been checked one by one before (see requests.js).
//
// A prompt is a row of places. Each place holds a word and the amount to which it counts, from 0 to 1;
// what is missing to 1 is the empty place. A style slider is such a word.

import { InputError, brief } from "./checks.js";

const EMPTY = 0; // the row of an empty place
const ADVISED = 3; // unknown words that an error names

export class TextConditioning {
  // vocabulary: `Vocabulary.to_dict()`. language: what `promptLanguage` in vocabulary.js makes of it.
  constructor(vocabulary, language) {
    Object.assign(this, { vocabulary, language });
  }

  // A prompt, a class index or null for each image -> {rows, amounts}, Int32Array and Float32Array
  // (B, n_places): words as rows of the vocabulary, and by how much each counts. Throws InputError
  // for words that this model does not know, and where a prompt and style differ about a property.
  places(asked, style = null) {
    const known = Object.keys(this.vocabulary.styles), said = known.filter((name) => style?.[name]);
    const unknown = Object.keys(style ?? {}).find((name) => !known.includes(name));
    if (unknown) // a class may have the name of one
      throw new InputError(`style may have ${known.join(", ") || "nothing"}, not '${unknown}'.`);
    const words = asked.flatMap((one) => {
      const words = this.#words(one, said.map((name) => [name, style[name]]));
      return [...words, ...Array(this.vocabulary.places - words.length).fill([EMPTY, 1])];
    });
    return {
      rows: Int32Array.from(words, ([row]) => row),
      amounts: Float32Array.from(words, ([, amount]) => amount),
    };
  }

  // What sampling needs of what is asked of each image, and of what it is led away from; errors as
  // for `places`. is_guided: for each image, false where both ask the same.
  context(asked, negative = null, style = null) {
    const places = this.places(asked, style);
    const away = this.places(negative ?? asked.map(() => null));
    const is_guided = asked.map((_, image) =>
      ["rows", "amounts"].some((part) => {
        const n = places[part].length / asked.length;
        const [one, other] = [places, away].map((of) => of[part].slice(image * n, (image + 1) * n));
        return one.some((value, i) => value !== other[i]);
      }),
    );
    return { places, null: away, is_guided };
  }

  // The words of a prompt, [row, amount]. Those of style come last, where they are not in the way
  // of a sentence.
  #words(asked, style) {
    const { places, styles, rows } = this.vocabulary;
    const reading = this.language.read(typeof asked === "string" ? asked : "");
    if (reading.problems.length) throw new InputError(what_is_wrong(reading.problems));
    if (typeof asked === "number") reading.rows.push(1 + asked); // the row of a class
    const words = reading.rows.map((row) => [row, 1]);
    const phrase_of = (name, third) => styles[name][1 + third][0];
    for (const [name, amount] of style) {
      const third = reading.style[name];
      if (third === amount) continue;
      if (third !== undefined) {
        const said = phrase_of(name, third).map((row) => rows[row][0]).join(" ");
        const other = `style says ${name} ${Number(amount.toPrecision(6))}`;
        throw new InputError(`The prompt says ${said}, and ${other}: leave one out.`);
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
