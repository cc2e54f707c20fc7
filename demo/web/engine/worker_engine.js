// The engine of a page without a server: the model in Web Workers, with the methods and results of
// remote_engine.js.
//
// Errors have a message for people, and a name: InputError for what cannot be drawn, LoadError where
// the model cannot be had, LostError where a worker failed (the next call starts new ones), UserError
// for a run that left the numbers, AbortError for what was stopped.

import { promptLanguage } from "./vocabulary.js";
import { Calls } from "./calls.js";
import { LATENT_SHAPE, LATENT_SIZE, PICTURE_SIDE } from "./config.js";
import { digit_in, to_grey } from "./drawings.js";
import { Grid } from "./grid.js";
import { check_browser, explained, fetch_files, fetch_json } from "./loading.js";
import { Requests, greys_in } from "./requests.js";
import { STUDENT } from "./samplers.js";
import { joined, latent_greys, lay_out, scale_to_fit, split, views } from "./views.js";

const WORKER = new URL("./worker.js", import.meta.url);
const FORMATS = { denoise: ["gif", "png", "strip"], grid: ["gif", "png"], morph: ["gif", "png"] };
const OF_PEOPLE = ["AbortError", "InputError", "LoadError", "LostError", "UserError"];
// What a panel of the tab Inside asks: what needs the graph that can be read, what is about the passes of
// the U-Net in a run, and what is about a run.
const OF_READING = ["features", "attention"], OF_PASSES = ["score", ...OF_READING];
const OF_RUN = ["path", ...OF_PASSES];
const OF_STUDENT = "The student has drawn this run, and nothing is read in it: take another sampler.";
const LARGE = 16; // scale of a single picture
const FRAME_MS = 80, HOLD_MS = 1500;
const TOGETHER = 8; // images of a morph in one batch: Stop must not wait for more

export class WorkerEngine {
  formats = FORMATS;
  #base;
  #requests;
  #loaded = null; // a promise of the workers
  #files; // of the model, as model.json says
  #painter = null; // a worker that makes the steps
  #decoder = null; // one that makes pictures of them, while the steps go on
  #made = {}; // the last whole run of each kind, for its files
  #ran = {}; // the last run that the tab Inside has asked of, {key, run}: it asks several things

  // base: address of the folder with model.json. about: of demo/about.py.
  constructor(base, about) {
    this.#base = new URL(base, document.baseURI);
    this.#requests = new Requests(about, promptLanguage(about.vocabulary));
  }

