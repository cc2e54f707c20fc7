// More like this: the same settings with other seeds, drawn together, step by step.

import { button, make } from "../make.js";
import { address, bytes_of } from "../pictures.js";
import { reason } from "../runs.js";

const SEEDS = 8;
const HINT = "Press one to make it the main picture.";

// element: holds the markup of more.html.
export function mount(element, { store, engine, tab, about }) {
  const $ = (selector) => element.querySelector(selector);
  const say = (text) => ($(".said").textContent = text);
  let controller = new AbortController();

  const without_seed = ({ seed, ...settings }) => JSON.stringify(settings);
  const is_same = (strip) =>
    strip && store.run && without_seed(strip.settings) === without_seed(store.run.settings);

  // The seeds that follow those that are shown, or that of the run; after the last comes 0.
  function next_seeds({ seed }) {
    const after = is_same(store.more) ? store.more.seeds[SEEDS - 1] : seed;
    const next = (_, i) => (after + 1 + i) % (about.max_seed + 1);
    const seeds = Array.from({ length: SEEDS + 1 }, next);
    return seeds.filter((one) => one !== seed).slice(0, SEEDS);
  }

  async function draw() {
    controller.abort();
    const { signal } = (controller = new AbortController());
    const { settings } = store.run;
    const seeds = next_seeds(settings);
    const grid = { across: "seed", across_values: seeds, fixed: settings };
    say("Drawing…");
    $(".pictures").setAttribute("aria-busy", true);
    try {
      const pictures = [];
      store.set({ more: { settings, seeds, pictures } });
      for await (const { cells, pictures: greys } of engine.grid(grid, signal)) {
        if (signal.aborted) return;
        cells?.forEach((cell, i) => greys && put(cell, (pictures[cell] = address(greys[i]))));
      }
      say(HINT);
    } catch (error) {
      if (!signal.aborted) say(reason(error));
    }
    $(".pictures").setAttribute("aria-busy", false);
  }

  function put(i, picture) {
    const button = $(".pictures").children[i];
    button.disabled = false;
    button.querySelector("img").src = picture;
  }

  function show() {
    const { seeds = Array(SEEDS).fill(), pictures = [] } = store.more ?? {};
    $(".pictures").replaceChildren(...seeds.map(place));
    pictures.forEach((picture, i) => put(i, picture));
    mark();
  }

  // A button for a seed; for none its place is kept.
  function place(seed) {
    if (seed === undefined) return button("", null, { disabled: true });
    const made = button("", () => tab.draw({ ...store.more.settings, seed }), {
      disabled: true,
      "aria-label": `Seed ${seed}: make it the main picture`,
    });
    made.append(make("img", { alt: "" }), make("span", { textContent: seed }));
    return made;
  }

  // The picture that is the main one now
  function mark() {
    [...$(".pictures").children].forEach((button, i) => {
      const is_main = is_same(store.more) && store.more.seeds[i] === store.run.settings.seed;
      button.setAttribute("aria-current", Boolean(is_main));
    });
  }

  async function show_example() {
    const { settings, pictures } = await engine.data("more");
    if (store.more || !pictures) return;
    const seeds = pictures.map(([seed]) => seed);
    const shown = pictures.map(([, greys]) => address(bytes_of(greys)));
    store.set({ more: { settings, seeds, pictures: shown } });
    say(HINT);
  }

  $(".draw").addEventListener("click", draw);
  const ends = [store.subscribe(["more"], show), store.subscribe(["run"], mark)];
  show();
  if (!store.more) show_example().catch(() => {});
  return () => {
    controller.abort();
    ends.forEach((end) => end());
  };
}
