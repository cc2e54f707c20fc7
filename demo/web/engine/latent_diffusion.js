// LatentDiffusion: conditioning, noise schedule, guidance and samplers put together around networks
// that come from outside (Rombach et al. 2022); as in ldm_core/latent_diffusion.py.
//
// Here and in the files beside, names are those of the Python files. Nothing needs a page: all of
// it runs in a worker, on the main thread, and in Node.

import { InputError, UserError, check_whole } from "./checks.js";
import { LabelConditioning, TextConditioning } from "./conditioning.js";
import { LATENT_SHAPE } from "./config.js";
import { guided_denoiser } from "./guidance.js";
import { NoiseSchedule } from "./noise_schedule.js";
import { to_pixels } from "./pixels.js";
import { gaussian_noise } from "./randomness.js";
import { get_sampler } from "./samplers.js";
import { SamplingSettings } from "./settings.js";

export const MAX_SEED = 2 ** 32 - 1;

// A run has left the numbers that mean something.
export class NonFiniteError extends UserError {
  name = "NonFiniteError";
}

export class LatentDiffusion {
  // about: {config, defaults, vocabulary}, which are in Python `model.config.to_dict()`,
  // `model.defaults.to_dict()` and `model.vocabulary.to_dict()`; vocabulary is null where a model
  // knows labels only.
  // network: what runs the networks, by
  //     async context(rows, amounts) -> what `predict` needs to know of N prompts; rows Int32Array,
  //         amounts Float32Array (N, n_places); for labels, rows (N,) alone
  //     async predict(x_t, t, context) -> v, Float32Array (N, 4, 8, 8), for x_t (B, 4, 8, 8) and
  //         t (B,); N is a multiple of B: the whole batch for one condition, then for the next
  //     async decode(z) -> images, Float32Array (B, 1, 32, 32)
  // language: `promptLanguage(vocabulary)`, if there is one.
  constructor({ config, defaults, vocabulary }, network, language) {
    const { class_names } = config.conditioning;
    this.network = network;
    this.conditioning = vocabulary
      ? new TextConditioning(class_names, vocabulary, language)
      : new LabelConditioning(class_names);
    this.schedule = new NoiseSchedule(config.noise_schedule);
    this.defaults = new SamplingSettings(defaults);
  }

  // This model's default settings, but for `options`, fields of `SamplingSettings`.
  settings(options = {}) {
    return new SamplingSettings({ ...this.defaults, ...options });
  }

  // Generate step by step: an async generator of {index, steps, t, x_t, x_0}, the start first.
  //
  // index: 0 (the start) to steps. t: the time reached, from 1 down to 0. x_t: the latent at t,
  // (B, 4, 8, 8); after the last step it is the sample. x_0: the estimate of the clean latent that
  // the step used; null at the start, before there is one. Both are read by the next step: copy
  // them, and never transfer them away.
  // Arguments as in Python, but for `start`. signal: an AbortSignal; once it is aborted, the
  // generator throws its reason, at the latest when the network next returns.
  // Throws InputError at the call, before any work, for anything that is not allowed.
  denoise(asked, { seeds = null, negative = null, style = null, signal = null, ...options } = {}) {
    const settings = this.settings(options);
    const away = check_negative(negative, asked.length);
    const context = this.conditioning.context(asked, away, style);
    if (settings.guidance_scale === 1 && this.#says_something(away))
      throw new InputError("A negative prompt needs guidance: a guidance_scale above 1.");
    return this.#denoise(context, check_seeds(seeds, asked.length), settings, signal);
  }

  #says_something(asked) {
    return this.conditioning.context(asked).is_guided.some(Boolean);
  }

  async *#denoise(context, seeds, settings, signal) {
    const { schedule } = this;
    const { steps, eta } = settings;
    const times = schedule.times(steps, settings.spacing);
    const noise = (i) => gaussian_noise(seeds, i, LATENT_SHAPE);
    const x = noise(0);
    yield { index: 0, steps, t: times[0], x_t: x, x_0: null };
    const predictor = (conditions) => this.#predictor(conditions, signal);
    const denoise = guided_denoiser(predictor, context, schedule, settings);
    const each = get_sampler(settings.sampler)(denoise, x, times, { schedule, noise, eta });
    let index = 0;
    for await (const [x_t, x_0] of each) {
      index += 1;
      yield { index, steps, t: times[index], x_t, x_0 };
    }
  }

  // (x_t, t) -> predictions of v, one for each of the conditions (see `guided_denoiser`).
  async #predictor(conditions, signal) {
    const rows = joined(conditions.map(({ rows }) => rows));
    const amounts = joined(conditions.map(({ amounts }) => amounts));
    const context = await until(signal, () => this.network.context(rows, amounts));
    return async (x_t, t) => {
      const v = await until(signal, () => this.network.predict(x_t, t, context));
      return conditions.map((_, i) => v.subarray(i * x_t.length, (i + 1) * x_t.length));
    };
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

function check_seeds(seeds, count) {
  if (seeds === null) return [...crypto.getRandomValues(new Uint32Array(count))];
  if (seeds.length !== count)
    throw new InputError(`seeds must be one per image: ${count}, not ${seeds.length}.`);
  return seeds.map((seed) => check_whole("seed", seed, 0, MAX_SEED));
}

function check_negative(negative, count) {
  const each = Array.isArray(negative) ? negative : Array(count).fill(negative);
  if (each.length !== count)
    throw new InputError(`negative must be one for all images, or ${count}, not ${each.length}.`);
  return each;
}

function joined(arrays) {
  const [{ constructor, length }] = arrays; // all have this type and this length
  const all = new constructor(arrays.length * length);
  arrays.forEach((array, i) => all.set(array, i * length));
  return all;
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
