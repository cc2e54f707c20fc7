// Runs: from requests to messages for the player, as `Runner.messages` in demo/runs.py makes them,
// and to the files of a picture. The newest request wins.

import { LATENT_SHAPE, PICTURE_SIDE } from "../engine/config.js";
import { data_uri } from "./png.js";

// A live run that is about to be done in this time goes on to its end when a newer request comes,
// or nothing would be seen while somebody moves a slider.
const PATIENCE_MS = 500;
const REST_MS = 150; // after a live run; then it has files, too
const OF_PEOPLE = ["InputError", "LoadError", "NonFiniteError", "UserError"];

export class Drawing {
  #engine;
  #tell;
  #scales;
  #run = null; // the newest, {id, request, live, frames, began_at}
  #next = null; // the request of the live run that comes after it
  #step_ms = 0; // what a step took lately
  #count = 0;
  #worker = null;
  #addresses = []; // of the files that are offered

  // engine: as soon as it is loaded. tell: {message, failed}, functions that take a message for the
  // player, and a text that says why a run failed. scales: {gif, png}.
  constructor(engine, tell, scales) {
    this.#engine = engine;
    this.#tell = tell;
    this.#scales = scales;
  }

  // Draw what is requested, and whatever was being drawn no longer.
  async draw(request, live = false) {
    this.stop();
    const id = `run-${++this.#count}`;
    const run = { id, request, live, frames: [], began_at: performance.now() };
    this.#run = run;
    this.#give(run, {});
    try {
      const { done } = await this.#engine.latest(request.asks(), (step) => this.#came(run, step));
      if (!done || run !== this.#run) return;
      this.#step_ms = (performance.now() - run.began_at) / request.values.steps;
      run.is_done = true;
      if (this.#next) return this.draw(this.#next, true);
      await this.#offer_files(run);
    } catch (error) {
      if (run === this.#run) this.#tell.failed(reason(error));
    }
  }

  // Draw what is requested while somebody moves a control.
  follow(request) {
    if (this.#is_nearly_done()) this.#next = request;
    else this.draw(request, true);
  }

  // Show a request as a run that was stopped before it began.
  give_up(request) {
    this.#give({ id: `run-${++this.#count}`, request, live: false }, {});
  }

  // The run that is going on, if any, shows and offers nothing any more.
  stop() {
    this.#run = null;
    this.#next = null;
    this.#engine.stop();
  }

  #is_nearly_done() {
    const run = this.#run;
    if (!run?.live || run.is_done) return false;
    return (run.request.values.steps + 1 - run.frames.length) * this.#step_ms < PATIENCE_MS;
  }

  #came(run, { index, x_t, x_0, noise_level, latent }) {
    if (run !== this.#run) return;
    run.frames.push(x_t);
    const moved = x_0 && run.estimate && distance(x_0, run.estimate);
    run.estimate = x_0;
    const [picture, estimate] = [x_t, x_0].map((one) => one && data_uri(one, PICTURE_SIDE));
    const maps = data_uri(latent_picture(latent), 2 * LATENT_SHAPE[1]);
    const views = { latent: maps, x_t: picture, x_0: estimate };
    this.#give(run, { pictures: [{ index, ...views, noise_level, moved }] });
  }

  #give({ id, request, live }, message) {
    const header = {
      run: id,
      steps: request.values.steps,
      settings: request.settings(),
      line: request.line(),
      name: request.file_name(),
    };
    this.#tell.message({ ...header, live, pictures: [], ...message });
  }

  // The last message. Files of a live run wait until the controls rest.
  async #offer_files(run) {
    if (run.live) await new Promise((done) => setTimeout(done, REST_MS));
    if (run !== this.#run) return;
    const files = await this.#files(run);
    if (run !== this.#run) return;
    this.#addresses.forEach(URL.revokeObjectURL);
    this.#addresses = [];
    if (files.error) return this.#give(run, { no_files: `There are no files: ${files.error}` });
    this.#addresses = [files.gif, files.png].map(URL.createObjectURL);
    const [gif, png] = this.#addresses.map((url) => ({ url }));
    this.#give(run, { gif, png });
  }

  // {gif, png}, Blobs, or {error}.
  #files({ id, request, frames }) {
    this.#worker ??= new Worker(new URL("./files.js", import.meta.url), { type: "module" });
    const about = (scale) => ({ scale, settings: request.stored(scale) });
    const [gif, png] = [about(this.#scales.gif), about(this.#scales.png)];
    this.#worker.postMessage({ id, frames, side: PICTURE_SIDE, gif, png });
    return new Promise((resolve) => {
      const answered = (event) => {
        if (event.type === "message" && event.data.id !== id) return;
        this.#worker?.removeEventListener("message", answered);
        this.#worker?.removeEventListener("error", answered);
        if (event.type === "error") this.#worker = null; // the next time it may load
        resolve(event.data ?? { error: "a part of the page did not load." });
      };
      this.#worker.addEventListener("message", answered);
      this.#worker.addEventListener("error", answered);
    });
  }
}

export function reason({ name, message }) {
  if (OF_PEOPLE.includes(name)) return message;
  return `Something went wrong in this browser: ${message}. Reload the page.`;
}

// As in demo/runs.py: the root mean square, in grey levels.
function distance(a, b) {
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0) / a.length);
}

// As in demo/runs.py: the four channels, in two rows of two.
function latent_picture(latent) {
  const side = LATENT_SHAPE[1];
  const grey = (value) => Math.round(Math.min(Math.max(127.5 + 42.5 * value, 0), 255));
  return Uint8Array.from({ length: 4 * side * side }, (_, at) => {
    const [y, x] = [Math.floor(at / (2 * side)), at % (2 * side)];
    const channel = 2 * Math.floor(y / side) + Math.floor(x / side);
    return grey(latent[(channel * side + (y % side)) * side + (x % side)]);
  });
}
