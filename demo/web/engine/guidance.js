// From a network to a denoiser: classifier-free guidance, and the step from v to x_0; as in
// ldm_core/diffusion/guidance.py.
//
// The network predicts v and knows nothing of guidance; samplers ask for x_0 and know no network.

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
  // t is float32, and so must the ends be: a time that is one of them is in the interval.
  const [low, high] = settings.guidance_interval.map(Math.fround);
  const guides = w !== 0 && w !== 1 && context.is_guided.some(Boolean);
  const alone = w === 0 ? context.null : context.places;

  const predictors = {};
  const predict = (guided) =>
    (predictors[guided] ??= predictor(guided ? [context.places, context.null] : [alone]));

  return async function denoise(x_t, t) {
    const guided = Array.from(t, (t) => low <= t && t <= high);
    if (!guides || !guided.some(Boolean)) {
      const [v] = await (await predict(false))(x_t, t);
      return schedule.x_0_from_v(x_t, v, t);
    }
    const [v_cond, v_uncond] = await (await predict(true))(x_t, t);
    let v = v_cond.map((v_cond, i) => v_uncond[i] + w * (v_cond - v_uncond[i]));
    const size = v.length / t.length;
    if (guidance_rescale) v = rescale(v, v_cond, guidance_rescale, size);
    if (!guided.every(Boolean))
      v = v.map((v, i) => (guided[Math.floor(i / size)] ? v : v_cond[i]));
    return schedule.x_0_from_v(x_t, v, t);
  };
}

// Pull the deviation of guided v towards that of v_cond (Lin et al. 2023, eq. 15-16):
// share * v * std(v_cond) / std(v) + (1 - share) * v, each std over one image, of `size` elements.
export function rescale(v, v_cond, share, size) {
  const stds = (x) =>
    Array.from({ length: x.length / size }, (_, i) => std_of(x.subarray(i * size, (i + 1) * size)));
  const [std, std_cond] = [v, v_cond].map(stds);
  const gains = std.map((std, image) => share * (std_cond[image] / std) + (1 - share));
  return v.map((v, i) => gains[Math.floor(i / size)] * v);
}

// The standard deviation with n - 1 in the denominator, as torch.std has it.
function std_of(x) {
  const mean = x.reduce((sum, x) => sum + x, 0) / x.length;
  return Math.sqrt(x.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (x.length - 1));
}
