// The runs of one tab: from a request to the store, step by step. The newest request wins.
//
// A run in the store is {settings, line, name, steps} as the engine says it, and {request, unit,
// is_live, pictures, glance}: pictures, one for each step, as `shown_of` makes them; glance: the only
// picture of a run that follows the controls, while they move.

import { address, distance, step_of } from "./pictures.js";

const OF_PEOPLE = /^(Input|User|Busy|Lost|Load|NonFinite)Error$/;

export class Runs {
  #store;
  #engine;
  #kind;
  #ready;
  #controller = new AbortController();

  // kind: the engine's stream, "denoise" or "morph". ready: resolves when the engine can be asked.
  constructor(store, engine, { kind = "denoise", ready = async () => {} } = {}) {
    this.#store = store;
    this.#engine = engine;
    this.#kind = kind;
    this.#ready = ready;
  }

  // Whether a run goes on that somebody has started.
  get is_busy() {
    return is_busy(this.#store) && !this.#store.run.is_live;
  }

  // Run a request. is_live: it follows the controls, and takes nothing away before it has begun.
  async start(request, is_live = false) {
    const signal = this.#next_signal();
    const store = this.#store;
    if (!is_live) {
      store.run = { ...store.run, is_live: false };
      store.set({ state: "waiting", status: "Waiting for the model…" });
    }
    try {
      await this.#ready();
      signal.throwIfAborted();
      for await (const said of this.#engine[this.#kind](request, signal)) {
        if (signal.aborted) return;
        if (said.settings) this.#open({ ...said, request, is_live });
        else if (said.x_t) this.#add(said);
        else Object.assign(store.run, said); // as a remark
      }
      store.set({ ended: true });
    } catch (error) {
      if (!signal.aborted) store.set({ state: "failed", status: reason(error) });
    }
  }

  // One picture of a request that follows the controls: of the step that the store's `at` says.
  // Returns whether it was drawn; what is refused is said.
  async glance(request) {
    const signal = this.#next_signal();
    const store = this.#store;
    try {
      const { index, t, noise_level, x_t, x_0, latent, ...said } = await this.#engine.glance(
        request,
        store.at ?? null,
        signal,
      );
      if (signal.aborted) return false;
      const glance = shown_of({ index, t, noise_level, x_t, x_0, latent });
      const is_here = JSON.stringify(said.settings) === JSON.stringify(store.run.settings);
      if (is_here && store.run.pictures.length > store.run.steps) return false;
      const run = { ...said, request, is_live: true, pictures: [], glance };
      store.set({ run, came: 0, ended: false, state: "done", status: done_in(run) });
      return true;
    } catch (error) {
      if (!signal.aborted) store.set({ status: reason(error) });
      return false;
    }
  }

  // Stop; steps that have come and were not shown never appear.
  stop() {
    this.#controller.abort();
    const { state, run, shown } = this.#store;
    if (state === "waiting") {
      this.#store.set({ state: "stopped", status: "Stopped. Generate starts it again." });
    } else if (state === "running") {
      const steps = Math.max(shown, 0);
      run.pictures.length = Math.min(run.pictures.length, steps + 1);
      const status = `Stopped after ${count(steps, run)}. Generate starts it again.`;
      this.#store.set({ came: run.pictures.length, state: "stopped", status });
    }
  }

  // End a whole run that follows the controls: they have moved on.
  drop() {
    const { state, run } = this.#store;
    if (state !== "running" || !run.is_live) return;
    this.#controller.abort();
    this.#store.set({ state: "done" });
  }

  #next_signal() {
    this.#controller.abort();
    this.#controller = new AbortController();
    return this.#controller.signal;
  }

  #open(run) {
    run.pictures = [];
    this.#store.set({ run, came: 0, ended: false, state: "running", status: "Drawing…" });
  }

  #add(step) {
    const { run } = this.#store;
    if (step.index !== run.pictures.length) return; // the end says the last once more
    run.pictures.push(shown_of(step, run.pictures[run.pictures.length - 1]));
    run.steps = step.steps ?? run.steps;
    this.#store.set({ came: run.pictures.length });
  }
}

export const is_busy = ({ state }) => ["waiting", "running"].includes(state);

const count = (steps, { unit = "Step" }) => `${steps} ${unit.toLowerCase()}${steps === 1 ? "" : "s"}`;
export const done_in = (run) => run.remark ?? `Done in ${count(run.steps, run)}.`;

// What is shown of a step: its pictures as addresses, and how far the estimate has moved since the
// step before, in grey levels.
function shown_of({ x_t, x_0, latent, ...step }, before) {
  const moved = before?.estimate && x_0 ? distance(x_0, before.estimate) : null;
  const [decoded, estimate, maps] = [x_t, x_0, latent].map((greys) => greys && address(greys));
  return { moved, ...step, estimate: x_0, x_t: decoded, x_0: estimate, latent: maps };
}

// A run that comes with the page, as it stands in its JSON.
export function example_of({ pictures, ...run }) {
  const shown = [];
  for (const step of pictures) shown.push(shown_of(step_of(step), shown[shown.length - 1]));
  return { ...run, pictures: shown };
}

// What people read of an error.
export function reason({ name, message }) {
  if (OF_PEOPLE.test(name)) return message;
  return `Something went wrong in this browser: ${message}. Reload the page.`;
}
