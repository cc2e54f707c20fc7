// Keeps prompt, keys and sliders in step. The prompt moves keys and sliders; a key replaces the
// class in the prompt; a slider that is moved speaks for itself, and the prompt of it no longer.

// vocabulary: as of `Vocabulary.to_dict`. language: see engine/vocabulary.js. labels: their texts,
// that of no label last.
export class InStep {
  constructor(vocabulary, language, labels) {
    Object.assign(this, { vocabulary, language, labels });
    const phrases = Object.entries(vocabulary.styles).flatMap(([name, thirds]) =>
      thirds.flat().map((phrase) => ({ name, phrase })),
    );
    // The last word of a phrase decides; those before it are as "leaning" in "leaning left".
    this.said_by = new Map(phrases.map(({ name, phrase }) => [phrase[phrase.length - 1], name]));
    this.carriers = new Set(phrases.flatMap(({ phrase }) => phrase.slice(0, -1)));
  }

  // The values of all controls when the one of that name has changed; null: they came from
  // elsewhere, as from a link.
  after(values, changed) {
    const { styles } = this.vocabulary;
    if (changed in styles) return { ...values, prompt: this.#without(values.prompt, changed) };
    if (changed === "label" || (changed === null && !values.prompt))
      return { ...values, prompt: this.#with_label(values.prompt, values.label) };
    if (changed !== "prompt" && changed !== null) return values;
    const { label, style, problems } = this.language.read(values.prompt);
    const is_open = problems.some(({ kind }) => kind === "class");
    const amounts = Object.keys(styles).map((name) => {
      // A slider at an end was put there by a word, and goes back with it.
      const own = changed && Math.abs(values[name]) === 1 ? 0 : values[name];
      return [name, style[name] ?? own];
    });
    const key = is_open ? values.label : this.labels[label ?? this.labels.length - 1];
    return { ...values, label: key, ...Object.fromEntries(amounts) };
  }

  #with_label(prompt, text) {
    const index = this.labels.indexOf(text);
    const label = index === this.labels.length - 1 ? null : index;
    const { tokens, label: said } = this.language.read(prompt);
    if (said === label) return prompt;
    const is_class = ({ row }) => this.language.isClass(row);
    const left = tokens.filter((token) => !is_class(token));
    const [first] = tokens.filter(is_class);
    const leads = ({ row }) => this.carriers.has(row) || this.#word(row) === "with";
    const before = left.findIndex(leads);
    const at = first ? tokens.indexOf(first) : before < 0 ? left.length : before;
    if (label !== null) left.splice(at, 0, { row: 1 + label, text: this.#word(1 + label) });
    return this.#written(left);
  }

  // Without the words of a property, nor those that lead to them, as "leaning to the" left.
  #without(prompt, name) {
    const { tokens } = this.language.read(prompt);
    const goes = tokens.map(({ row }) => this.said_by.get(row) === name);
    if (!goes.includes(true)) return prompt;
    const leads = ({ row }) =>
      this.carriers.has(row) || ["to", "the", "with"].includes(this.#word(row));
    for (let i = tokens.length - 2; i >= 0; i--) goes[i] ||= goes[i + 1] && leads(tokens[i]);
    return this.#written(tokens.filter((_, i) => !goes[i]));
  }

  #word(row) {
    return row === null ? null : this.vocabulary.rows[row][0];
  }

  // What only held other words together is no prompt.
  #written(tokens) {
    if (tokens.every(({ row }) => this.vocabulary.small.includes(row))) return "";
    const is_article = ({ row }) =>
      ["a", "an"].includes(this.#word(row)) && !this.language.isClass(row);
    const fitting = (next) => (/^(?!one\b)[aeiou]/i.test(next.text) ? "an" : "a");
    return tokens
      .map((one, i) => (is_article(one) && tokens[i + 1] ? fitting(tokens[i + 1]) : one.text))
      .join(" ");
  }
}
