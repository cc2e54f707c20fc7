// Noise: a picture under forward diffusion, all times of which have come at once.

import { NoiseSchedule } from "../../engine/noise_schedule.js";
import { text_of } from "../../pictures.js";
import { at } from "./answers.js";
import { mount_digits } from "./digit.js";
import { figure, LATENT, paint, grey, row } from "./heat.js";
import { legend, plot } from "./plot.js";

export const about = {
  shows:
    "Training drowns digits in noise and asks the network to find them again; here is one at any " +
    "time t, and how far off the network is there.",
  try: "Up to which t can you still read the digit? Up to which can the network?",
  equation:
    "x_t = sqrt(alpha_bar(t)) x_0 + sqrt(1 − alpha_bar(t)) noise, and the loss is the mean of (v − predicted v)².",
  papers: [
    ["Ho et al. 2020, eq. 4", "https://arxiv.org/abs/2006.11239"],
    ["Nichol & Dhariwal 2021", "https://arxiv.org/abs/2102.09672"],
  ],
};

const FIGURES = [
  ["x_t", "Latent", "with noise"],
  ["decoded", "Decoded", "what that looks like"],
  ["estimate", "Estimate", "what the network finds in it"],
];
const TICKS = [0, 0.25, 0.5, 0.75, 1].map((value) => [value, value]);

export function mount(body, given) {
  const { store, inside, answers, about, say, update } = given;
  body.innerHTML =
    `<div class="digits choice" role="group" aria-label="Which digit"></div>` +
    `<label class="slide">Time t <input type="range" min="0" max="1" step="0.05"><output></output></label>` +
    row(FIGURES.map((one) => figure(...one)), 3) +
    `<div class="plots"><div class="levels"></div><div class="loss"></div></div>`;
  const $ = (selector) => body.querySelector(selector);
  const schedule = new NoiseSchedule(about.noise_schedule);
  const chosen = mount_digits($(".digits"), given);
  $("input").addEventListener("input", ({ target }) => {
    inside.set({ t: target.valueAsNumber });
    update();
  });

  return function draw() {
    const t = Math.min(Math.max(Number(inside.t ?? 0.5), 0), 1);
    const picture = text_of(chosen());
    $("input").value = t;
    $("output").textContent = t.toFixed(2);
    const [signal, noise] = schedule.levels(t);
    $(".levels").innerHTML =
      plot({
        x: { low: 0, high: 1, ticks: TICKS, title: "t" },
        y: {
          low: 0,
          high: 1,
          ticks: [
            [0, 0],
            [0.5, 0.5],
            [1, 1],
          ],
        },
        lines: [0, 1].map((which) => ({ points: curve((t) => schedule.levels(t)[which]) })),
        ...{ at: t, label: "Signal and noise over time" },
      }) + legend(["Signal", "Noise"]);
    const found = answers.get("noise", { request: store.run.settings, picture });
    if (!found) return;
    const index = Math.round(t * (found.t.data.length - 1));
    paint($("[data-heat=x_t]"), at(found.x_t, index), { ...LATENT, color: grey });
    for (const name of ["decoded", "estimate"])
      paint($(`[data-heat=${name}]`), at(found[name], index));
    const most = Math.max(...found.loss.data);
    $(".loss").innerHTML =
      plot({
        x: { low: 0, high: 1, ticks: TICKS, title: "t" },
        y: {
          low: 0,
          high: most,
          ticks: [
            [0, 0],
            [most, most.toFixed(2)],
          ],
        },
        lines: [
          { points: [...found.loss.data].map((loss, i) => [found.t.data[i], loss]), color: 2 },
        ],
        ...{ at: t, label: "Loss over time" },
      }) + legend(["Loss, for this digit and this noise"], 2);
    say(
      `At t = ${t.toFixed(2)} the latent is ${signal.toFixed(2)} of the signal and ` +
        `${noise.toFixed(2)} of noise; the network’s loss is ${found.loss.data[index].toFixed(3)}.`,
    );
  };
}

const curve = (f) => Array.from({ length: 41 }, (_, i) => [i / 40, f(i / 40)]);
