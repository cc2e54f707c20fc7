// Forward diffusion: how much signal and how much noise there is at time t; as in
// ldm_core/diffusion/noise_schedule.py. Time t is a number from 0 (clean) to 1 (nearly pure noise);
// where it says t (B,), it is a Float32Array. Computed in float64, and rounded to float32 for latents.

// Where the grids in log-SNR and of Karras et al. end, before a last step to 0.
const T_MIN = 0.01;

// The cosine schedule (Nichol & Dhariwal 2021, eq. 17, without their offset): alpha_bar(t) =
// cos(t * angle)^2, where cos(angle) = terminal_signal is the signal left at t = 1.
export class NoiseSchedule {
  constructor({ terminal_signal }) {
    this.angle = Math.acos(terminal_signal);
  }

  // [sqrt(alpha_bar), sqrt(1 - alpha_bar)]: signal and noise levels at t.
  levels(t) {
    return [Math.cos(t * this.angle), Math.sin(t * this.angle)];
  }

  // lambda(t) = log(signal / noise), the half log-SNR of Lu et al. 2022; Infinity at t = 0.
  half_log_snr(t) {
    const [signal, noise] = this.levels(t);
    return Math.log(signal) - Math.log(noise);
  }

  // The inverse of `half_log_snr`: t = atan(exp(-lambda)) / angle.
  time_of_half_log_snr(half_log_snr) {
    return Math.atan(Math.exp(-half_log_snr)) / this.angle;
  }

  // x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) noise, for t (B,).
  add_noise(x_0, noise, t) {
    const [signal, sigma] = this.#levels_like(x_0, t);
    return x_0.map((x_0, i) => signal(i) * x_0 + sigma(i) * noise[i]);
  }

  // v = sqrt(alpha_bar) noise - sqrt(1 - alpha_bar) x_0 (Salimans & Ho 2022, sec. 4).
  v_from_x_0(x_0, noise, t) {
    const [signal, sigma] = this.#levels_like(x_0, t);
    return x_0.map((x_0, i) => signal(i) * noise[i] - sigma(i) * x_0);
  }

  // x_0 = sqrt(alpha_bar) x_t - sqrt(1 - alpha_bar) v.
  x_0_from_v(x_t, v, t) {
    const [signal, sigma] = this.#levels_like(x_t, t);
    return x_t.map((x_t, i) => signal(i) * x_t - sigma(i) * v[i]);
  }

  // The grid for `steps` steps: Float64Array (steps + 1), falling from 1 to exactly 0.
  //
  // "time":    uniform in t.
  // "log_snr": uniform in log-SNR from t = 1 to T_MIN, then 0 (Lu et al. 2022, sec. 3.3).
  // "karras":  noise / signal raised to 1/7 is uniform from t = 1 to T_MIN, then 0
  //            (Karras et al. 2022, eq. 5, rho = 7).
  times(steps, spacing) {
    const times = new Float64Array(steps + 1); // the last stays 0
    if (spacing === "time") return times.map((_, i) => 1 - i / steps);
    const ends = [1, T_MIN].map((t) => this.half_log_snr(t));
    const ratio = ends.map((end) => Math.exp(-end / 7));
    const half_log_snr = {
      log_snr: (fraction) => lerp(...ends, fraction),
      karras: (fraction) => -7 * Math.log(lerp(...ratio, fraction)),
    }[spacing];
    for (let i = 1; i < steps; i++)
      times[i] = this.time_of_half_log_snr(half_log_snr(i / (steps - 1)));
    times[0] = 1; // exactly, without the rounding of the conversions
    return times;
  }

  // Levels at t (B,) by the index of an element of x (B, ...), rounded to float32 as x is.
  #levels_like(x, t) {
    const size = x.length / t.length;
    const each = Array.from(t, (t) => this.levels(t).map(Math.fround));
    return [0, 1].map((which) => (i) => each[Math.floor(i / size)][which]);
  }
}

function lerp(from, to, fraction) {
  return fraction < 0.5 ? from + fraction * (to - from) : to - (1 - fraction) * (to - from);
}
