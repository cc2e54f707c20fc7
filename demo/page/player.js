// The step player. It runs inside a gr.HTML, which gives `element`, `props`, `trigger` and `watch`.
// The server sends what `progress` in demo/generation.py yields; playing and scrubbing send nothing.

const LIVE_MS = 700; // a run is shown over at least this long, or nobody could follow it
const REPLAY_FRAME_MS = 80; // one frame when playing, as in the GIF ...
const REPLAY_MS = 4000; // ... unless the whole would take longer than this

const $ = (selector) => element.querySelector(selector);
const player = $(".player");
const scrubber = $(".scrubber");
const tiles = $(".tiles");
const stillness = matchMedia("(prefers-reduced-motion: reduce)");

let run = null; // {id, settings, frames, seen (the last frame that was), gif, png, closed}
let shown = -1; // index of the frame on the screens
let shownAt = 0; // when it got there
let following = false; // the newest frame is shown as it comes, until somebody scrubs
let playing = false;
let ticking = false;
let stopping = false; // Stop was pressed before the run began

// What the server says

function receive(news) {
  if (news.run !== run.id) {
    open(news);
    setState("running", "Drawing…");
    if (stopping) stop();
  }
  if (run.closed) return; // late news of a run that was stopped
  for (const frame of news.frames) {
    if (frame.index !== run.frames.length) continue; // known already, or after one that is missing
    run.frames.push({ ...frame });
    fillTile(frame.index);
  }
  run.gif = news.gif?.url;
  run.png = news.png?.url;
  tick();
}

function open({ run: id, settings }) {
  run = { id, settings: { ...settings }, frames: [], seen: -1 };
  shown = -1;
  following = true;
  pause();
  scrubber.max = run.settings.steps;
  layTiles();
  offer("gif", null);
  offer("png", null);
  $(".settings").textContent =
    `label ${settings.label} · guidance ${settings.guidance_scale} · ${count(settings.steps)} · ` +
    `${settings.sampler} · seed ${settings.seed}`;
}

// The run is over once its last frame has been seen, or somebody looks at another.
function settle() {
  const isSeen = !following || shown === run.settings.steps;
  if (player.dataset.state !== "running" || !run.gif || !isSeen) return;
  const name = `${run.settings.label}-seed-${run.settings.seed}`;
  setState("done", `Done in ${count(run.settings.steps)}.`);
  offer("gif", run.gif, `${name}.gif`);
  offer("png", run.png, `${name}.png`);
  history.replaceState(history.state, "", link());
}

// Gradio can cancel a run only once the server has answered, so Stop may have to wait for that.
function stop() {
  stopping = player.dataset.state === "waiting";
  if (stopping) setState("waiting", "Stopping…");
  if (player.dataset.state !== "running") return;
  trigger("cancel");
  run.frames.length = run.seen + 1; // what has come and was not seen would be news after the stop
  layTiles();
  const steps = Math.max(run.seen, 0);
  close("stopped", `Stopped after ${count(steps)}. Generate starts it again.`);
}

function close(state, status) {
  if (!isBusy()) return;
  stopping = false;
  run.closed = true;
  following = false;
  setState(state, status);
}

// What is on the screens

const count = (steps) => `${steps} step${steps === 1 ? "" : "s"}`;
const isBusy = () => ["waiting", "running"].includes(player.dataset.state);

function setState(state, status) {
  player.dataset.state = state;
  $(".status").textContent = status;
  document.body.toggleAttribute("data-busy", isBusy());
}

function show(index) {
  const { x_t, x_0, noise_level } = run.frames[index];
  const position = `Step ${index} of ${run.settings.steps}`;
  const noise = `${Math.round(100 * noise_level)}% noise`;
  shown = index;
  run.seen = Math.max(run.seen, index);
  shownAt = performance.now();
  $(".x_t").src = x_t;
  if (x_0) $(".x_0").src = x_0;
  player.toggleAttribute("data-no-estimate", !x_0);
  $(".step").textContent = position;
  $(".noise").textContent = noise;
  scrubber.value = index;
  scrubber.style.setProperty("--frame", `url(${x_t})`);
  scrubber.setAttribute("aria-valuetext", `${position}, ${noise}`);
  settle();
}

// Shows the frames that are there, one by one, at the pace of the moment.
function tick() {
  if (shown < 0 && run.frames[0]) show(0);
  settle();
  if (ticking) return;
  ticking = true;
  requestAnimationFrame(function step() {
    const isLast = shown >= run.frames.length - 1;
    if (playing && isLast) pause();
    if (isLast || !(playing || following)) {
      ticking = false;
      return;
    }
    if (performance.now() - shownAt >= pace()) show(shown + 1);
    requestAnimationFrame(step);
  });
}

function pace() {
  const frames = run.settings.steps + 1;
  if (playing) return Math.min(REPLAY_FRAME_MS, REPLAY_MS / frames);
  return stillness.matches ? 0 : LIVE_MS / frames;
}

// The filmstrip: as many tiles as fit, spread over the steps, under the scrubber's handle

function layTiles() {
  const width = parseFloat(getComputedStyle(tiles).getPropertyValue("--tile"));
  const last = run.settings.steps;
  const fitting = Math.floor((tiles.clientWidth + 2) / (width + 2));
  const shownTiles = Math.max(2, Math.min(fitting, last + 1));
  tiles.replaceChildren(
    ...Array.from({ length: shownTiles }, (_, k) => {
      const tile = document.createElement("img");
      tile.dataset.index = Math.round((k * last) / (shownTiles - 1));
      tile.alt = "";
      return tile;
    }),
  );
  run.frames.forEach((_, index) => fillTile(index));
}

function fillTile(index) {
  const tile = tiles.querySelector(`[data-index="${index}"]`);
  if (tile) tile.src = run.frames[index].x_t;
}

// What the person does

function play() {
  if (!run.frames.length) return;
  following = false;
  playing = true;
  if (shown >= run.frames.length - 1) show(0);
  setPlayButton();
  tick();
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
  if (!run.frames.length) return; // a run has begun and nothing of it has come
  pause();
  following = false;
  show(Math.min(Number(scrubber.value), run.frames.length - 1));
});

// What can be taken away

function offer(what, url, name) {
  const anchor = $(`.${what}`);
  anchor.setAttribute("aria-disabled", !url);
  if (url) Object.assign(anchor, { href: url, download: name });
  else anchor.removeAttribute("href");
}

function link() {
  const url = new URL(location.href);
  Object.entries(run.settings).forEach(([name, value]) => url.searchParams.set(name, value));
  return url.href;
}

$(".link").addEventListener("click", async () => {
  await navigator.clipboard.writeText(link());
  $(".status").textContent = "Link copied.";
});
$(".link").hidden = !navigator.clipboard; // browsers have none on http, but for localhost

// What the rest of the page says

document.addEventListener(
  "click",
  (event) => {
    if (event.target.closest("#stop")) stop();
    if (!event.target.closest("#generate")) return;
    if (isBusy()) event.stopImmediatePropagation(); // Gradio would start a second run
    else setState("waiting", "Waiting for the model…");
  },
  { capture: true },
);
document.addEventListener("run-failed", () => {
  close("failed", "That did not work; the message says why.");
});

watch("value", () => receive(props.value));
new ResizeObserver(layTiles).observe(tiles);

open(props.value);
receive(props.value);
following = false;
show(run.frames.length - 1);
$(".status").textContent = "An example. Press Generate to draw your own.";
