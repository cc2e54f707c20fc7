// The engine as a page uses it: one picture at a time, step by step, computed in Web Workers.
//
//     const engine = new Engine("model/", { workers: 2 });
//     await engine.load(({ loaded, total }) => ...);
//     for await (const step of engine.denoise({ asked: 7, seed: 11 }, signal)) ...
//
// Every error has a name and a message that people can read: LoadError where the engine cannot be
// had, InputError for what may not be asked, AbortError for what was stopped.

import { LoadError, check_browser, explained, fetch_files, fetch_json } from "./loading.js";
import { Remote } from "./remote.js";

export { LoadError };

const WORKER = new URL("./worker.js", import.meta.url);

export class Engine {
  #base;
  #count;
  #painter = null; // makes the steps
  #decoder = null; // makes pictures of them, if it is not the painter that does
  #newest = { stop() {}, ended: Promise.resolve() }; // the run that `latest` began last

  // base: address of the folder with model.json. workers: 1 or 2. The second makes the pictures
  // while the first goes on to the next step.
  constructor(base, { workers = 1 } = {}) {
    this.#base = new URL(base, document.baseURI);
    this.#count = workers;
  }

  // Fetch the model and make it ready to run; then `model` is {class_names, config, vocabulary,
  // defaults, weights}, as in ldm_core/export/model_json.py. on_progress: told {loaded, total} in
  // bytes; what comes after the last byte takes about a second. Throws LoadError; it may be tried
  // again.
  async load(on_progress = () => {}) {
    check_browser();
    try {
      const { files, ...about } = await fetch_json("model.json", this.#base);
      const { runtime, ...others } = files;
      const { wasm, ...graphs } = await fetch_files(others, this.#base, on_progress);
      const shared = { runtime: new URL(runtime.path, this.#base).href, wasm, about };
      await this.#start_workers(shared, graphs);
      this.model = { class_names: about.config.conditioning.class_names, ...about };
    } catch (cause) {
      this.close();
      throw explained(cause);
    }
  }

  // Each has a memory of its own, and only those networks that it runs.
  async #start_workers(shared, graphs) {
    const each = this.#count > 1 ? [["prompt", "unet"], ["decoder"]] : [Object.keys(graphs)];
    const workers = each.map(() => new Remote(WORKER));
    [this.#painter, this.#decoder = null] = workers;
    const prepare = (worker, i) => {
      const own = Object.fromEntries(each[i].map((name) => [name, graphs[name]]));
      return worker.call("load", { ...shared, graphs: own }).ended;
    };
    await Promise.all(workers.map(prepare));
  }

  // Step by step, the start first: {index, steps, t, noise_level, x_t, x_0, latent}.
  //
  // index: 0 (the start) to steps. t: the time reached, from 1 down to 0. noise_level: how much
  // noise there is, sqrt(1 - alpha_bar). x_t, x_0: Uint8ClampedArray (28 * 28), the pictures of the
  // latent and of the estimate that the step used; x_0 is null at the start. latent: x_t itself,
  // Float32Array (4 * 8 * 8).
  // request: {asked, seed, negative, style, settings}. asked: a class index, null or a prompt;
  // negative and style as in Python. seed: a whole number, or none for any. settings: fields of
  // `SamplingSettings`; the others are as in the model's defaults.
  // signal: an AbortSignal. Once it is aborted the worker stops within a step, and this throws its
  // reason. Steps do not wait until they are asked for.
  async *denoise(request, signal = null) {
    signal?.throwIfAborted();
    const steps = new Queue();
    const drawn = (step) => this.#drawn(step, signal);
    let before = null; // pictures come in the order of the steps
    const asks = { ...request, draws: !this.#decoder };
    const run = this.#painter.call("denoise", asks, (step) =>
      steps.add((before = before ? before.then(() => drawn(step)) : drawn(step))),
    );
    run.ended.then(() => steps.end(), (error) => steps.add(Promise.reject(error)));
    signal?.addEventListener("abort", run.stop);
    try {
      for await (const step of steps) {
        signal?.throwIfAborted();
        yield step;
      }
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    } finally {
      signal?.removeEventListener("abort", run.stop);
      run.stop();
      await run.ended.catch(() => {});
    }
  }

  // Begin a run at once, and stop the one that was begun so before. on_step: called with each step.
  // Resolves to {done}: true after the last step, false if a newer run has taken its place.
  async latest(request, on_step) {
    const controller = new AbortController();
    const before = this.#newest;
    const run = async () => {
      before.stop();
      await before.ended;
      try {
        for await (const step of this.denoise(request, controller.signal)) on_step(step);
        return { done: true };
      } catch (error) {
        if (controller.signal.aborted) return { done: false };
        throw error;
      }
    };
    const result = run();
    this.#newest = { stop: () => controller.abort(), ended: result.catch(() => {}) };
    return result;
  }

  // Stop the run that `latest` began last; it resolves to {done: false}.
  stop() {
    this.#newest.stop();
  }

  // End the workers, and give back their memory.
  close() {
    this.#painter?.close();
    this.#decoder?.close();
  }

  async #drawn({ latents, pictures, ...step }, signal) {
    signal?.throwIfAborted();
    const [x_t, x_0 = null] = pictures ?? (await this.#decoder.ask("decode", latents));
    return { ...step, x_t, x_0, latent: latents[0] };
  }
}

// Promises in the order in which they were added, as an asynchronous iterable.
class Queue {
  #promises = [];
  #ended = false;
  #wake = () => {};

  add(promise) {
    promise.catch(() => {}); // whoever reads this far is told
    this.#promises.push(promise);
    this.#wake();
  }

  end() {
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      while (this.#promises.length) yield await this.#promises.shift();
      if (this.#ended) return;
      await new Promise((resolve) => (this.#wake = resolve));
    }
  }
}
