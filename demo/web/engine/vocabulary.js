// How prompts are read: exactly as by `Vocabulary.read` in ldm_core/model/vocabulary.py; a test
// compares them. `promptLanguage` takes `Vocabulary.to_dict()`.

import { brief } from "./checks.js";

// Python's whitespace, which differs a little from \s here.
const SPACE =
  "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
// Dots and a colon before a figure separate nothing: "bold:1.1" must not name a 1.
const SEPARATOR = `(?:${SPACE}|[,;!?\\-'"…]|\\.\\.+|[.:](?![-+]?\\.?[0-9]))`;
const UNKNOWN = `(?:(?!${SEPARATOR}).)+`;

export function promptLanguage({ rows, n_classes, places, styles }) {
  const THIRDS = [-1, 0, 1];
  const separator = new RegExp(SEPARATOR, "uy");
  const unknown = new RegExp(UNKNOWN, "suy");

  const names = Object.keys(styles);
  const spellings = rows.flatMap((row, index) => row.map((spelling) => [spelling, index]));
  const length = (text) => [...text].length; // in characters, as Python counts
  const composed = (text) => text.normalize("NFC");
  const tables = [composed, folded].map((form) => [form, table(form)]);
  const known = pattern();
  // The last word of a phrase decides: its row -> property and third.
  const meaning = new Map();
  for (const name of names)
    styles[name].forEach((phrases, i) =>
      phrases.forEach((phrase) => meaning.set(phrase[phrase.length - 1], { name, third: THIRDS[i] })),
    );

  // Reading

  // {rows, label, style, tokens, problems}. tokens: each word, {row, text, start, end}; row is null
  // for a word that is not known. problems: {kind, text} and for a word also {word, nearest, start,
  // end}; a prompt is good if there are none.
  function read(prompt) {
    const tokens = tokenise(prompt);
    const read = tokens.filter((token) => token.row !== null).map((token) => token.row);
    const problems = tokens.filter((token) => token.problem).map(({ problem }) => problem);
    const say = (kind, text) => problems.push({ kind, text });
    if (!problems.length && read.length > places)
      say("length", `A prompt has at most ${places} words, not ${read.length}.`);
    // "two sevens" names two: who mends the unknown word should not meet the next refusal.
    const named = tokens.map(({ row, text }) => row ?? singular(text));
    const labels = [...new Set(named.filter(isClass).map((row) => row - 1))];
    if (labels.length > 1) {
      const [first, second] = labels.map(classWord);
      const advice = `Write ${brief(first)} or ${brief(second)}.`;
      say("class", `A prompt names one class at most, not ${first} and ${second}. ${advice}`);
    }
    const style = {};
    for (const { name, third } of read.map((row) => meaning.get(row)).filter(Boolean)) {
      style[name] ??= third;
      if (style[name] === third || problems.some((one) => one.name === name)) continue;
      const said = [style[name], third].map((one) => usual(name, one)).join(" and ");
      const text = `A prompt says one thing about ${name}, not ${said}.`;
      problems.push({ kind: "style", name, text });
    }
    const first = read.find(isClass);
    return { rows: read, label: first ? first - 1 : null, style, tokens, problems };
  }

  // What is wrong with {prompt, [a property of style]: amount}: with the prompt, or with the room that
  // the style needs.
  function problems(state) {
    const reading = read(state.prompt);
    if (reading.problems.length) return reading.problems;
    const added = names.filter((name) => state[name] && !(name in reading.style));
    const count = (name) => phrasesOf(name, Math.sign(state[name]))[0].length;
    const total = added.reduce((sum, name) => sum + count(name), reading.rows.length);
    if (total <= places) return [];
    const text = `The prompt and its style have ${total} words, and there is room for ${places}.`;
    return [{ kind: "length", text }];
  }

  function tokenise(prompt) {
    const tokens = [], plain = typed(prompt);
    for (let at = 0; at < plain.length; ) {
      const length = matchAt(known, plain, at)?.length ?? 0;
      const row = length ? rowOf(prompt.slice(at, at + length)) : null;
      const gap = matchAt(separator, plain, at);
      if (row) {
        const end = at + length;
        tokens.push({ row, text: prompt.slice(at, end), start: at, end });
        at = end;
      } else if (gap) {
        at += gap.length;
      } else {
        const end = at + matchAt(unknown, plain, at).length;
        const word = prompt.slice(at, end);
        const said = { text: `“${word}” is not known.`, nearest: nearest(word) };
        const problem = { kind: "unknown", ...said, word, start: at, end };
        tokens.push({ row: null, text: word, start: at, end, problem });
        at = end;
      }
    }
    return tokens;
  }

  // The row of the class of which a word is the plural.
  const singular = (word) =>
    ["s", "es"].map((end) => word.endsWith(end) && rowOf(word.slice(0, -end.length))).find(Boolean) ??
    null;

  function matchAt(regexp, text, at) {
    regexp.lastIndex = at;
    return regexp.exec(text)?.[0];
  }

  // The row of a spelling; null if it is new, or if two classes differ from it in case alone.
  function rowOf(spelling) {
    for (const [form, found] of tables) {
      const rows = found.get(form(spelling)) ?? [];
      if (rows.length === 1) return rows[0];
    }
    return null;
  }

  function table(form) {
    const found = new Map();
    for (const [spelling, row] of spellings) {
      const ofIt = found.get(form(spelling)) ?? [];
      if (!ofIt.includes(row)) found.set(form(spelling), [...ofIt, row]);
    }
    return found;
  }

  // Any of the spellings as a whole word, in any white space, the longest first: "boot" must not hide
  // "ankle boot".
  function pattern() {
    const forms = ([s]) => [s.normalize("NFC"), s.normalize("NFD"), folded(s)].map(typed);
    const ordered = [...new Set(spellings.flatMap(forms))].sort((a, b) => length(b) - length(a));
    const escape = (text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
    const escaped = ordered.map((text) => text.split(spaces).map(escape).join(`${SPACE}+`));
    return new RegExp(`(?:${escaped.join("|")})(?=${SEPARATOR}|$)`, "iuy");
  }

  // The spelling that is most like a word: Ratcliff & Metzener 1988, as in Python's difflib.
  function nearest(word) {
    const letters = [...folded(word)];
    const likeness = (spelling) => {
      const other = [...folded(spelling)];
      return (2 * alike(other, letters)) / (other.length + letters.length);
    };
    const all = spellings.map(([spelling]) => spelling);
    return all.reduce((best, one) => (likeness(one) > likeness(best) ? one : best));
  }

  // How many letters two texts share: the longest part of both, and then what is on its two sides.
  function alike(a, b) {
    let size = 0, inA = 0, inB = 0;
    let ends = []; // how long the common part is that ends at the letter before, by place in b
    for (let i = 0; i < a.length; i++) {
      const next = [];
      for (let j = 0; j < b.length; j++) {
        if (a[i] !== b[j]) continue;
        next[j] = (ends[j - 1] ?? 0) + 1;
        if (next[j] > size) [size, inA, inB] = [next[j], i + 1 - next[j], j + 1 - next[j]];
      }
      ends = next;
    }
    if (!size) return 0;
    const before = alike(a.slice(0, inA), b.slice(0, inB));
    return before + size + alike(a.slice(inA + size), b.slice(inB + size));
  }

  const isClass = (row) => row !== null && row >= 1 && row <= n_classes;
  const classWord = (label) => rows[1 + label][0];
  const phrasesOf = (name, third) => styles[name][THIRDS.indexOf(third)];
  const usual = (name, third) => phrasesOf(name, third)[0].map((row) => rows[row][0]).join(" ");

  // Whether more letters could make this a word that is known.
  const isBeginning = (word) =>
    spellings.some(([spelling]) => folded(spelling).startsWith(folded(word)));

  return { read, problems, isBeginning, isClass };
}

const spaces = new RegExp(`${SPACE}+`, "u");

// With any white space as one space.
export const one_line = (text) => text.split(spaces).join(" ");

// Curly quotes, dashes and full-width characters as a plain keyboard writes them. Each stays one
// character.
export const typed = (text) =>
  text
    .replace(/[‘’‚‛]/g, "'")
    .replace(/[“”„‟«»]/g, '"')
    .replace(/[‐‑‒–—―]/g, "-")
    .replace(/[！-～]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) - 0xfee0));

// Python's casefold of the NFC form, with plain white space and quotes. One letter at a time, because the end of a word changes what
// becomes of a sigma; a dotless i is a letter of its own.
export function folded(text) {
  const fold = (letter) =>
    letter === "ı" ? letter : letter.toLowerCase().toUpperCase().toLowerCase();
  return [...one_line(typed(text)).normalize("NFC")].map(fold).join("");
}
