// Text: the words that the model knows as points, near each other where they mean alike to it.

import { axis_of, dot, in_plane, plane_of } from "./plane.js";
import { plot } from "./plot.js";

export const about = {
  shows:
    "Each word of the vocabulary is 64 learned numbers; here are all of them in the plane in which " +
    "they differ most, and the words of the prompt are lit.",
  try: "Which words has the model learned to be neighbours, though nobody told it that they mean the same?",
  equation:
    "near(a, b) = E[a] · E[b] / (|E[a]| |E[b]|), the cosine; a word of weight a has the embedding " +
    "a E[word] + (1 − a) E[empty].",
  papers: [
    ["Mikolov et al. 2013", "https://arxiv.org/abs/1301.3781"],
    ["Vaswani et al. 2017", "https://arxiv.org/abs/1706.03762"],
  ],
};

const NEAR = 4;

export function mount(body, { store, inside, facts, language, say, update }) {
  const { words } = facts;
  const [count, size] = facts.embeddings.shape;
  const rows = Array.from({ length: count }, (_, i) =>
    Array.from(facts.embeddings.data.subarray(i * size, (i + 1) * size)),
  );
  const plane = plane_of(rows),
    points = rows.map((row) => in_plane(plane, row));
  body.innerHTML = `<label class="slide words-of-text">Words <input type="text" maxlength="500" autocomplete="off"
    autocapitalize="off" spellcheck="false"></label><div class="plots"><div class="map"></div>
    <div class="near"></div></div>`;
  const $ = (selector) => body.querySelector(selector);
  const input = $("input");
  input.addEventListener("input", () => {
    inside.set({ word: input.value });
    update();
  });

  // The rows of the words that a text holds, and the first word that is not known.
  function read(text) {
    const { tokens, problems } = language.read(text);
    return { lit: tokens.map(({ row }) => row).filter(Boolean), wrong: problems[0]?.text };
  }

  return function draw() {
    const { prompt, label } = store.run.settings;
    const text = String(inside.word ?? prompt ?? label ?? "");
    if (input.value !== text) input.value = text;
    const { lit, wrong } = read(text);
    const marks = points.map(([x, y], i) => ({
      x,
      y,
      text: words[i] || "(empty)",
      is_lit: lit.includes(i),
    }));
    const [xs, ys] = [0, 1].map((k) => points.map((point) => point[k]));
    if (lit.length > 1) {
      const [x, y] = [0, 1].map((k) => lit.reduce((sum, i) => sum + points[i][k], 0) / lit.length);
      marks.push({ x, y, text: "their mean", is_lit: true });
    }
    $(".map").innerHTML = plot({
      ...{ x: axis_of(xs, "first principal component"), y: axis_of(ys), marks, height: 420 },
      label: `The words as points; lit: ${lit.map((i) => words[i]).join(", ")}`,
    });
    $(".near").replaceChildren(...[...new Set(lit)].map(neighbours));
    say(
      wrong ?? (lit.length ? `${lit.length} of ${words.length} words are lit.` : "No word is lit."),
    );
  };

  function neighbours(row) {
    const others = rows
      .map((other, i) => [cosine(rows[row], other), words[i]])
      .filter(([, word]) => word && word !== words[row])
      .sort(([a], [b]) => b - a)
      .slice(0, NEAR);
    const line = document.createElement("p");
    const bold = Object.assign(document.createElement("b"), { textContent: words[row] });
    const named = others.map(([near, word]) => `${word} ${near.toFixed(2)}`);
    line.append(bold, ` is near ${named.join(", ")}`);
    return line;
  }
}

const cosine = (a, b) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