  // Fetch the model and make it ready; every call that needs it does this, too. on_progress: told
  // {loaded, total} in bytes. Throws LoadError; the next call tries again.
  load(on_progress = () => {}) {
    this.#loaded ??= this.#start(on_progress).catch((cause) => {
      this.close();
      throw explained(cause);
    });
    return this.#loaded;
  }

  async #start(on_progress) {
    check_browser();
    const { files, ...about } = await fetch_json("model.json", this.#base);
    const { runtime, encoder, inside, student, student_prompt, ...first } = (this.#files = files);
    const { wasm, decoder, ...graphs } = await fetch_files(first, this.#base, on_progress);
    const shared = { runtime: new URL(runtime.path, this.#base).href, wasm, about };
    const start = async (worker, graphs) => {
      for await (const _ of worker.stream("load", { ...shared, graphs }));
    };
    // Each has a memory of its own, and only those networks that it runs.
    [this.#painter, this.#decoder] = [new Calls(WORKER), new Calls(WORKER)];
    await Promise.all([start(this.#painter, graphs), start(this.#decoder, { decoder })]);
  }

  // End the workers, and give back their memory.
  close() {
    this.#painter?.close();
    this.#decoder?.close();
    this.#painter = this.#decoder = this.#loaded = null;
  }

  // What there is to know of a request before any work: {settings, name, steps, ...}, of a
  // grid and a morph more. kind: "denoise" (also from a drawing), "grid" or "morph". Needs no model.
  async check(kind, given) {
    return this.#checked(given).header();
  }

  // What `check` says, then step by step, the start first: {index, steps, t, noise_level, x_t, x_0,
  // latent}; of an edit in the end {remark}. x_t, x_0: greys (28, 28), the pictures of the latent and
  // of the estimate that the step used, null before there is one. latent: greys (4, 8, 8) of x_t
  // itself. signal: an AbortSignal; the worker stops within a step.
  async *denoise(given, signal = null) {
    const request = this.#checked(given), steps = [], seen = [];
    yield request.header();
    for await (const { round_trip, ...step } of this.#steps(request, signal)) {
      if (round_trip !== undefined) yield { remark: remark_on(round_trip) };
      else yield seen[steps.push(step) - 1] = await this.#seen(step, signal);
    }
    this.#keep("denoise", request, seen);
    this.#ran = { key: this.#made.denoise.key, run: Promise.resolve(run_of(steps)) };
  }

  // One step of `denoise`, with what `check` says: that with the index `at`, or the last for null.
  async glance(given, at = null, signal = null) {
    const request = this.#checked(given);
    for await (const step of this.#steps(request, signal))
      if (step.index === Math.min(at ?? step.steps, step.steps))
        return { ...request.header(), ...(await this.#seen(step, signal)) };
  }

  // What `check` says, then every step of every cell, as soon as it exists: {cells, index, pictures}.
  async *grid(given, signal = null) {
    const grid = this.#checked(given), made = grid.cells.map(() => []);
    yield grid.header();
    for (const { cells, ...batch } of grid.batches()) {
      await this.#add_student(batch.options);
      for await (const { index, x_t } of this.#stream("denoise", batch, signal)) {
        const pictures = split(await this.#ask(this.#decoder, "decode", x_t, signal));
        cells.forEach((cell, i) => made[cell].push(pictures[i]));
        yield { cells, index, pictures };
      }
    }
    this.#keep("grid", grid, made);
  }

  // What `check` says, {index, steps} while it works, last {images, noises}: greys (28, 28), and
  // (4, 8, 8) of the noise that each began with.
  async *morph(given, signal = null) {
    const request = this.#checked(given), images = [], noises = [];
    const parts = Math.ceil(request.count / TOGETHER);
    yield request.header();
    await this.#add_student(request.values);
    for (let part = 0; part < parts; part++) {
      const asks = { ...request.asks(), part: [part * TOGETHER, (part + 1) * TOGETHER] };
      for await (const { index, steps, x_t } of this.#stream("morph", asks, signal)) {
        if (index === 0) noises.push(...split(latent_greys(x_t), LATENT_SIZE));
        else yield { index: part * steps + index, steps: parts * steps };
        if (index < steps) continue;
        images.push(...split(await this.#ask(this.#decoder, "decode", x_t, signal)));
      }
    }
    this.#keep("morph", request, images);
    yield { images, noises };
  }

  // What the VAE makes of a picture in a data URI: {digit, latent, back}, greys; `error`, the mean
  // distance of the pictures in grey levels; and `note`, what was left out.
  async look(picture) {
    const { digit, note } = digit_in(...(await greys_of(picture)));
    await this.#add("encoder");
    const latents = await this.#ask(this.#painter, "encode", digit);
    const back = await this.#ask(this.#decoder, "decode", latents);
    const apart = digit.reduce((sum, grey, i) => sum + Math.abs(grey - back[i]), 0) / digit.length;
    return { digit, latent: latent_greys(latents), back, error: Math.round(10 * apart) / 10, note };
  }

  // What a panel of the tab Inside asks, see inside.js.
  async inside(what, { request, picture, ...given }) {
    if (what === "decode") return { picture: await this.#pictures(Float32Array.from(given.latent)) };
    const checked = request && this.#checked(request), asks = checked?.asks();
    if (picture) given.picture = greys_in(picture);
    if (picture) await this.#add("encoder");
    if (OF_PASSES.includes(what) && asks.options.sampler === STUDENT)
      throw Object.assign(new Error(OF_STUDENT), { name: "InputError" });
    if (OF_READING.includes(what) || asks?.options.off.length) await this.#add("inside");
    if (OF_RUN.includes(what)) given.run = await this.#run(checked);
    if (what === "path") return this.#path(given.run);
    const answer = {};
    const parts = this.#stream("inside", { what, asks, ...given }, null);
    for await (const { pictures = {}, ...part } of parts) {
      Object.assign(answer, part);
      for (const name in pictures) answer[name] = this.#pictures(pictures[name]);
    }
    for (const name in answer) answer[name] = await answer[name];
    return answer;
  }

  // See `run_of`.
  #run(request) {
    const key = JSON.stringify(request.settings());
    const made = async () => {
      const steps = [];
      for await (const step of this.#steps(request, null)) steps.push(step);
      return run_of(steps);
    };
    if (this.#ran.key !== key) this.#ran = { key, run: made() };
    this.#ran.run.catch(() => (this.#ran = {}));
    return this.#ran.run;
  }

  async #path({ x_t }) {
    const shape = [x_t.length / LATENT_SIZE, ...LATENT_SHAPE];
    return { latents: { shape, data: x_t }, pictures: await this.#pictures(x_t) };
  }

  async #pictures(latents) {
    await this.load();
    const data = await this.#ask(this.#decoder, "decode", latents);
    return { shape: [latents.length / LATENT_SIZE, PICTURE_SIDE, PICTURE_SIDE], data };
  }

  // A file of what a request draws, with its settings inside: {blob, name, bytes}. show: a name of
  // VIEWS. scale: how many times it is enlarged; null for what fits.
  async file(given, { format, show = "noisy", scale = null, frame_ms = FRAME_MS } = {}) {
    const kind = "across" in given ? "grid" : "morph" in given ? "morph" : "denoise";
    const request = this.#checked(given), key = JSON.stringify(request.settings());
    if (this.#made[kind]?.key !== key) for await (const _ of this[kind](given)); // draw it again
    const { made } = this.#made[kind];
    const mean = () => this.#ask(this.#decoder, "decode", new Float32Array(LATENT_SIZE));
    const drawn = await FRAMES[kind](request, made, { format, show, mean, frame_ms });
    const file = { format, frame_ms, hold_ms: HOLD_MS, ...drawn };
    file.scale = scale ?? drawn.scale ?? scale_to_fit(drawn.frames[0]);
    const strip = format === "strip";
    file.settings = request.stored({ show, strip, scale: file.scale, frame_ms });
    if (strip) file.format = "png";
    const blob = await this.#ask(this.#decoder, "file", file);
    return { blob, name: `${request.file_name()}.${file.format}`, bytes: blob.size };
  }

  data(name) {
    return fetch_json(`../data/${name}.json`, this.#base);
  }

  #checked(given) {
    if ("across" in given) return new Grid(this.#requests, given);
    return this.#requests.check(given);
  }

  #keep(kind, request, made) {
    this.#made[kind] = { key: JSON.stringify(request.settings()), made };
  }

  async *#steps(request, signal) {
    const { asked, seed, start, options } = request.asks();
    if (start) await this.#add("encoder");
    if (start?.mask || start?.invert !== undefined) await this.#add("decoder"); // for its own use
    if (options.off?.length) await this.#add("inside");
    await this.#add_student(options);
    yield* this.#stream("denoise", { asked: [asked], seeds: [seed], start, options }, signal);
  }

  async #seen({ x_t, x_0, ...step }, signal) {
    const picture = (latent) => latent && this.#ask(this.#decoder, "decode", latent, signal);
    return { ...step, x_t: await picture(x_t), x_0: await picture(x_0), latent: latent_greys(x_t) };
  }

  // Whether the student can draw at once. If not, it is fetched for the next time. For a model that has one.
  has_student_ready() {
    this.#add(STUDENT).then(() => (this.#files.student.is_ready = true), () => {});
    return Boolean(this.#files?.student.is_ready);
  }

  async #add_student({ sampler }) {
    if (sampler === STUDENT) await this.#add(STUDENT);
  }

  // Have the painter run another network, which is fetched now unless it was before.
  async #add(name) {
    await this.load();
    const { [name]: file, unet, student_prompt } = this.#files;
    const others = { inside: { unet }, student: { student_prompt } }; // `unet` has the weights
    const add = async () => {
      const files = { [name]: file, ...others[name] };
      const graphs = await fetch_files(files, this.#base, () => {});
      await this.#ask(this.#painter, "add", graphs);
    };
    file.added ??= add().catch((error) => {
      file.added = null;
      throw error;
    });
    await file.added;
  }

  async *#stream(name, given, signal) {
    await this.load();
    yield* this.#values(this.#painter, name, given, signal);
  }

  async #ask(worker, name, given, signal = null) {
    let last;
    for await (const value of this.#values(worker, name, given, signal)) last = value;
    return last;
  }

  // The values of a worker's call. A fault is a LostError, and ends the workers.
  async *#values(worker, name, given, signal) {
    try {
      yield* worker.stream(name, given, signal);
    } catch (error) {
      if (signal?.aborted || OF_PEOPLE.includes(error.name)) throw error;
      this.close();
      const why = `The model in this browser stopped (${error.message}). Try again, which starts it.`;
      throw Object.assign(new Error(why, { cause: error }), { name: "LostError" });
    }
  }
}

// The latents of a run, the start first, and their times: {x_t, t}.
const run_of = (steps) => ({
  x_t: joined(steps.map(({ x_t }) => x_t)),
  t: Float32Array.from(steps, ({ t }) => t),
});

const remark_on = (round_trip) =>
  `The round trip is off by ${round_trip.toFixed(1)} grey levels on average.`;

// Frames for files.js

async function image_frames(request, steps, { format, show, mean }) {
  if (format === "png") return { frames: [lay_out([steps.at(-1).x_t], 1)], scale: LARGE };
  const first = ["estimate", "both"].includes(show) && !steps[0].x_0 ? await mean() : null;
  const each = steps.map((step) => views(step, show, first));
  if (format === "gif") return { frames: each.map((all) => lay_out(all, all.length)) };
  const rows = each[0].flatMap((_, view) => each.map((pictures) => pictures[view]));
  return { frames: [lay_out(rows, steps.length)] };
}

// A filmstrip has a row for each point but the last, whose image ends the last row.
function morph_frames({ values: { morph, frames, loop } }, images, { format, frame_ms }) {
  const across = loop || morph.length > 2 ? frames : images.length;
  if (format === "png") return { frames: [lay_out(images, across)] };
  return { frames: images.map((image) => lay_out([image], 1)), ...(loop && { hold_ms: frame_ms }) };
}

// All cells begin and end together, whatever number of steps they have.
function grid_frames(grid, made) {
  const { title, across, down, steps } = grid.header();
  const at = (step) => (cell) => cell[Math.floor((step * (cell.length - 1)) / steps)];
  const frames = Array.from({ length: steps + 1 }, (_, step) => made.map(at(step)));
  const titles = { title, across: across.titles, down: down && down.titles };
  return { frames, titles, scale: 1 };
}

const FRAMES = { denoise: image_frames, grid: grid_frames, morph: morph_frames };

// [greys, width, height] of a picture in a data URI.
async function greys_of(uri) {
  const image = await createImageBitmap(await (await fetch(uri)).blob());
  const { width, height } = image;
  const pen = new OffscreenCanvas(width, height).getContext("2d");
  pen.drawImage(image, 0, 0);
  return [to_grey(pen.getImageData(0, 0, width, height).data), width, height];
}
