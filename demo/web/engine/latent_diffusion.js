// LatentDiffusion: conditioning, noise schedule, guidance and samplers put together around networks
// that come from outside (Rombach et al. 2022); as in ldm_core/latent_diffusion.py. Nothing needs a
// page: all of it runs in a worker, on the main thread, and in Node.

import { InputError, UserError } from "./checks.js";
import { keeping, passes, resampled, times_reached } from "./completion.js";
import { TextConditioning } from "./conditioning.js";
import { LATENT_SHAPE, LATENT_SIZE } from "./config.js";
import { guided_denoiser, scaled_tokens, student_denoiser } from "./guidance.js";
import { NoiseSchedule } from "./noise_schedule.js";
import { border, to_image, to_pixels } from "./pixels.js";
import { gaussian_noise } from "./randomness.js";
import { SAMPLERS, STUDENT, STUDENT_SCALES, STUDENT_STEPS, WITH_ETA } from "./samplers.js";
import { inverted_start, morph_frames, noise_start, noised_start, slerp } from "./starts.js";
import { joined } from "./views.js";

export const RESAMPLE = 5;
// See `invert`.
const INVERSION = {
  ...{ sampler: "ddim", steps: 25, guidance_scale: 1, spacing: "time", eta: 0, off: [] },
};

// A run has left the numbers that mean something.
export class NonFiniteError extends UserError {}

export class LatentDiffusion {
  // about: {config, defaults, switches, vocabulary}, which are in Python `model.config.to_dict()`,
  // `model.defaults.to_dict()`, `model.switches` and `model.vocabulary.to_dict()`.
  // network: what runs the networks (see networks.js), by
  //     async context(rows, amounts, is_student) -> what `predict` needs to know of N prompts; rows
  //         Int32Array, amounts Float32Array (N, n_places); is_student: of the distilled network
  //     between(context, mix) -> the same for prompts between those, [{before, after, share}]
  //     async predict(x_t, t, context, on, is_student) -> v, Float32Array (N, 4, 8, 8), for x_t
  //         (B, 4, 8, 8) and t (B,); N is a multiple of B: the whole batch for one condition, then for
  //         the next; on: null, or 0 for each switch that is off, else 1
  //     async read(x_t, t, context, on, names) -> {name: {data, dims}}, dims [N, ...], for what the
  //         tab Inside shows (see inside.js)
  //     async decode(z) -> images, Float32Array (B, 1, 32, 32), and `encode`, the way back
  // language: `promptLanguage(vocabulary)`.
  constructor({ config, defaults, switches, vocabulary }, network, language) {
    this.switches = switches;
    this.network = network;
    this.conditioning = new TextConditioning(vocabulary, language);
    this.schedule = new NoiseSchedule(config.noise_schedule);
    this.defaults = defaults;
  }

  // This model's default settings, but for `options`: those of ldm_core/diffusion/settings.py.
  // Requests have checked each of them; what is checked here is what two of them say together.
  settings(options = {}) {
    const settings = { ...this.defaults, ...options };
    if (settings.eta && !WITH_ETA.includes(settings.sampler))
      throw new InputError(
        `eta works with the sampler ${WITH_ETA.join(" or ")} only, not with ${settings.sampler}.`,
      );
    if (settings.sampler === STUDENT) this.#check_student(settings);
    return settings;
  }

