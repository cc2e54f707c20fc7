// Score and guidance: what the network says of the latent with the prompt and without it.

import { NoiseSchedule } from "../../engine/noise_schedule.js";
import { distance } from "../../pictures.js";
import { at } from "./answers.js";
import { figure, latent, paint, row } from "./heat.js";
import { pass_of } from "./inside.js";

export const about = {
  shows:
    "At each step the network looks at the latent twice: with the prompt and without it. Guidance " +
    "follows the difference further than either of them.",
  try: "Where on the way does the guidance change the estimate most? Move the slider at the first steps, then at the last.",
  equation:
    "prediction = uncond + w (cond − uncond). With x_t = signal · x_0 + noise · ε, the network " +
    "predicts v = signal · ε − noise · x_0; so the estimate is x_0 = signal · x_t − noise · v, and " +
    "the score ∇ log p(x_t) = −ε / noise with ε = noise · x_t + signal · v.",
  papers: [
    ["Ho & Salimans 2022", "https://arxiv.org/abs/2207.12598"],
    ["Song et al. 2021, score", "https://arxiv.org/abs/2011.13456"],
    ["Salimans & Ho 2022, v", "https://arxiv.org/abs/2202.00512"],
  ],
};

const MAPS = [
  ["x_t", "Latent", "before the step"],
  ["cond", "With prompt", "prediction of v"],
  ["null", "Without", "prediction of v"],
  ["difference", "Difference", "what the prompt adds"],
  ["score", "Score", "the way to likelier latents"],
];
const PICTURES = [
  ["cond_picture", "With prompt", "its estimate"],
  ["null_picture", "Without", "its estimate"],
  ["guided", "Guided", "what the slider makes of both"],
];

export function mount(body, { store, inside, answers, about, say, update }) {
  const figures = (each) => each.map((one) => figure(...one));
  body.innerHTML =
    `<label class="slide">Guidance of this step <input type="range" min="0" max="10" step="0.1">` +
    `<output></output></label>` +
    row(figures(MAPS), 5, 3) +
    row(figures(PICTURES), 3);
  const $ = (selector) => body.querySelector(selector);
  const canvas = (name) => $(`[data-heat=${name}]`);
  const schedule = new NoiseSchedule(about.noise_schedule);
  $("input").addEventListener("input", ({ target }) => {
    inside.set({ guidance: target.valueAsNumber });
    update();
  });

  return function draw() {
    const { settings } = store.run;
    const w = inside.guidance ?? settings.guidance_scale;
    $("input").value = w;
    $("output").textContent = w.toFixed(1);
    const pass = pass_of(store);
    const found = answers.get("score", { request: settings, pass, guidance: w });
    if (!found) return;
    const [t] = found.t.data, [signal, noise] = schedule.levels(t);
    const [x_t, cond, none] = ["x_t", "cond", "null"].map((name) => found[name].data);
    const difference = cond.map((v, i) => v - none[i]);
    const v = none.map((v, i) => v + w * difference[i]);
    const score = v.map((v, i) => -(noise * x_t[i] + signal * v) / noise);
    const shown = { x_t, cond, null: none, difference, score };
    const most = Math.max(...cond.map(Math.abs)); // one scale, so that the difference is seen as it is
    for (const name in shown) latent(canvas(name), shown[name], /x_t|score/.test(name) ? 3 : most);
    PICTURES.forEach(([name], i) => paint(canvas(name), at(found.pictures, i)));
    const [low, high] = about.defaults.guidance_interval;
    const is_guided = low <= t && t <= high;
    say(
      `Step ${pass + 1}, t = ${t.toFixed(2)}: at ${w.toFixed(1)} the estimate is ` +
        `${distance(at(found.pictures, 2), at(found.pictures, 0)).toFixed(1)} grey levels from that with the ` +
        `prompt alone. The run ${is_guided ? "is" : "is not"} guided at this step: its guidance ` +
        `acts from t = ${low} to ${high}.`,
    );
  };
}
