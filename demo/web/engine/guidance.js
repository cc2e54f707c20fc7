// From a network to a denoiser: classifier-free guidance, and the step from v to x_0; as in
// ldm_core/diffusion/guidance.py.

import { LATENT_SIZE } from "./config.js";
import { split } from "./views.js";

const TOKEN_SCALE = 3;

// `denoise(x_t, t) -> x_0 estimate`, async, for a batch of images, with guidance:
//
//     prediction = uncond + guidance_scale * (cond - uncond)     (Ho & Salimans 2022, eq. 6)
//
// (their w is guidance_scale - 1). context: {places, null, is_guided}, see conditioning.js.
// predictor: async function (R conditions, each the places of all images) -> async function
// (x_t (B, ...), t (B,)) -> R predictions of v (B, ...).
// One prediction is made where the guidance scale is 0 or 1, which it is too with guidance off, where
// both ask the same, and at times outside the guidance interval; elsewhere two are.
export function guided_denoiser(predictor, context, schedule, settings) {
  const { guidance_rescale, off } = settings;
  const w = off.includes("guidance") ? 1 : settings.guidance_scale;
  const [low, high] = settings.guidance_interval.map(Math.fround);
  const guides = w !== 0 && w !== 1 && context.is_guided.some(Boolean);
  const alone = w === 0 ? context.null : context.places;

  const predictors = {};
  const predict = (guided) =>
    (predictors[guided] ??= predictor(guided ? [context.places, context.null] : [alone]));

  return async function denoise(x_t, time) {
    const t = new Float32Array(x_t.length / LATENT_SIZE).fill(time);
    const is_guided = guides && low <= t[0] && t[0] <= high;
    const [v_cond, v_uncond] = await (await predict(is_guided))(x_t, t);
    if (!is_guided) return schedule.x_0_from_v(x_t, v_cond, t);
    const v = v_cond.map((v_cond, i) => v_uncond[i] + w * (v_cond - v_uncond[i]));
    const rescaled = guidance_rescale ? rescale(v, v_cond, guidance_rescale) : v;
    return schedule.x_0_from_v(x_t, rescaled, t);
  };
}

// `denoise` of the distilled network, whose one prediction is already guided. predictor: async
// function (context) -> as for `guided_denoiser`, with R = 1.
export function student_denoiser(predictor, context, schedule) {
  let predict = null;
  return async function denoise(x_t, time) {
    const t = new Float32Array(x_t.length / LATENT_SIZE).fill(time);
    const [v] = await (await (predict ??= predictor([context.places, context.null])))(x_t, t);
    return schedule.x_0_from_v(x_t, v, t);
  };
}

// How the distilled network is told the guidance scale w: null + w / TOKEN_SCALE * (tokens - null), in
// the form of `between`, where the prompts of all images are followed by those that they lead away
// from.
export function scaled_tokens(images, w) {
  const share = w / TOKEN_SCALE;
  return Array.from({ length: images }, (_, i) => ({ before: images + i, after: i, share }));
}

// Pull the deviation of guided v towards that of v_cond (Lin et al. 2023, eq. 15-16):
// share * v * std(v_cond) / std(v) + (1 - share) * v, each std over one image.
function rescale(v, v_cond, share) {
  const stds = (x) => split(x, LATENT_SIZE).map(std_of);
  const [std, std_cond] = [v, v_cond].map(stds);
  const gains = std.map((std, image) => share * (std_cond[image] / std) + (1 - share));
  return v.map((v, i) => gains[Math.floor(i / LATENT_SIZE)] * v);
}

// The standard deviation with n - 1 in the denominator, as torch.std has it.
export function std_of(x) {
  const mean = x.reduce((sum, x) => sum + x, 0) / x.length;
  return Math.sqrt(x.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (x.length - 1));
}
