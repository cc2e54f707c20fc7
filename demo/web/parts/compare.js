// The grid of the tab Compare. Playing and scrubbing ask the engine for nothing.

import { copied, download, link_to } from "../files.js";
import { SIDE, bytes_of } from "../pictures.js";
import { count, is_busy } from "../runs.js";

const FRAME_MS = 80; // playing shows a step for as long as the GIF does ...
const WHOLE_MS = 4000; // ... unless all steps together would take longer than this
const OPENS = "Press a cell to open it in Watch.";

// element: holds the markup of compare.html.
export function mount(element, { store, engine, tab }) {
  const $ = (selector) => element.querySelector(selector);
  const scrubber = $(".grid-step");
  let run = null;
  let cells = []; // of each the link and the canvas
  let total = 1; // steps of the whole grid
  let at = null; // the step of the grid that is shown; null: the newest of each cell
  let playing = false;

  // What the store says

  function open() {
    run = store.run;
    if (!run) return;
    at = null;
    pause();
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

  // With the model, if it is not the first of several.
  const link = () => {
    const { model } = run.cells[0].settings;
    return model ? { ...run.link, model } : run.link;
  };

  const tell = (...said) => $(".grid-status").replaceChildren(...said);

  // A table, so that screen readers announce the row and column of a cell.
  function lay_out() {
    const { across, down, title } = run;
    const columns = across.titles.length;
    const head = (text, scope) => make("th", { scope, textContent: text, title: text });
    cells = run.cells.map(({ line, settings }) => {
      const canvas = make("canvas", { width: SIDE, height: SIDE });
      const cell = make("a", { className: "cell", title: line }, canvas);
      cell.setAttribute("aria-label", line);
      if (settings.eta) cell.setAttribute("role", "img"); // Watch has no control for it
      else Object.assign(cell, { href: link_to(settings), target: "_blank" });
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

  function make(tag, properties = {}, ...inside) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...inside);
    return made;
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
    const pictures = run.pictures[cell];
    const wanted = at === null ? Infinity : Math.floor((at * run.cells[cell].steps) / total);
    const greys = pictures[Math.min(wanted, pictures.length - 1)];
    if (!greys || cells[cell].shown === greys) return;
    cells[cell].shown = greys;
    const pixels = new ImageData(SIDE, SIDE);
    greys.forEach((grey, i) => pixels.data.set([grey, grey, grey, 255], 4 * i));
    cells[cell].canvas.getContext("2d").putImageData(pixels, 0, 0);
  }

  function place() {
    const text = `${at ?? total} of ${total}`;
    $(".grid-position .at").textContent = text;
    scrubber.setAttribute("aria-valuetext", `Step ${text}`);
  }

  function show(step) {
    at = step;
    scrubber.value = step;
    place();
    cells.forEach((_, cell) => draw(cell));
  }

  function play() {
    if (!cells.length) return;
    playing = true;
    set_play_button();
    if (at === null || at >= total) show(0);
    let shown_at = performance.now();
    requestAnimationFrame(function tick(now) {
      if (!playing || !element.isConnected) return;
      if (now - shown_at >= Math.min(FRAME_MS, WHOLE_MS / (total + 1))) {
        show(at + 1);
        shown_at = now;
      }
      if (at >= total) pause();
      else requestAnimationFrame(tick);
    });
  }

  function pause() {
    playing = false;
    set_play_button();
  }

  function set_play_button() {
    $(".play").setAttribute("aria-label", playing ? "Pause" : "Play");
    $(".play").toggleAttribute("data-playing", playing);
  }

  const toggle = () => (playing ? pause() : play());

  $(".play").addEventListener("click", toggle);
  scrubber.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    toggle();
  });
  scrubber.addEventListener("input", () => {
    pause();
    if (cells.length) show(Number(scrubber.value));
  });

  // Files and the link

  for (const format of ["gif", "png", "mp4"]) {
    const button = $(`.grid-${format}`);
    button.hidden = !engine.formats.grid.includes(format);
    button.addEventListener("click", () => download(engine, run.request, { format }, tell));
  }
  $(".grid-link").addEventListener("click", async () => {
    const text = link_to(link());
    tell((await copied(text)) ? "Link copied." : text); // else it is copied by hand
  });

  async function show_example() {
    const { pictures, ...example } = await engine.data("compare");
    if (store.run || !pictures) return;
    const of_cells = example.cells.map(({ steps }, i) => {
      const steps_of_cell = [];
      steps_of_cell[steps] = bytes_of(pictures[i]);
      return steps_of_cell;
    });
    const run = { ...example, request: tab.request, pictures: of_cells, is_example: true };
    const status = "An example. Press Compare to draw it step by step.";
    store.set({ run, state: "example", status });
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
