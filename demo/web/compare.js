// The grid of the tab Compare: `comparison` brings the markup of compare.html to life. This is a
// module without imports. Playing and scrubbing send nothing.

const FRAME_MS = 80; // playing shows a step for as long as the GIF does ...
const WHOLE_MS = 4000; // ... unless all steps together would take longer than this
const SIDE = 28;

// element, props, trigger, watch: as of player.js; what messages are, `messages` in
// demo/grid_files.py says. On the document, clicks on #compare-go and #compare-stop are heard, and
// the events "compare-failed", before it "run-error" with the reason, and "server-back".
export function comparison({ element, props, trigger, watch }) {
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
    offer("mp4", message.mp4, `${message.name}.mp4`);
    if (root.dataset.state === "running" && (message.png || message.no_files)) {
      setState("done", message.no_files ?? `Done: ${count(message.steps.length)}.`);
    }
  }

  const count = (n) => `${n} cell${n === 1 ? "" : "s"}`;

  function open(message) {
    grid = message;
    taken = 0;
    at = null;
    pause();
    total = Math.max(...message.steps);
    scrubber.max = total;
    scrubber.value = total;
    layOut(message);
    place();
  }

  // A table, so that who does not see it is told of which row and column a cell is.
  function layOut({ across, down, steps, lines }) {
    const columns = across.titles.length;
    const head = (text, scope) => {
      const th = document.createElement("th");
      Object.assign(th, { scope, textContent: text, title: text });
      return th;
    };
    const row = (...inside) => {
      const tr = document.createElement("tr");
      tr.append(...inside);
      return tr;
    };
    const caption = document.createElement("caption");
    caption.textContent = `${across.title} →` + (down ? `  ${down.title} ↓` : "");
    cells = steps.map((_, i) => {
      const canvas = document.createElement("canvas");
      Object.assign(canvas, { width: SIDE, height: SIDE, title: lines[i] });
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", lines[i]);
      return { canvas, steps: [] };
    });
    const corner = down ? [document.createElement("td")] : [];
    const rows = [row(...corner, ...across.titles.map((text) => head(text, "col")))];
    for (let first = 0; first < cells.length; first += columns) {
      const beside = down ? [head(down.titles[first / columns], "row")] : [];
      const inside = cells.slice(first, first + columns).map(({ canvas }) => {
        const td = document.createElement("td");
        td.append(canvas);
        return td;
      });
      rows.push(row(...beside, ...inside));
    }
    $(".grid").style.setProperty("--columns", columns);
    $(".grid").replaceChildren(caption, ...rows);
  }

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
    const text = `Step ${at ?? total} of ${total}`;
    $(".grid-position").textContent = text;
    scrubber.setAttribute("aria-valuetext", text);
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

  // Gradio cannot cancel a run before the server has answered, so Stop may have to wait for that.
  function stop() {
    stopping = root.dataset.state === "waiting";
    if (stopping) setState("waiting", "Stopping…");
    if (root.dataset.state !== "running") return;
    trigger("cancel");
    const drawn = cells.filter(({ steps }, i) => steps.length > grid.steps[i]).length;
    setState("stopped", `Stopped: ${drawn} of ${count(cells.length)}. Compare starts it again.`);
  }

  // The listeners go with the markup: Gradio takes a tab away that is left, and makes it anew.
  const listen = (name, hear, options) => {
    document.addEventListener(name, function once(event) {
      if (element.isConnected) return hear(event);
      document.removeEventListener(name, once, options);
    }, options);
  };
  listen("click", (event) => {
    if (event.target.closest("#compare-stop")) stop();
    if (!event.target.closest("#compare-go")) return;
    if (isBusy()) return event.stopImmediatePropagation(); // it would be a second run
    reason = null;
    stopping = false;
    setState("waiting", "Waiting for the model…");
  }, { capture: true });
  listen("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.closest("#compare-axes input")) return;
    document.querySelector("#compare-go").click();
  });
  listen("run-error", ({ detail }) => (reason = detail));
  listen("compare-failed", () => {
    if (!isBusy()) return;
    setState("failed", reason ?? "Something went wrong on the server. Its log says what.");
  });
  listen("server-back", () => {
    if (root.dataset.state !== "failed") return;
    $(".grid-status").textContent = "The server is back. Press Compare.";
  });

  watch("value", () => receive(props.value));
  setState("empty", "Choose a question, or what differs, and press Compare.");
  if (props.value) {
    receive(props.value);
    if (isBusy()) setState("stopped", "The grid as it was when this tab was left.");
  }
}
