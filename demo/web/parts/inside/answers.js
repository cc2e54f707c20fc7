// What the engine says to the panels. A panel asks for all that it shows whenever it draws itself;
// what is not there yet is null, and the panel is drawn again when it has come.

import { reason } from "../../runs.js";

const KEPT = 40; // answers, the newest

export class Answers {
  #engine;
  #come;
  #known = new Map(); // what and given, as JSON -> the answer, or null after an error
  #asking = {}; // by what: the key that is under way; of the others, `#next` keeps the newest
  #next = {};

  // come: called when an answer has come, with {error} in words where there is none.
  constructor(engine, come) {
    this.#engine = engine;
    this.#come = come;
  }

  // The answer of `engine.inside(what, given)`, or null while it is not there.
  get(what, given) {
    const key = JSON.stringify([what, given]);
    if (this.#known.has(key)) return this.#known.get(key);
    if (this.#asking[what] !== key) {
      this.#next[what] = { key, given };
      if (!this.#asking[what]) this.#ask(what);
    }
    return null;
  }

  async #ask(what) {
    while (this.#next[what]) {
      const { key, given } = this.#next[what];
      delete this.#next[what];
      this.#asking[what] = key;
      const said = {};
      const answer = await this.#engine.inside(what, given).catch((error) => {
        said.error = reason(error);
        return null;
      });
      this.#asking[what] = null;
      this.#known.set(key, answer);
      if (this.#known.size > KEPT) this.#known.delete(this.#known.keys().next().value);
      this.#come(said);
    }
  }
}

// The part of an array {shape, data} with that index.
export function at({ shape: [, ...rest], data }, index) {
  const size = rest.reduce((product, side) => product * side, 1);
  return data.subarray(index * size, (index + 1) * size);
}