  #check_student({ steps, guidance_scale, guidance_interval, spacing, guidance_rescale, off }) {
    const [low, high] = STUDENT_SCALES, learned = this.defaults.guidance_interval;
    const fits = steps <= STUDENT_STEPS && low <= guidance_scale && guidance_scale <= high;
    if (!fits || spacing !== "time" || guidance_rescale || off.length)
      throw new InputError(
        `The sampler ${STUDENT} makes 1 to ${STUDENT_STEPS} steps with a guidance scale from ` +
          `${low} to ${high}, and has no other spacing, no rescale and nothing to switch off.`,
      );
    if (guidance_interval.some((end, i) => end !== learned[i]))
      throw new InputError(
        `The student has learned the guidance_interval ${learned[0]} to ${learned[1]}, and no other.`,
      );
  }

  // Generate step by step: an async generator of {index, steps, t, x_t, x_0}, the start first; as in
  // Python. x_t and x_0 are read by the next step: copy them, and never transfer them away.
  //
  // keep: {pixels, mask, resample}, with 0 in mask (B, 28, 28) for what is drawn. signal: an
  // AbortSignal; once it is aborted, the generator throws its reason, at the latest when the network
  // next returns. Throws InputError at the call, before any work.
  denoise(
    asked,
    { seeds, negative = null, style = null, start = null, keep = null, signal = null, ...options },
  ) {
    const settings = this.settings(options);
    const context = this.#read(asked, negative, style, settings);
    if (settings.sampler === STUDENT && (start || keep))
      throw new InputError(
        "The student draws from noise alone: take another sampler with a start and with keep.",
      );
    start ??= noise_start(seeds, this.schedule.times(settings.steps, settings.spacing));
    const noise = (i) => gaussian_noise(seeds, i, LATENT_SHAPE);
    return this.#denoise({ context, noise, start, settings, keep, signal });
  }

  // negative: one for all images, or a list.
  #read(asked, negative, style, settings) {
    const away = Array.isArray(negative) ? negative : asked.map(() => negative);
    const says = () => this.conditioning.context(away).is_guided.some(Boolean);
    if (settings.sampler === STUDENT && says())
      throw new InputError("The student knows no negative prompt: take another sampler.");
    if (settings.guidance_scale === 1 && says())
      throw new InputError("A negative prompt needs guidance: a guidance_scale above 1.");
    return this.conditioning.context(asked, away, style);
  }

  async *#denoise({ context, noise, start, settings, keep, signal, mix = null }) {
    const { schedule } = this, on = this.gates(settings.off);
    if (start.times.length === 1)
      return yield { index: 0, steps: 0, t: 0, x_t: start.x, x_0: start.x };
    const pieces = passes(start.times, keep ? keep.resample ?? RESAMPLE : 1);
    const times = times_reached(pieces), steps = times.length - 1;
    yield { index: 0, steps, t: times[0], x_t: start.x, x_0: null };
    const images = start.x.length / LATENT_SIZE, w = settings.guidance_scale;
    let denoise =
      settings.sampler === STUDENT
        ? student_denoiser((c) => this.#student(c, mix, signal, images, w), context, schedule)
        : guided_denoiser((c) => this.#predictor(c, mix, signal, on), context, schedule, settings);
    if (keep) denoise = keeping(denoise, this.#known(keep));
    const sampler = SAMPLERS[settings.sampler], { eta } = settings;
    let index = 0;
    const steps_made = resampled(sampler, denoise, start.x, pieces, { schedule, noise, eta });
    for await (const [x_t, x_0] of steps_made) {
      index += 1;
      yield { index, steps, t: times[index], x_t, x_0 };
    }
  }

  // For each switch of the network 0 if it is off, else 1; null where none is.
  gates(off) {
    const names = this.switches.filter((name) => name !== "guidance");
    return names.some((name) => off.includes(name))
      ? names.map((name) => Number(!off.includes(name)))
      : null;
  }

  // (x_t, t) -> predictions of v, one for each of the conditions (see `guided_denoiser`). mix: gives
  // for a number of conditions between which prompts each image lies; null: each has its own.
  async #predictor(conditions, mix, signal, on = null) {
    const context = await this.context(conditions, mix, signal);
    return async (x_t, t) => {
      const v = await until(signal, () => this.network.predict(x_t, t, context, on));
      return conditions.map((_, i) => v.subarray(i * x_t.length, (i + 1) * x_t.length));
    };
  }

  // The same for the distilled network and the guidance scale w: one prediction.
  async #student(conditions, mix, signal, images, w) {
    const both = await this.context(conditions, mix, signal, true);
    const context = this.network.between(both, scaled_tokens(images, w));
    return async (x_t, t) => [
      await until(signal, () => this.network.predict(x_t, t, context, null, true)),
    ];
  }

  // What `predict` needs to know of conditions, each the places of all images. mix: see `#predictor`.
  async context(conditions, mix, signal = null, is_student = false) {
    const rows = joined(conditions.map(({ rows }) => rows));
    const amounts = joined(conditions.map(({ amounts }) => amounts));
    const context = await until(signal, () => this.network.context(rows, amounts, is_student));
    return mix ? this.network.between(context, mix(conditions.length)) : context;
  }

  // Puts what is kept into estimates of x_0, in pixels: a position of a latent stands for 4 x 4 of
  // them. The border is always known.
  #known({ pixels, mask }) {
    const image = to_image(pixels), is_known = border(mask, 1);
    return async (x_0) => {
      const drawn = await this.network.decode(x_0);
      return this.network.encode(drawn.map((value, i) => (is_known[i] ? image[i] : value)));
    };
  }

  // A start of `denoise` that re-imagines pictures, greys (B, 28, 28): their latents with the noise
  // of the seeds at t = strength (SDEdit, Meng et al. 2022).
  async start_from(pixels, strength, { seeds, ...grid }) {
    const { steps, spacing } = this.settings(grid);
    const times = this.schedule.times(steps, spacing);
    return noised_start(await this.encode(pixels), strength, seeds, times, this.schedule);
  }

  // The start from which `denoise` makes these very pictures, nearly, when the same is asked of the
  // sampler "ddim" with a guidance_scale of 1 (DDIM inversion, Song et al. 2021).
  async invert(pixels, asked, { signal = null, ...grid }) {
    const settings = this.settings({ ...INVERSION, ...grid });
    const context = this.#read(asked, null, null, settings);
    const predictor = (conditions) => this.#predictor(conditions, null, signal);
    const denoise = guided_denoiser(predictor, context, this.schedule, settings);
    const times = this.schedule.times(settings.steps, settings.spacing);
    return inverted_start(await this.encode(pixels), denoise, times, this.schedule);
  }

  // `denoise` for images on a path through points, each [asked, seed]: between two of them the noise
  // goes along an arc (`slerp`), the condition tokens along a straight line. frames: images from one
  // point to the next. part: [first, end] of the images, where not all are wanted at once.
  morph(
    points,
    frames,
    { loop = false, negative = null, style = null, part = [], signal = null, ...options },
  ) {
    const settings = this.settings(options);
    const each = morph_frames(points.length, frames, loop).slice(...part);
    const asked = points.map(([asked]) => asked);
    const seeds = points.map(([, seed]) => seed);
    const context = this.#read(asked, negative, style, settings);
    const { is_guided } = context;
    context.is_guided = each.map(({ before, after }) => is_guided[before] || is_guided[after]);
    const noise = (i) => {
      const of = (end) => each.map((at) => gaussian_noise([seeds[at[end]]], i, LATENT_SHAPE));
      const [a, b] = ["before", "after"].map((end) => joined(of(end)));
      return slerp(a, b, each.map(({ share }) => share));
    };
    // The prompts of a condition follow those of the one before.
    const mix = (conditions) =>
      Array.from({ length: conditions }, (_, i) => i * points.length).flatMap((first) =>
        each.map((at) => ({ ...at, before: first + at.before, after: first + at.after })),
      );
    const start = { x: noise(0), times: this.schedule.times(settings.steps, settings.spacing) };
    return this.#denoise({ context, noise, start, settings, keep: null, signal, mix });
  }

  // greys (B, 28, 28) -> the mean latents (B, 4, 8, 8).
  encode(pixels) {
    return this.network.encode(to_image(pixels));
  }

  // latents (B, 4, 8, 8) -> bytes (B, 28, 28).
  //
  // Throws NonFiniteError for NaN or infinity, which would become a picture like any other.
  async decode(latents) {
    if (!latents.every(Number.isFinite))
      throw new NonFiniteError(
        "The latents hold NaN or infinity, which are no picture. Take a lower guidance scale or " +
          "another sampler; if that does not help, the weights are at fault.",
      );
    return to_pixels(await this.network.decode(latents));
  }
}

// The result of `work`, unless the signal is aborted before or meanwhile. In WebAssembly a network
// computes without a pause, and a message that would abort it waits; so messages come in first.
async function until(signal, work) {
  if (!signal) return work();
  await next_turn();
  signal.throwIfAborted();
  const result = await work();
  signal.throwIfAborted();
  return result;
}

// A turn of the event loop. A message does this at once, where a timer would wait for 4 ms.
function next_turn() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
