// The VAE: a digit as 256 numbers, one of which, or a channel, is moved; and what the decoder makes
// of them.

import { distance, text_of } from "../../pictures.js";
import { mount_digits } from "./digit.js";
import { figure, latent, paint, row, signed } from "./heat.js";
import { legend, plot } from "./plot.js";

export const about = {
  shows:
    "The VAE squeezes 784 pixels into four maps of 8 × 8 numbers, and makes pixels of them again; " +
    "all that the model does happens in those numbers.",
  try: "Move one number: how large is the part of the picture that changes? Then move a channel.",
  equation:
    "x_0 = (μ(image) − mean) / std, and the loss of training is the squared error of the image plus " +
    "a little of KL(N(μ, σ²) ‖ N(0, 1)), which keeps the numbers near the prior.",
  papers: [
    ["Kingma & Welling 2014", "https://arxiv.org/abs/1312.6114"],
    ["Rombach et al. 2022, sec. 3.1", "https://arxiv.org/abs/2112.10752"],
  ],
};

const FIGURES = [
  ["digit", "The digit"],
  ["back", "Decoded", "as the VAE has it"],
  ["error", "Error", "eight times as strong"],
  ["moved", "Moved", "what the sliders make"],
];
const SIDE = 8,
  SIZE = SIDE ** 2;
const BARS = 24,
  END = 4; // of the histogram

export function mount(body, given) {
  const { inside, answers, say, update } = given;
  body.innerHTML = `<div class="digits choice" role="group" aria-label="Which digit"></div>${row(FIGURES.map((one) => figure(...one)), 4)}
    <div class="beside"><figure class="heat pick"><canvas data-heat="latent" tabindex="0" role="application"
    aria-label="The latent: arrow keys choose a number"></canvas><figcaption><b>Latent</b>
    <span>press a number to choose it</span></figcaption></figure><div class="sliders-of-vae">
    <label class="slide">This number <input data-move="number" type="range" min="-4" max="4" step="0.1"><output></output></label>
    <label class="slide">Its whole channel <input data-move="channel" type="range" min="-4" max="4" step="0.1"><output></output></label>
    <div class="choice"><button type="button" class="undo">Undo</button></div><div class="prior"></div></div></div>`;
  const $ = (selector) => body.querySelector(selector);
  const chosen = mount_digits($(".digits"), given);
  const canvas = $("[data-heat=latent]");
  let picked = inside.pick ?? 27; // index of the number
  const pick = (index) => {
    inside.pick = picked = index;
    inside.set({ number: 0 });
    update();
  };
  canvas.addEventListener("click", ({ clientX, clientY }) => {
    const { left, top, width } = canvas.getBoundingClientRect();
    const [x, y] = [clientX - left, clientY - top].map((at) => {
      return Math.min(Math.floor((at / width) * (2 * SIDE + 1)), 2 * SIDE);
    });
    const [column, row] = [x, y].map((at) => Number(at > SIDE));
    const inner = (at, map) => Math.min(at - map * (SIDE + 1), SIDE - 1);
    pick((2 * row + column) * SIZE + inner(y, row) * SIDE + inner(x, column));
  });
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -SIDE, ArrowDown: SIDE }[event.key];
    if (!by) return;
    event.preventDefault();
    pick((picked + by + 4 * SIZE) % (4 * SIZE));
  });
  for (const input of body.querySelectorAll("[data-move]"))
    input.addEventListener("input", () => {
      inside.set({ [input.dataset.move]: input.valueAsNumber });
      update();
    });
  $(".undo").addEventListener("click", () => {
    inside.set({ number: 0, channel: 0 });
    update();
  });

  return function draw() {
    const { number = 0, channel = 0 } = inside,
      map = Math.floor(picked / SIZE);
    for (const input of body.querySelectorAll("[data-move]")) {
      input.value = inside[input.dataset.move] ?? 0;
      input.nextElementSibling.textContent = Number(input.value).toFixed(1);
    }
    const digit = chosen();
    paint($("[data-heat=digit]"), digit);
    const found = answers.get("encode", { picture: text_of(digit) });
    if (!found) return;
    const back = found.picture.data;
    paint($("[data-heat=back]"), back);
    const error = Float32Array.from(back, (grey, i) => 8 * (grey - digit[i]));
    paint($("[data-heat=error]"), error, { color: signed(255) });
    const moved = found.latent.data.map((x, i) => {
      const by = (i === picked ? number : 0) + (Math.floor(i / SIZE) === map ? channel : 0);
      return Math.min(Math.max(x + by, -20), 20);
    });
    latent(canvas, moved);
    mark(canvas, picked);
    $(".prior").innerHTML = histogram(moved.subarray(map * SIZE, (map + 1) * SIZE), map);
    const rounded = Array.from(moved, (x) => Math.round(1e3 * x) / 1e3);
    const decoded = answers.get("decode", { latent: rounded });
    if (!decoded) return;
    paint($("[data-heat=moved]"), decoded.picture.data);
    const changed = decoded.picture.data.filter((grey, i) => Math.abs(grey - back[i]) > 8).length;
    say(
      `Number ${(picked % SIZE) + 1} of channel ${map + 1} is ${moved[picked].toFixed(2)}; ` +
        `${changed} of 784 pixels have changed by more than 8 grey levels. The VAE alone is off by ` +
        `${distance(back, digit).toFixed(1)}.`,
    );
  };
}

// A frame of light around a number of the latent: its corner pixels are too small for more.
function mark(canvas, index) {
  const map = Math.floor(index / SIZE),
    [y, x] = [Math.floor(index / SIDE) % SIDE, index % SIDE];
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff";
  pen.fillRect((map % 2) * (SIDE + 1) + x, Math.floor(map / 2) * (SIDE + 1) + y, 1, 1);
}

function histogram(numbers, map) {
  const width = (2 * END) / BARS,
    counts = Array(BARS).fill(0);
  for (const x of numbers) counts[Math.min(Math.max(Math.floor((x + END) / width), 0), BARS - 1)]++;
  const density = (count) => count / numbers.length / width;
  const prior = (x) => Math.exp(-(x ** 2) / 2) / Math.sqrt(2 * Math.PI);
  const steps = counts.flatMap((count, i) =>
    [i, i + 1].map((edge) => [edge * width - END, density(count)]),
  );
  const curve = Array.from({ length: 61 }, (_, i) => (2 * END * i) / 60 - END);
  return (
    plot({
      x: {
        low: -END,
        high: END,
        ticks: [-4, -2, 0, 2, 4].map((x) => [x, x]),
        title: `numbers of channel ${map + 1}`,
      },
      y: { low: 0, high: Math.max(1, ...counts.map(density)) },
      lines: [{ points: steps }, { points: curve.map((x) => [x, prior(x)]), is_dotted: true }],
      label: `The 64 numbers of channel ${map + 1} beside the prior`,
    }) + legend(["Its numbers", "Prior N(0, 1)"])
  );
}
