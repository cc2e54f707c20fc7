// What is shown and asked on one tab. Every part reads it, and hears of what it needs; no part
// knows another.
//
//   controls     the values of the controls, by name; `own`: values that a part adds to them
//   moved        counts the changes that somebody has made to them
//   state        of the run: example, waiting, running, done, stopped or failed; `status` in words
//   run          the run that is shown: {settings, name, steps, pictures, ...}, see runs.js
//   came         counts its pictures; `ended`: all have come
//   shown        index of the step on the screens; `at`: the one that live pictures are to show
//   is_live      the pictures follow the controls
export class Store {
  #hearers = new Set();

  constructor(values = {}) {
    Object.assign(this, values);
  }

  // Change some of it, and tell those who hear of them.
  set(changes) {
    const changed = Object.keys(changes).filter((key) => this[key] !== changes[key]);
    Object.assign(this, changes);
    for (const { keys, hear } of [...this.#hearers])
      if (keys.some((key) => changed.includes(key))) hear(this);
  }

  // Call `hear` when one of the keys has changed. Returns a function that ends that.
  subscribe(keys, hear) {
    const hearer = { keys, hear };
    this.#hearers.add(hearer);
    return () => this.#hearers.delete(hearer);
  }
}
