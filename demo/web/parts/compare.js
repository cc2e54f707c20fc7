// The grid of the tab Compare. Playing and scrubbing ask the engine for nothing.

import { copy_link, download, link_to } from "../files.js";
import { query_of_grid } from "../links.js";
import { make } from "../make.js";
import { SIDE, bytes_of, image_data } from "../pictures.js";
import { playback } from "../playback.js";
import { count, is_busy } from "../runs.js";
import { line_of } from "../words.js";

const FRAME_MS = 80; // playing shows a step for as long as the GIF does ...
const WHOLE_MS = 4000; // ... unless all steps together would take longer than this
const OPENS = "Press a cell to open it in Watch.";

// element: holds the markup of compare.html.
export function mount(element, { store, engine, tab, about }) {
  const $ = (selector) => element.querySelector(selector);
  const scrubber = $(".grid-step");
  let run = null;
  let cells = []; // of each the link and the canvas
  let total = 1; // steps of the whole grid
  let at = null; // the step of the grid that is shown; null: the newest of each cell
  const player = playback($(".play"), scrubber, { begin: play, seek: show });

  // What the store says

  function open() {
    run = store.run;
    if (!run) return;
    at = null;
    player.set(false);
    total = Math.max(...run.cells.map(({ steps }) => steps));
    scrubber.max = total;
    scrubber.value = total;
    scrubber.disabled = $(".play").disabled = Boolean(run.is_example);
    lay_out();
    place();
    run.cells.forEach((_, cell) => draw(cell));
  }

  function receive() {
    run.cells.forEach((_, cell) => draw(cell));
    if (!store.ended || store.state !== "running") return;
    store.set({ state: "done", status: `Done: ${count(cells.length, "cell")}. ${OPENS}` });
    history.replaceState(history.state, "", link_to(link()));
  }

  function say() {
    $(".comparison").dataset.state = store.state;
    if ($(".grid-status").textContent !== store.status) tell(store.status);
    document.body.toggleAttribute("data-comparing", is_busy(store));
    const is_done = store.state === "done" || store.state === "example";
    for (const button of element.querySelectorAll(".keep button")) button.disabled = !is_done;
  }

  const link = () => query_of_grid(run.settings, about.of_words);

  const tell = (...said) => $(".grid-status").replaceChildren(...said);

  // A table, so that screen readers announce the row and column of a cell.
  function lay_out() {
    const { across, down, title } = run;
    const columns = across.titles.length;
    const head = (text, scope) => make("th", { scope, textContent: text, title: text });
    const { model } = run.settings, of_model = model ? { model } : {};
    cells = run.cells.map(({ settings }) => {
      const canvas = make("canvas", { width: SIDE, height: SIDE });
      const title = line_of(settings, about.values);
      const cell = make("a", { className: "cell", title, "aria-label": title }, canvas);
      if (settings.eta) cell.setAttribute("role", "img"); // Watch has no control for it
      else Object.assign(cell, { href: link_to({ ...of_model, ...settings }), target: "_blank" });
      return { cell, canvas };
    });
    reach(0);
    const corner = down ? [make("td")] : [];
    const rows = [make("tr", {}, ...corner, ...across.titles.map((text) => head(text, "col")))];
    for (let first = 0; first < cells.length; first += columns) {
      const beside = down ? [head(down.titles[first / columns], "row")] : [];
      const inside = cells.slice(first, first + columns).map(({ cell }) => make("td", {}, cell));
      rows.push(make("tr", {}, ...beside, ...inside));
    }
    const longest = down ? Math.max(...down.titles.map((text) => text.length)) : 0;
    const sizes = { columns, rows: rows.length - 1, beside: Math.min(longest, 10) };
    for (const [name, size] of Object.entries(sizes))
      $(".grid").style.setProperty(`--${name}`, size);
    $(".grid").replaceChildren(make("caption", { textContent: title }), ...rows);
  }

  // Of the cells, the key Tab reaches one; from there the arrow keys go on.
  function reach(index) {
    cells.forEach(({ cell }, i) => (cell.tabIndex = i === index ? 0 : -1));
    return cells[index];
  }

  $(".grid").addEventListener("keydown", (event) => {
    const from = cells.findIndex(({ cell }) => cell === event.target);
    const columns = run?.across.titles.length;
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const to = from + moves[event.key];
    const is_beside = Math.floor(to / columns) === Math.floor(from / columns);
    if (from < 0 || !cells[to] || !(is_beside || Math.abs(to - from) === columns)) return;
    event.preventDefault();
    reach(to).cell.focus();
  });

  // What is on the screen

  function draw(cell) {
    const pictures = run.pictures[cell], { steps } = run.cells[cell];
    const wanted = Math.floor(((at ?? total) * steps) / total);
    const greys = pictures[Math.min(wanted, run.is_example ? steps : pictures.length - 1)];
    if (!greys || cells[cell].shown === greys) return;
    cells[cell].shown = greys;
    cells[cell].canvas.getContext("2d").putImageData(image_data(greys), 0, 0);
  }

  function place() {
    const text = `${at ?? total} of ${total}`;
    $(".grid-position .at").textContent = text;
    scrubber.setAttribute("aria-valuetext", `Step ${text}`);
  }

  function show(step) {
    if (!cells.length) return;
    at = step;
    scrubber.value = step;
    place();
    cells.forEach((_, cell) => draw(cell));
  }

  function play() {
    if (!cells.length) return;
    player.set(true);
    if (at === null || at >= total) show(0);
    let shown_at = performance.now();
    requestAnimationFrame(function tick(now) {
      if (!player.playing || !element.isConnected) return;
      if (now - shown_at >= Math.min(FRAME_MS, WHOLE_MS / (total + 1))) {
        show(at + 1);
        shown_at = now;
      }
      if (at >= total) player.set(false);
      else requestAnimationFrame(tick);
    });
  }

  // Files and the link

  for (const format of ["gif", "png", "mp4"]) {
    const button = $(`.grid-${format}`);
    button.hidden = !engine.formats.grid.includes(format);
    button.addEventListener("click", () => download(engine, run.request, { format }, tell));
  }
  $(".grid-link").addEventListener("click", () => copy_link(link_to(link()), tell));

  // Of each cell the last step alone
  async function show_example() {
    const { pictures, ...example } = await engine.data("compare");
    if (store.run || !pictures) return;
    const last = pictures.map((greys, i) => ({ [example.cells[i].steps]: bytes_of(greys) }));
    const run = { ...example, request: tab.request, pictures: last, is_example: true };
    store.set({
      ...{ run, state: "example" },
      status: "An example. Press Compare to draw it step by step.",
    });
  }

  open();
  say();
  const ends = [
    store.subscribe(["run"], open),
    store.subscribe(["came", "ended"], receive),
    store.subscribe(["state", "status"], say),
  ];
  if (!run) show_example().catch(() => {});
  return () => ends.forEach((end) => end());
}
