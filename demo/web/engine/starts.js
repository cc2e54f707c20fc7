// Where sampling starts: {x, times}, a latent x_t at times[0] and the times that the sampler visits,
// falling to 0; as in ldm_core/diffusion/starts.py.

import { LATENT_SHAPE, LATENT_SIZE } from "./config.js";
import { gaussian_noise } from "./randomness.js";

const ROUNDS = 5; // of `inverted_start`

// Pure noise, each image's a function of its seed.
export function noise_start(seeds, times) {
  return { x: gaussian_noise(seeds, 0, LATENT_SHAPE), times };
}

// x_0 (B, ...) with the noise of its seeds at t = strength (SDEdit, Meng et al. 2022, sec. 3).
//
// times: the grid of a run from 1 to 0. The part below strength is run: the point that lies nearest
// to strength becomes strength. 0 gives x_0 with no steps, 1 gives `noise_start`.
export function noised_start(x_0, strength, seeds, times, schedule) {
  if (strength === 0) return { x: x_0, times: times.slice(-1) };
  if (strength === 1) return noise_start(seeds, times);
  const apart = times.slice(0, -1).map((t) => Math.abs(t - strength));
  const rest = times.slice(apart.indexOf(Math.min(...apart)));
  rest[0] = strength;
  const noise = gaussian_noise(seeds, 0, LATENT_SHAPE);
  return { x: schedule.add_noise(x_0, noise, Float32Array.from(seeds, () => strength)), times: rest };
}

// The x_t at times[0] from which `ddim` comes to x_0 (B, ...) along times, nearly.
//
// Each step of `ddim` is undone by solving its equation for x_t (Song et al. 2021, eq. 12), from the
// end to the beginning, by fixed-point iteration (Pan et al. 2023) on D = denoise(x_t, t):
//
//     x_t = signal_t D + sigma_t (x_s - signal_s D) / sigma_s
//
// The last step of a run, to s = 0, forgets all noise: there x_t is x_0 without any, corrected so
// that D = x_0.
export async function inverted_start(x_0, denoise, times, schedule) {
  let x = x_0, estimate = x_0;
  for (let i = times.length - 1; i > 0; i--) {
    const [signal_s, sigma_s] = schedule.levels(times[i]);
    const [signal_t, sigma_t] = schedule.levels(times[i - 1]);
    if (times[i] === 0) {
      x = x_0.map((x_0) => signal_t * x_0);
      estimate = await denoise(x, times[i - 1]);
      x = x.map((x, j) => x + signal_t * (x_0[j] - estimate[j]));
      continue;
    }
    const ratio = sigma_t / sigma_s, gain = signal_t - ratio * signal_s;
    const undone = () => x.map((x, j) => ratio * x + gain * estimate[j]);
    for (let round = 0; round < ROUNDS; round++) {
      const next = await denoise(undone(), times[i - 1]);
      estimate = estimate.map((before, j) => (before + next[j]) / 2);
    }
    x = undone();
  }
  return { x, times };
}

// From a to b (B, ...) along the arc between them (Shoemake 1985, sec. 3.3), for each image by its
// share (B,) of the way: 0 is a, 1 is b. The norm stays that of noise.
export function slerp(a, b, share) {
  const mixed = new Float32Array(a.length);
  share.forEach((share, image) => {
    const part = (x) => x.subarray(image * LATENT_SIZE, (image + 1) * LATENT_SIZE);
    const [x, y] = [part(a), part(b)];
    const dot = (x, y) => x.reduce((sum, x, i) => sum + x * y[i], 0);
    const cosine = dot(x, y) / (Math.sqrt(dot(x, x)) * Math.sqrt(dot(y, y)));
    const angle = Math.acos(Math.min(Math.max(cosine, -1), 1));
    const is_arc = Math.sin(angle) > 1e-6;
    const weight = (share) => (is_arc ? Math.sin(share * angle) / Math.sin(angle) : share);
    const [of_x, of_y] = [weight(1 - share), weight(share)];
    mixed.set(x.map((x, i) => of_x * x + of_y * y[i]), image * LATENT_SIZE);
  });
  return mixed;
}

// The frames along a path through points, `frames` from each to the next, its first included; with
// `loop` on to the first point again, which is not repeated: for each frame {before, after, share}.
export function morph_frames(points, frames, loop) {
  const count = loop ? frames * points : frames * (points - 1) + 1;
  return Array.from({ length: count }, (_, i) => {
    const before = Math.min(Math.floor(i / frames), loop ? points - 1 : points - 2);
    return { before, after: (before + 1) % points, share: (i - before * frames) / frames };
  });
}
