// Samplers: from noise to sample, one generator function each, written like its paper and as in
// ldm_core/diffusion/samplers.py, which says where each formula comes from.
//
// denoise:  async function (x_t, t) -> estimate of x_0.
// x:        x_t at times[0], Float32Array (B, 4, 8, 8).
// times:    Float64Array (steps + 1), falling, ending at 0 (see `NoiseSchedule.times`).
// noise:    function (i) -> fresh standard normal noise like x for step i = 1 ... steps.
//
// Each yields exactly `steps` pairs [x_t after the step, the x_0 estimate that the step used]; the
// x_t of the last pair is the sample. As in the papers, a step goes from t to s < t, `signal` is
// sqrt(alpha_bar), and `sigma` is sqrt(1 - alpha_bar).
//
// `map` of a Float32Array computes each formula in float64 and rounds its result to float32.
// PyTorch rounds after every operation; the two differ by a few units in the last place.

// Ancestral sampling (Ho et al. 2020, algorithm 2), generalised to steps of any length.
async function* ddpm(denoise, x, times, { schedule, noise }) {
  for (const [i, [t, signal_t, sigma_t], [, signal_s, sigma_s]] of steps_of(times, schedule)) {
    const x_0 = await denoise(x, t);
    // sqrt(alpha) of the paper: the signal this step keeps
    const signal_ratio = signal_t / signal_s;
    // 1 - signal_ratio^2, exact near t = 0 too
    const beta = (sigma_t ** 2 - sigma_s ** 2) / signal_s ** 2;
    const mean_x_0 = (signal_s * beta) / sigma_t ** 2;
    const mean_x_t = (signal_ratio * sigma_s ** 2) / sigma_t ** 2;
    x = x.map((x, j) => mean_x_0 * x_0[j] + mean_x_t * x);
    const deviation = (Math.sqrt(beta) * sigma_s) / sigma_t;
    if (deviation) x = plus(x, deviation, noise(i));
    yield [x, x_0];
  }
}

// DDIM (Song et al. 2021, eq. 12 and 16). eta = 0 is deterministic, eta = 1 is `ddpm`.
async function* ddim(denoise, x, times, { schedule, noise, eta = 0 }) {
  for (const [i, [t, signal_t, sigma_t], [, signal_s, sigma_s]] of steps_of(times, schedule)) {
    const x_0 = await denoise(x, t);
    const predicted_noise = x.map((x, j) => (x - signal_t * x_0[j]) / sigma_t);
    const fresh = fresh_noise(eta, signal_t, sigma_t, signal_s, sigma_s);
    const kept = Math.sqrt(sigma_s ** 2 - fresh ** 2);
    x = x_0.map((x_0, j) => signal_s * x_0 + kept * predicted_noise[j]);
    if (fresh) x = plus(x, fresh, noise(i));
    yield [x, x_0];
  }
}

// Euler's method on the probability-flow ODE of Karras et al. 2022 (their algorithm 1 without the
// correction), in their variables: y = x / signal, r = sigma / signal, dy/dr = (y - x_0) / r.
function euler(denoise, x, times, { schedule }) {
  return heun(denoise, x, times, { schedule, corrects: false });
}

// Heun's method (Karras et al. 2022, algorithm 1): second order, two denoiser calls a step except
// in the last, which is Euler's.
async function* heun(denoise, x, times, { schedule, corrects = true }) {
  for (const [, [t, signal_t, sigma_t], [s, signal_s, sigma_s]] of steps_of(times, schedule)) {
    const x_0 = await denoise(x, t);
    const y = x.map((x) => x / signal_t);
    const [r_t, r_s] = [sigma_t / signal_t, sigma_s / signal_s];
    const slope_t = y.map((y, j) => (y - x_0[j]) / r_t);
    // Euler's step, y + (r_s - r_t) slope_t, without the rounding of large y
    let y_s = x_0.map((x_0, j) => x_0 + r_s * slope_t[j]);
    if (corrects && r_s > 0) {
      const x_0_s = await denoise(y_s.map((y) => signal_s * y), s);
      const slope_s = y_s.map((y, j) => (y - x_0_s[j]) / r_s);
      y_s = y_s.map((y, j) => y + ((r_s - r_t) * (slope_s[j] - slope_t[j])) / 2);
    }
    x = y_s.map((y) => signal_s * y);
    yield [x, x_0];
  }
}

// DPM-Solver++(2M) (Lu et al. 2022b, algorithm 2): second order, one denoiser call a step.
//
// A step of `ddim`, eta included, in which the estimate extrapolated to the middle of the step takes
// the place of x_0. h is a step in half log-SNR. The last step is of first order.
async function* dpmpp_2m(denoise, x, times, { schedule, noise, eta = 0 }) {
  let x_0_before = null, h_before = null;
  for (const [i, [t, signal_t, sigma_t], [s, signal_s, sigma_s]] of steps_of(times, schedule)) {
    const x_0 = await denoise(x, t);
    const h = schedule.half_log_snr(s) - schedule.half_log_snr(t);
    let direction = x_0;
    if (x_0_before && sigma_s > 0) {
      const beyond = h / (2 * h_before), before = x_0_before;
      direction = x_0.map((x_0, j) => x_0 + (x_0 - before[j]) * beyond);
    }
    const fresh = fresh_noise(eta, signal_t, sigma_t, signal_s, sigma_s);
    const kept = Math.sqrt(sigma_s ** 2 - fresh ** 2);
    const gain = signal_s - (kept * signal_t) / sigma_t;
    x = x.map((x, j) => (kept / sigma_t) * x + gain * direction[j]);
    if (fresh) x = plus(x, fresh, noise(i));
    [x_0_before, h_before] = [x_0, h];
    yield [x, x_0];
  }
}

