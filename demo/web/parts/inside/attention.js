// Attention: where a position of the maps looks, and where each word of the prompt is looked up.

import { at } from "./answers.js";
import { animation, maps_of } from "./attention_maps.js";
import { figure, glow, row } from "./heat.js";
import { pass_of } from "./inside.js";

export const about = {
  shows:
    "Self-attention lets each position of the maps look at all others; cross-attention lets it look " +
    "at the words of the prompt: the map of a word shows where it is read.",
  try: "Point at the end of a stroke: what does it look at? And who reads the empty places?",
  equation:
    "attention = softmax(q kᵀ / sqrt(d)) v; q comes from the positions, k and v from the positions " +
    "(self) or from the words (cross). The map of a word is its column, the mean over heads and stages.",
  papers: [
    ["Vaswani et al. 2017", "https://arxiv.org/abs/1706.03762"],
    ["DAAM, Tang et al. 2023", "https://arxiv.org/abs/2210.04885"],
  ],
};

const SIDE = 8;

export function mount(body, { store, inside, answers, facts, say, update }) {
  const checked = facts.attention;
  const stages = facts.blocks.filter(({ parts }) => parts?.self_attention).map(({ name }) => name);
  body.innerHTML = `<div class="beside"><figure class="heat pick"><div class="of-self"><canvas data-heat="self"
    tabindex="0" role="application" aria-label="The digit: point at it, or use the arrow keys, to
    choose a position"></canvas><i></i></div><figcaption><b>Self-attention</b> <span>of the position with the mark</span></figcaption>
    </figure><div><div class="choice" role="group" aria-label="Stage">${stages
      .map((name) => `<button type="button" data-stage="${name}">${name}</button>`)
      .join("")}</div></div></div>
    <div class="choice" role="group" aria-label="Steps of the words"><button type="button"
    data-steps="one">At this step</button><button type="button" data-steps="all">Mean of all steps</button>
    <button type="button" class="keep-maps">Download the animation</button></div>
    <div class="words-of-maps"></div><p class="kept" role="status"></p>${
      checked
        ? `<p>Is a map true? A word was left out of ${checked.count} captions: its map foretells which
           pixels change with an area under the curve of ${checked.own.toFixed(2)}, the maps of the
           other words with ${checked.other.toFixed(2)} (0.5 is chance).</p>`
        : ""
    }`;
  const $ = (selector) => body.querySelector(selector);
  const canvas = $("[data-heat=self]");
  let position = inside.position ?? [3, 4]; // row and column, of 8
  const choose = (row, column) => {
    inside.position = position = [row, column].map((at) => Math.min(Math.max(at, 0), SIDE - 1));
    update();
  };
  for (const moved of ["pointermove", "pointerdown"])
    canvas.addEventListener(moved, ({ clientX, clientY }) => {
      const { left, top, width } = canvas.getBoundingClientRect();
      choose(...[clientY - top, clientX - left].map((far) => Math.floor((far / width) * SIDE)));
    });
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const by = moves[event.key];
    if (!by) return;
    event.preventDefault();
    choose(position[0] + by[0], position[1] + by[1]);
  });
  body.addEventListener("click", ({ target: { dataset } }) => {
    if (dataset.stage) inside.set({ stage: dataset.stage });
    if (dataset.steps) inside.set({ of_steps: dataset.steps });
    update();
  });
  $(".keep-maps").addEventListener("click", keep);

  function draw() {
    const stage = stages.includes(inside.stage) ? inside.stage : stages.at(-1);
    const is_all = inside.of_steps === "all";
    for (const button of body.querySelectorAll("[data-stage]"))
      button.setAttribute("aria-pressed", button.dataset.stage === stage);
    for (const button of body.querySelectorAll("[data-steps]"))
      button.setAttribute("aria-pressed", (button.dataset.steps === "all") === is_all);
    const found = answers.get("attention", { request: store.run.settings });
    if (!found) return;
    const pass = pass_of(store),
      greys = store.run.pictures[pass + 1].estimate;
    const [, positions] = found[stage].shape,
      side = Math.sqrt(positions);
    const [row, column] = position.map((at) => Math.floor((at * side) / SIDE));
    const looks = at(found[stage], pass)
      .subarray((row * side + column) * positions)
      .subarray(0, positions);
    const shares = Float32Array.from(looks, (x) => x / 255);
    glow(canvas, greys, shares, side);
    const share = (part) => `${(100 * part) / side}%`;
    const [left, top, width, height] = [column, row, 1, 1].map(share);
    Object.assign($(".of-self i").style, { left, top, width, height });
    show_words(found, is_all ? null : pass, greys);
    const own = looks[row * side + column] / 255;
    const far = looks.filter((x) => x > 127).length;
    say(
      `Step ${pass + 1}, ${stage}: row ${row + 1}, column ${column + 1} looks at ${far} of ` +
        `${positions} positions at least half as much as at its favourite` +
        `${own === 1 ? ", which is itself" : ""}.`,
    );
  }

  // pass: null for the mean of all.
  function show_words({ words, cross }, pass, greys) {
    const figures = words.map((_, i) => figure(`word-${i}`, ""));
    if (body.querySelectorAll(".words-of-maps canvas").length !== figures.length)
      $(".words-of-maps").innerHTML = row(figures, 6);
    const maps = maps_of(cross, pass);
    words.forEach((word, i) => {
      const canvas = $(`[data-heat=word-${i}]`);
      glow(canvas, greys, maps[i], SIDE);
      canvas.setAttribute("aria-label", `Where ${word} is read`);
      canvas.nextElementSibling.textContent = word;
    });
  }

  async function keep() {
    const found = answers.get("attention", { request: store.run.settings });
    if (!found) return;
    const greys = store.run.pictures.slice(1).map(({ estimate }) => estimate);
    const href = URL.createObjectURL(await animation(found, greys));
    const anchor = Object.assign(document.createElement("a"), { href, download: "attention.png" });
    anchor.textContent = "attention.png";
    $(".kept").replaceChildren(anchor);
    anchor.click();
  }

  return draw;
}
