// The grid of the tab Compare: `comparison` brings the markup of compare.html to life. This is a
// module without imports. Playing and scrubbing send nothing.

const FRAME_MS = 80; // playing shows a step for as long as the GIF does ...
const WHOLE_MS = 4000; // ... unless all steps together would take longer than this
const SIDE = 28;
const OPENS = "Press a cell to open it in Watch.";

// element, props, trigger, watch: as of player.js; what messages are, `messages` in
// demo/grid_files.py says. server.film(link): a promise of {mp4} or {refused}, of a grid. On the document, clicks on #compare-go and #compare-stop are heard, and
// the events "compare-failed", before it "run-error" with the reason, and "server-back".
export function comparison({ element, props, trigger, watch, server }) {
  const $ = (selector) => element.querySelector(selector);
  const root = $(".comparison");
  const scrubber = $(".grid-step");

  let grid = null; // the newest message of the run
  let cells = []; // for each cell its canvas, and its steps that have come: [picture, x, y]
  let taken = 0; // chunks that are in `cells`
  let total = 1; // steps of the whole grid
  let at = null; // the step of the grid that is shown; null: the newest of each cell
  let playing = false;
  let stopping = false; // Stop was pressed before the run began
  let reason = null; // why the run failed

  const isBusy = () => ["waiting", "running"].includes(root.dataset.state);

  function setState(state, status) {
    root.dataset.state = state;
    $(".grid-status").textContent = status;
    document.body.toggleAttribute("data-comparing", isBusy());
  }

  // What the server says

  function receive(message) {
    if (!message) return;
    if (message.run !== grid?.run) {
      open(message);
      setState("running", "Drawing…");
      if (stopping) stop();
    }
    if (!isBusy() && root.dataset.state !== "done") return; // sent before the server heard of Stop
    grid = message;
    for (; taken < message.chunks.length; taken++) take(message.chunks[taken], message.run);
    offer("gif", message.gif, `${message.name}.gif`);
    offer("png", message.png, `${message.name}.png`);
    if (root.dataset.state === "running" && (message.png || message.no_files)) {
      setState("done", message.no_files ?? `Done: ${count(message.steps.length)}. ${OPENS}`);
      setKeeps(true);
      history.replaceState(history.state, "", link(grid.link));
    }
  }

  const count = (n) => `${n} cell${n === 1 ? "" : "s"}`;

  function open(message) {
    grid = message;
    taken = 0;
    at = null;
    pause();
    setKeeps(false);
    total = Math.max(...message.steps);
    scrubber.max = total;
    scrubber.value = total;
    layOut(message);
    place();
  }

  // A table, so that who does not see it is told of which row and column a cell is.
  function layOut({ across, down, title, steps, lines, links }) {
    const columns = across.titles.length;
    const head = (text, scope) => make("th", { scope, textContent: text, title: text });
    cells = steps.map((_, i) => {
      const canvas = make("canvas", { width: SIDE, height: SIDE });
      const cell = make("a", { className: "cell", title: lines[i] });
      cell.setAttribute("aria-label", lines[i]);
      if (links[i]) Object.assign(cell, { href: link(links[i]), target: "_blank" });
      else cell.setAttribute("role", "img");
      cell.append(canvas);
      return { cell, canvas, steps: [] };
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
    for (const [name, size] of Object.entries(sizes)) {
      $(".grid").style.setProperty(`--${name}`, size);
    }
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
    const at = cells.findIndex(({ cell }) => cell === event.target);
    const columns = grid?.across.titles.length;
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const to = at + moves[event.key];
    const isBeside = Math.floor(to / columns) === Math.floor(at / columns);
    if (at < 0 || !cells[to] || !(isBeside || Math.abs(to - at) === columns)) return;
    event.preventDefault();
    reach(to).cell.focus();
  });

  function take(chunk, run) {
    const picture = new Image();
    picture.onload = () => {
      if (run !== grid.run) return;
      chunk.cells.forEach((cell, row) => {
        for (let i = 0; i < chunk.count; i++) {
          cells[cell].steps[chunk.first + i] = [picture, i * SIDE, row * SIDE];
        }
        draw(cell);
      });
    };
    picture.src = chunk.src;
  }

  // What is on the screen

  function draw(cell) {
    const { canvas, steps } = cells[cell];
    const wanted = at === null ? Infinity : Math.floor((at * grid.steps[cell]) / total);
    const step = steps[Math.min(wanted, steps.length - 1)];
    if (!step) return;
    const [picture, x, y] = step;
    canvas.getContext("2d").drawImage(picture, x, y, SIDE, SIDE, 0, 0, SIDE, SIDE);
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
    setPlayButton();
    if (at === null || at >= total) show(0);
    let shownAt = performance.now();
    requestAnimationFrame(function tick(now) {
      if (!playing) return;
      if (now - shownAt >= Math.min(FRAME_MS, WHOLE_MS / (total + 1))) {
        show(at + 1);
        shownAt = now;
      }
      if (at >= total) pause();
      else requestAnimationFrame(tick);
    });
  }

  function pause() {
    playing = false;
    setPlayButton();
  }

  function setPlayButton() {
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

  function offer(what, file, name) {
    const anchor = $(`.grid-${what}`);
    anchor.setAttribute("aria-disabled", !file);
    if (file) Object.assign(anchor, { href: file.url, download: name });
    else anchor.removeAttribute("href");
  }

  function setKeeps(isDone) {
    $(".grid-link").setAttribute("aria-disabled", !isDone);
    $(".grid-mp4").setAttribute("aria-disabled", !isDone);
    $(".grid-mp4").hidden = !grid.has_mp4;
  }

  const link = (query) =>
    `${location.origin}${location.pathname}?${new URLSearchParams(query)}`;
  const say = (text) => ($(".grid-status").textContent = text);
  const isOffered = (button) => button.getAttribute("aria-disabled") === "false";

  $(".grid-link").addEventListener("click", async ({ currentTarget }) => {
    if (!isOffered(currentTarget)) return;
    try {
      await navigator.clipboard.writeText(link(grid.link));
      say("Link copied.");
    } catch {
      say(link(grid.link)); // no permission, as in a frame: to be copied by hand
    }
  });

  $(".grid-mp4").addEventListener("click", async ({ currentTarget: button }) => {
    if (!isOffered(button)) return;
    const { run, name } = grid;
    button.setAttribute("aria-disabled", true);
    say("Making the MP4…");
    let said;
    try {
      said = await server.film(grid.link);
    } catch {
      said = { refused: "The MP4 could not be made. Try again in a minute." };
    }
    if (said.mp4) make("a", { href: said.mp4, download: `${name}.mp4` }).click();
    if (run !== grid.run || isBusy()) return;
    setKeeps(true);
    say(said.refused ?? "The MP4 is made.");
  });

  // Gradio cannot cancel a run before the server has answered, so Stop may have to wait for that.
  function stop() {
    stopping = root.dataset.state === "waiting";
    if (stopping) setState("waiting", "Stopping…");
    if (root.dataset.state !== "running") return;
    trigger("cancel");
    const drawn = cells.filter(({ steps }, i) => steps.length > grid.steps[i]).length;
    setState("stopped", `Stopped: ${drawn} of ${count(cells.length)}. Compare starts it again.`);
  }

  document.addEventListener(
    "click",
    (event) => {
      if (event.target.closest("#compare-stop")) stop();
      if (!event.target.closest("#compare-go")) return;
      if (isBusy()) return event.stopImmediatePropagation(); // it would be a second run
      reason = null;
      stopping = false;
      setState("waiting", "Waiting for the model…");
    },
    { capture: true },
  );
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.closest("#compare-axes input")) return;
    document.querySelector("#compare-go").click();
  });
  document.addEventListener("run-error", ({ detail }) => {
    reason = detail?.replace("Generate", "Compare"); // the button that connection.js means
  });
  document.addEventListener("compare-failed", () => {
    if (!isBusy()) return;
    setState("failed", reason ?? "Something went wrong on the server. Its log says what.");
  });
  document.addEventListener("server-back", () => {
    if (root.dataset.state !== "failed") return;
    $(".grid-status").textContent = "The server is back. Press Compare.";
  });

  watch("value", () => receive(props.value));
  setState("empty", "Choose a question above, or what differs, and press Compare.");
}
