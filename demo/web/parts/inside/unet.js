// The U-Net: its diagram, drawn from the configuration, with the feature maps of the step, and
// switches; the same seed without a part of it beside the original.

import { distance } from "../../pictures.js";
import { at } from "./answers.js";
import { figure, paint, row, signed } from "./heat.js";
import { pass_of } from "./inside.js";

export const about = {
  shows:
    "The network that removes the noise: down to coarser maps on the left, up again on the right, " +
    "with skip connections across; the maps are those of the step on the screen.",
  try: "Which part can you switch off without losing the digit? Guess before you press.",
  equation:
    "Off means: for a skip, zeros in its place; for an attention, h + 0 in place of h + " +
    "attention(h); for the time, its mean embedding over all times; for the guidance, w = 1.",
  papers: [
    ["Ronneberger et al. 2015", "https://arxiv.org/abs/1505.04597"],
    ["Rombach et al. 2022", "https://arxiv.org/abs/2112.10752"],
  ],
};

const FIGURES = [
  ["accuracy", "accuracy"],
  ["frechet_distance", "Fréchet distance"],
  ["recall", "recall"],
];
const COLUMNS = 4; // of the channels that are shown
const color = (grey) => signed(3)((grey - 127.5) / 42.5); // of deviations

export function mount(body, { store, inside, answers, facts, say, update }) {
  const blocks = Object.fromEntries(facts.blocks.map((block) => [block.name, block]));
  const levels = facts.blocks.filter(({ name }) => name.startsWith("down.")).length;
  body.innerHTML = `<div class="diagram" style="--columns: ${2 * levels + 1}"></div>
    <p class="price"></p><details hidden><summary>What each part is worth</summary>
    <div class="wide-table" tabindex="0" role="region" aria-label="What each part is worth"></div></details>`;
  const $ = (selector) => body.querySelector(selector);
  const put = (html, column, row, span = 1) =>
    $(".diagram").insertAdjacentHTML(
      "beforeend",
      `<div class="cell" style="grid-area: ${row} / ${column} / auto / span ${span}">${html}</div>`,
    );
  const key = (name, title) => `<button type="button" data-switch="${name}">${title}</button>`;
  const attention = (kind, block) =>
    key(`${kind}_attention.${block}`, `${kind}<span class="wide">-attention</span>`);
  const block = ({ name, channels, side, parameters, parts }) =>
    `<b>${name}</b><canvas data-heat="features.${name}" role="img" aria-label="Feature maps of ${name}">` +
    `</canvas><small>${channels}×${side}×${side}<br>${thousands(parameters)}</small>` +
    (parts.self_attention ? attention("self", name) + attention("cross", name) : "");
  put(key("time", `time embedding, ${thousands(blocks.time.parameters)}`), 1, 1, levels + 1);
  put(key("guidance", "guidance"), levels + 2, 1, levels);
  for (let level = 0; level < levels; level++) {
    put(block(blocks[`down.${level}`]), level + 1, level + 2);
    put(key(`skip.${level}`, `skip ${level} →`), level + 2, level + 2, 2 * (levels - level) - 1);
    put(block(blocks[`up.${level}`]), 2 * levels + 1 - level, level + 2);
  }
  put(block(blocks.mid), levels + 1, levels + 2);
  // The corners are free
  const pair = [figure("original", "As drawn"), figure("without", "Without", "the same seed")];
  put(row(pair, 2), 1, levels + 2, levels);
  put(row([figure("apart", "Difference")], 2), levels + 2, levels + 2, levels);

  const off = () =>
    String(inside.off ?? "")
      .split(",")
      .filter(Boolean)
      .sort();
  body.addEventListener("click", ({ target }) => {
    const name = target.closest("[data-switch]")?.dataset.switch;
    if (!name) return;
    const now = off(),
      next = now.includes(name) ? now.filter((one) => one !== name) : [...now, name];
    inside.set({ off: next.join(",") });
    update();
  });

  if (facts.ablations) {
    $("details").hidden = false;
    $(".wide-table").innerHTML = table(facts.ablations);
  }

  return function draw() {
    const { settings, pictures, steps } = store.run,
      without = off();
    for (const button of body.querySelectorAll("[data-switch]"))
      button.setAttribute("aria-pressed", !without.includes(button.dataset.switch));
    const request = { ...settings, ...(without.length && { off: without }) };
    const shown = Math.min(store.shown ?? steps, steps),
      original = pictures[shown].greys;
    paint($("[data-heat=original]"), original);
    const path = without.length ? answers.get("path", { request }) : undefined;
    const features = answers.get("features", { request });
    if (features) features_of(features);
    if (path === null) return;
    const other_at = (step) => (path ? at(path.pictures, step) : pictures[step].greys);
    const other = other_at(shown);
    paint($("[data-heat=without]"), other);
    const difference = Float32Array.from(other, (grey, i) => grey - original[i]);
    paint($("[data-heat=apart]"), difference, { color: signed(255) });
    const last = distance(other_at(steps), pictures[steps].greys);
    say(
      without.length
        ? `Without ${without.join(" and ")} the finished digit is ${last.toFixed(1)} grey levels ` +
            "from the original."
        : "All parts are on. Press one to switch it off.",
    );
    $(".price").textContent = without.length === 1 ? price(facts.ablations, without[0]) : "";
  };

  function features_of(features) {
    const pass = pass_of(store);
    for (const canvas of body.querySelectorAll('[data-heat^="features."]')) {
      const name = canvas.dataset.heat.replace("features.", ""),
        { side } = blocks[name];
      paint(canvas, at(features[name], pass), { side, columns: COLUMNS, color });
    }
  }
}

const thousands = (n) => `${Math.round(n / 1000)} k`;

// What was measured of samples without one part, in words.
function price(found, name) {
  const without = found?.off[name];
  if (!without) return "";
  const each = FIGURES.map(([key, title]) => {
    return `${title} ${found.all[key].toFixed(3)} → ${without[key].toFixed(3)}`;
  });
  return `Over ${found.count.toLocaleString("en")} samples without ${name}: ${each.join(", ")}.`;
}

function table({ all, off, real }) {
  const rows = Object.entries({ nothing: all, ...off, "(real digits)": real });
  const cells = (row) => FIGURES.map(([key]) => `<td>${row[key].toFixed(3)}</td>`).join("");
  const head = FIGURES.map(([, title]) => `<th scope="col">${title}</th>`).join("");
  const body = rows.map(([name, row]) => `<tr><th scope="row">${name}</th>${cells(row)}</tr>`);
  return `<table><thead><tr><th scope="col">off</th>${head}</tr></thead>${body.join("")}</table>`;
}
