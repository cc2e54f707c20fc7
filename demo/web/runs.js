// The runs of one tab: from a request to the store, step by step. The newest request wins.
//
// A run in the store is what the engine's `check` says, {settings, name, steps, ...}, and
// {request, is_live, pictures, glance}. pictures: one for each step, as `shown_of` makes them; of a
// grid a list for each cell, of the greys of its steps. glance: the only picture of a run that
// follows the controls, while they move.

import { address, bytes_of, distance, step_of } from "./pictures.js";
import { caption_of } from "./words.js";

// How what comes after the first message gets into a run; the first says what `check` does.
const ADD = { denoise: add_step, grid: add_cells, morph: add_images };

const OF_PEOPLE = /^(Input|User|Busy|Lost|Load|NonFinite)Error$/;

export class Runs {
  #store;
  #engine;
  #kind;
  #ready;
  #controller = new AbortController();
  // Of the pictures that follow the controls: how many were asked for, the newest shown
  #glances = {};

  // kind: the engine's stream, "denoise", "grid" or "morph". ready: resolves when the engine can be
  // asked.
  constructor(store, engine, kind, ready = async () => {}) {
    [this.#store, this.#engine, this.#kind, this.#ready] = [store, engine, kind, ready];
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
      if (store.run) store.run = { ...store.run, is_live: false };
      store.set({ state: "waiting", status: "Waiting for the model…" });
    }
    try {
      await this.#ready();
      signal.throwIfAborted();
      for await (const said of this.#engine[this.#kind](request, signal)) {
        if (signal.aborted) return;
        if (said.name) this.#open({ ...said, request, is_live });
        else if (ADD[this.#kind](store.run, said)) store.set({ came: store.came + 1 });
      }
      store.set({ ended: true });
    } catch (error) {
      if (!signal.aborted) store.set({ state: "failed", status: this.#reason(error) });
    }
  }

  // One picture of a request that follows the controls: of the step that the store's `at` says.
  // Returns whether it was drawn; what is refused is said.
  async glance(request) {
    // Pictures that follow each other do not end each other: the newest that is there is shown.
    if (this.#glances.signal !== this.#controller.signal)
      this.#glances = { signal: this.#next_signal(), asked: 0, shown: 0 };
    const glances = this.#glances;
    const { signal } = glances;
    const turn = ++glances.asked;
    const store = this.#store;
    try {
      const said = await this.#engine.glance(request, store.at ?? null, signal);
      const { index, t, noise_level, x_t, x_0, latent, ...run } = said;
      if (signal.aborted || turn < glances.shown) return false;
      glances.shown = turn;
      const is_here = JSON.stringify(run.settings) === JSON.stringify(store.run.settings);
      if (is_here && store.run.pictures.length > store.run.steps) return false;
      const glance = shown_of({ index, t, noise_level, x_t, x_0, latent });
      Object.assign(run, { request, is_live: true, pictures: [], glance });
      store.set({ run, came: 0, ended: false, state: "done", status: done_in(run) });
      return true;
    } catch (error) {
      if (!signal.aborted) store.set({ status: this.#reason(error) });
      return false;
    }
  }

  // Stop; steps that have come and were not shown never appear.
  stop() {
    this.#controller.abort();
    const store = this.#store;
    if (!is_busy(store)) return;
    const { run, shown, state } = store;
    let done = "";
    if (state === "running" && this.#kind === "grid") done = ` after ${drawn(run)}`;
    if (state === "running" && this.#kind === "denoise") {
      run.pictures.length = Math.min(run.pictures.length, Math.max(shown, 0) + 1);
      done = ` after ${count(Math.max(shown, 0), "step")}`;
    }
    const status = this.#named(`Stopped${done}. Generate starts it again.`);
    store.set({ came: -1, state: "stopped", status });
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
    run.pictures = this.#kind === "grid" ? run.cells.map(() => []) : [];
    this.#store.set({ run, came: 0, ended: false, state: "running", status: "Drawing…" });
  }

  #reason(error) {
    return this.#named(reason(error));
  }

  // With the name that the button of this tab has.
  #named(text) {
    return this.#kind === "grid" ? text.replace("Generate", "Compare") : text;
  }
}

function add_step(run, { remark, steps, ...step }) {
  if (remark) run.remark = remark;
  if (!step.x_t || step.index !== run.pictures.length) return false;
  run.pictures.push(shown_of(step, run.pictures[run.pictures.length - 1]));
  run.steps = steps ?? run.steps;
  return true;
}

function add_cells(run, { cells = [], index, pictures }) {
  cells.forEach((cell, i) => (run.pictures[cell][index] = pictures[i]));
  return cells.length > 0;
}

// All pictures of a morph come together, each with the noise that it began with.
function add_images(run, { images, noises }) {
  if (images) run.pictures = images.map((image, i) => morph_step(run, i, image, noises[i]));
  return Boolean(images);
}

function morph_step({ settings }, index, image, noise) {
  return { index, caption: caption_of(settings, index), x_t: address(image), x_0: address(noise) };
}

export const is_busy = ({ state }) => ["waiting", "running"].includes(state);

export const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
const drawn = ({ cells, pictures }) =>
  `${pictures.filter((of_cell, i) => of_cell.length > cells[i].steps).length} of ` +
  count(cells.length, "cell");

// What there is to say of a run that is done.
export function done_in(run) {
  if (run.remark) return run.remark;
  if (run.settings.morph) return `${count(run.steps + 1, "picture")}, and the GIF goes on for ever.`;
  return `Done in ${count(run.steps, "step")}.`;
}

// What is shown of a step: its pictures as addresses, and how far the estimate has moved since the
// step before, in grey levels.
function shown_of({ x_t, x_0, latent, ...step }, before) {
  const moved = before?.estimate && x_0 ? distance(x_0, before.estimate) : null;
  const [decoded, estimate, maps] = [x_t, x_0, latent].map((greys) => greys && address(greys));
  return { moved, ...step, greys: x_t, estimate: x_0, x_t: decoded, x_0: estimate, latent: maps };
}

// A run that comes with the page, as it stands in its JSON.
export function example_of({ pictures, ...run }) {
  if (run.settings.morph) {
    const step = ([i, ...greys]) => morph_step(run, i, ...greys.map(bytes_of));
    return { ...run, pictures: pictures.map(step) };
  }
  const shown = [];
  for (const step of pictures) shown.push(shown_of(step_of(step), shown[shown.length - 1]));
  return { ...run, pictures: shown };
}

// What people read of an error.
export function reason({ name, message }) {
  if (OF_PEOPLE.test(name)) return message;
  return `Something went wrong in this browser: ${message}. Reload the page.`;
}
