// Prompts: how they are read, and how label and style are written into them. `promptLanguage`
// takes `Vocabulary.to_dict()` and gives functions without side effects; it knows no page. This is
// a module without imports, so that a page can take it in as a plain script too.
//
// It reads exactly as `Vocabulary.read` in ldm_core/model/vocabulary.py does; a test compares them.
// A state is {prompt, label, [a property of style]: amount}; label null leaves the class open.

export function promptLanguage({ rows, n_classes, places, styles, small }) {
  const THIRDS = [-1, 0, 1];
  // Python's whitespace, which differs a little from \s here.
  const SPACE =
    "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
  const SEPARATOR = `[${SPACE},.;:!?\\-]`;
  const separator = new RegExp(SEPARATOR, "uy");
  const unknown = new RegExp(`.(?:(?!${SEPARATOR}).)*`, "suy");

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
      phrases.forEach((phrase) => meaning.set(phrase.at(-1), { name, third: THIRDS[i] })),
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
    const labels = [...new Set(read.filter(isClass).map((row) => row - 1))];
    if (labels.length > 1)
      say("class", `A prompt names one class at most, not ${both(labels.map(classWord))}.`);
    const style = {};
    for (const { name, third } of read.map((row) => meaning.get(row)).filter(Boolean)) {
      style[name] ??= third;
      if (style[name] === third || problems.some((one) => one.name === name)) continue;
      const said = both([style[name], third].map((one) => usual(name, one)));
      const text = `A prompt says one thing about ${name}, not ${said}.`;
      problems.push({ kind: "style", name, text });
    }
    return { rows: read, label: labels[0] ?? null, style, tokens, problems };
  }

  // What is wrong with a state: with its prompt, or with the room that its style needs.
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
    const tokens = [];
    for (let at = 0; at < prompt.length; ) {
      const match = matchAt(known, prompt, at);
      const row = match ? rowOf(match) : null;
      if (row) {
        tokens.push({ row, text: match, start: at, end: at + match.length });
        at += match.length;
      } else if (matchAt(separator, prompt, at)) {
        at += 1;
      } else {
        const word = matchAt(unknown, prompt, at);
        const place = { start: at, end: at + word.length };
        const text = `“${word}” is not known.`;
        const problem = { kind: "unknown", text, word, nearest: nearest(word), ...place };
        tokens.push({ row: null, text: word, ...place, problem });
        at = place.end;
      }
    }
    return tokens;
  }

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

  // Any of the spellings as a whole word, the longest first: "boot" must not hide "ankle boot".
  function pattern() {
    const forms = ([s]) => [s.normalize("NFC"), s.normalize("NFD"), folded(s)];
    const ordered = [...new Set(spellings.flatMap(forms))].sort((a, b) => length(b) - length(a));
    const escaped = ordered.map((text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
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

  // Writing. A prompt that a key or a slider changes is put together again from its words.

  const both = (words) => words.slice(0, 2).join(" and ");
  const isClass = (row) => row !== null && row >= 1 && row <= n_classes;
  const classWord = (label) => rows[1 + label][0];
  const phrasesOf = (name, third) => styles[name][THIRDS.indexOf(third)];
  const usual = (name, third) => phrasesOf(name, third)[0].map((row) => rows[row][0]).join(" ");
  const isWord = (token, ...words) =>
    Boolean(token) && token.row > n_classes && words.includes(rows[token.row][0]);
  const says = (token, name) => meaning.get(token?.row)?.name === name;
  const isStyle = (token) => meaning.has(token?.row);
  // The words that come before the last one of a phrase, as "leaning" in "leaning left".
  const carriers = new Set(Object.values(styles).flat(2).flatMap((phrase) => phrase.slice(0, -1)));
  const carries = (token) => carriers.has(token?.row);
  const isLong = (name) => styles[name].flat().some((phrase) => phrase.length > 1);

  const hasArticles = ["a", "an"].every((word) => rows.findLastIndex(([w]) => w === word) > n_classes);
  const isArticle = (token) => hasArticles && isWord(token, "a", "an");
  const fitted = (article, { text }) => {
    const fitting = /^(?!one\b)[aeiou]/i.test(text) ? "an" : "a";
    return article.toLowerCase() === fitting ? article : fitting;
  };

  const fit = (token, i, { [i + 1]: next }) =>
    isArticle(token) && next ? fitted(token.text, next) : token.text;

  // What only held other words together is no prompt.
  const written = (tokens) =>
    tokens.every(({ row }) => small.includes(row))
      ? ""
      : tokens.map(fit).join(" ");

  // The prompt with another class, or with none (null).
  function withLabel(prompt, label) {
    const { tokens, label: said } = read(prompt);
    const count = new Set(tokens.filter(({ row }) => isClass(row)).map(({ row }) => row)).size;
    if (count <= 1 && said === label) return prompt;
    const at = tokens.findIndex(({ row }) => isClass(row));
    const rest = tokens.filter(({ row }) => !isClass(row));
    if (label === null) return written(rest);
    rest.splice(at < 0 ? placeOfClass(rest) : at, 0, { text: classWord(label), row: 1 + label });
    return written(rest);
  }

  // Before "leaning left" and "with bold strokes", otherwise last.
  function placeOfClass(tokens) {
    const at = tokens.findIndex((token) => carries(token) || isWord(token, "with"));
    return at < 0 ? tokens.length : at;
  }

  // The prompt with another amount of a property. Only the ends are words; what is between them is
  // for the slider alone.
  function withStyle(prompt, name, amount) {
    const isEnd = Math.abs(amount) === 1;
    const { tokens: before } = read(prompt);
    const said = before.filter((token) => says(token, name));
    const isSaid = ({ row }) => meaning.get(row).third === amount;
    if (isEnd && said.length && said.every(isSaid)) return prompt;
    const tokens = withoutStyle(before, name);
    if (!isEnd) return written(tokens);
    const phrase = { text: usual(name, amount), row: phrasesOf(name, amount)[0].at(-1) };
    tokens.splice(placeOfStyle(tokens, name), 0, phrase);
    return written(tokens);
  }

  // Long phrases stand after the class, single words before it: "bold wide seven leaning left".
  function placeOfStyle(tokens, name) {
    const ofClass = tokens.findIndex(({ row }) => isClass(row));
    if (isLong(name)) return ofClass < 0 ? placeOfClass(tokens) : ofClass + 1;
    let at = ofClass < 0 ? placeOfClass(tokens) : ofClass;
    const isLater = (token) => names.indexOf(meaning.get(token.row).name) > names.indexOf(name);
    while (at && isStyle(tokens[at - 1]) && isLater(tokens[at - 1])) at -= 1;
    return at;
  }

  // Without the words of a property, nor those that would be left hanging: "leaning to the" left,
  // "with" bold "strokes", bold "and" wide.
  function withoutStyle(tokens, name) {
    const left = [...tokens];
    for (;;) {
      const at = left.findIndex((token) => says(token, name));
      if (at < 0) return left;
      let from = at;
      let to = at + 1;
      while (isWord(left[from - 1], "to", "the")) from -= 1;
      if (carries(left[from - 1])) from -= 1;
      else while (from < at && isWord(left[from], "the")) from += 1;
      if (isWord(left[from - 1], "and")) from -= 1;
      else if (isWord(left[to], "and")) to += 1;
      if (isWord(left[to], "strokes") && !isStyle(left[from - 1])) {
        to += 1;
        if (isWord(left[from - 1], "with")) from -= 1;
      }
      left.splice(from, to - from);
    }
  }

  // Keeping in step

  // Somebody has written in the prompt: keys and sliders follow. A slider at an end was put there
  // by a word, and goes back to 0 with it; between the ends it speaks for itself.
  function typed(state) {
    const { rows: said, label, style } = read(state.prompt);
    const isOpen = new Set(said.filter(isClass)).size > 1;
    const amounts = names.map((name) => {
      const own = Math.abs(state[name]) === 1 ? 0 : state[name];
      return [name, style[name] ?? own];
    });
    return { ...state, label: isOpen ? state.label : label, ...Object.fromEntries(amounts) };
  }

  // A key has been pressed.
  const pressed = (state) => ({ ...state, prompt: withLabel(state.prompt, state.label) });

  // A slider has been moved.
  const moved = (state, name) => ({ ...state, prompt: withStyle(state.prompt, name, state[name]) });

  // The values have come from elsewhere, as from a link: they may lack their prompt.
  function settled(state) {
    if (state.prompt) return typed(state);
    const ends = names.filter((name) => Math.abs(state[name]) === 1);
    return ends.reduce(moved, pressed(state));
  }

  // Prompts to start from; with other classes, other words. Only what the model knows.
  function examples() {
    const one = (label) => classWord(label % n_classes);
    const wanted = [
      `a bold ${one(7)} leaning left`,
      `a wide ${one(3)}`,
      `thin narrow ${one(8)}`,
      "leaning right",
    ];
    return wanted.filter((prompt) => !read(prompt).problems.length);
  }

  // Whether more letters could make this a word that is known.
  const isBeginning = (word) =>
    spellings.some(([spelling]) => folded(spelling).startsWith(folded(word)));

  return { read, problems, typed, pressed, moved, settled, examples, isBeginning };
}

// Python's casefold of the NFC form. One letter at a time, because the end of a word changes what
// becomes of a sigma; a dotless i is a letter of its own.
export function folded(text) {
  const fold = (letter) =>
    letter === "ı" ? letter : letter.toLowerCase().toUpperCase().toLowerCase();
  return [...text.normalize("NFC")].map(fold).join("");
}