// SDE-DPM-Solver++(2M) (Lu et al. 2022b): `dpmpp_2m` with eta = 1, as `ddpm` is `ddim`.
function dpmpp_2m_sde(denoise, x, times, { schedule, noise }) {
  return dpmpp_2m(denoise, x, times, { schedule, noise, eta: 1 });
}

// UniPC-2 (Zhao et al. 2023): multistep, data prediction, their B2(h); third order, one denoiser
// call a step.
//
// A predictor (UniP) and a corrector (UniC) add to the same first-order step its higher orders:
//
//     x_s = ddim(x_t) + gain (D_1 / 2)                      UniP-2: the step that is yielded
//     x_s = ddim(x_t) + gain (rho_1 D_1 + rho_s D_s)        UniC-2: where the next step starts
//
// with gain = -signal_s (exp(-h) - 1), D_1 = (x_0_before - x_0) / r, r = -h_before / h, and
// D_s = x_0_s - x_0, which is known once the next step has made its estimate x_0_s.
async function* unipc(denoise, x, times, { schedule }) {
  let x_0_before = null, h_before = null, corrected = null, weight = null;
  for (const [, [t, signal_t, sigma_t], [s, signal_s, sigma_s]] of steps_of(times, schedule)) {
    const x_0 = await denoise(x, t);
    const before = x_0_before;
    if (before) x = corrected.map((x, j) => x + weight * (x_0[j] - before[j]));
    const h = schedule.half_log_snr(s) - schedule.half_log_snr(t);
    const gain = signal_s - (signal_t * sigma_s) / sigma_t; // as in `dpmpp_2m`
    const first_order = x.map((x, j) => (sigma_s / sigma_t) * x + gain * x_0[j]);
    if (!before || sigma_s === 0) {
      [x, corrected, weight] = [first_order, first_order, gain / 2];
    } else {
      const r = -h_before / h;
      const d_1 = before.map((before, j) => (before - x_0[j]) / r);
      const [rho_1, rho_s] = unic_weights(h, r);
      x = first_order.map((x, j) => x + (gain / 2) * d_1[j]);
      corrected = first_order.map((x, j) => x + gain * rho_1 * d_1[j]);
      weight = gain * rho_s;
    }
    [x_0_before, h_before] = [x_0, h];
    yield [x, x_0];
  }
}

// `ddim` with another network, the distilled one. The sample is led away from the first estimate, which
// has seen noise alone: x_0 + LEAD t (x_0 - x_0_first), with the estimate of the last step, at time t.
async function* student(denoise, x, times, { schedule, noise }) {
  let i = 0, first = null;
  for await (const [x_t, x_0] of ddim(denoise, x, times, { schedule, noise })) {
    first ??= x_0;
    const lead = LEAD * times[i++];
    const is_last = i === times.length - 1;
    yield [is_last ? x_0.map((x_0, j) => x_0 + lead * (x_0 - first[j])) : x_t, x_0];
  }
}

// [rho_1, rho_s] of UniC-2: the solution of rho_1 + rho_s = b_1 and r rho_1 + rho_s = b_2.
function unic_weights(h, r) {
  const b_1 = -1 / Math.expm1(-h) - 1 / h;
  const b_2 = -1 / Math.expm1(-h) - (2 * b_1) / h;
  const rho_1 = (b_1 - b_2) / (1 - r);
  return [rho_1, b_1 - rho_1];
}

// The deviation of the noise that a step from t to s adds (Song et al. 2021, eq. 16).
function fresh_noise(eta, signal_t, sigma_t, signal_s, sigma_s) {
  return ((eta * sigma_s) / sigma_t) * Math.sqrt(1 - (signal_t / signal_s) ** 2);
}

export const SAMPLERS = { ddpm, ddim, euler, heun, dpmpp_2m, dpmpp_2m_sde, unipc, student };
export const STUDENT = "student", STUDENT_STEPS = 4; // its name, and the most steps it has learned
const LEAD = 0.8; // of `student`
export const STUDENT_USUAL = 2, STUDENT_SCALES = [1, 7]; // its usual steps; guidance that it has learned
// The fingerprint that a file stores whose image this sampler has made: `weights_of` in Python.
export const weights_by = (about, sampler) =>
  sampler === STUDENT ? about.student_weights : about.stored.weights;
export const WITH_ETA = ["ddim", "dpmpp_2m"];

// Yield [i, [t, signal_t, sigma_t], [s, signal_s, sigma_s]] for the steps i = 1, 2, ...
function* steps_of(times, schedule) {
  const points = Array.from(times, (t) => [t, ...schedule.levels(t)]);
  for (let i = 1; i < points.length; i++) yield [i, points[i - 1], points[i]];
}

function plus(x, deviation, noise) {
  return x.map((x, j) => x + deviation * noise[j]);
}
