// The step player: `player` brings the markup of player.html to life. Playing and scrubbing send
// nothing. This module and those that it imports work as one plain script, too.

import { keeping } from "./keeping.js";
import { views } from "./views.js";

const RUN_MS = 400; // a run is shown for at least this long, or nobody could follow it
const REPLAY_STEP_MS = 80; // playing shows a step for as long as the GIF does ...
const REPLAY_MS = 4000; // ... unless all steps together would take longer than this
const PAUSE_MS = 800; // a loop stays at its last step for this long

// element: holds the markup. props.value: the newest message of a run, first that of an example;
// `Runner.messages` in demo/runs.py says what messages are. One more key, live: a run that follows
// the controls while they move. watch("value", function): has it called for each new message.
// (A gr.HTML gives these.) cancel(): called when the run is to be stopped.
//
// buttons: selectors of Generate and Stop. isStale(message): whether it is of a run that nobody
// waits for any more.
//
// On the document, the player hears clicks on these, and events: "run-failed", of no player or of
// that whose Generate is in detail ("live": of that which follows the controls), before it
// "run-error" with the reason; "run-waits" and "run-refused" with a text; "server-back". It
// dispatches "run-ended" on the element.
//
// Returns what a page calls that asks for single pictures while the controls move: see `live.js`.
export function player(options) {
  const { element, props, watch, cancel, buttons = ["#generate", "#stop"] } = options;
  const { isStale = () => false } = options;
  const [generate, halt] = buttons;
  const $ = (selector) => element.querySelector(selector);
  const player = $(".player");
  const scrubber = $(".scrubber");
  const stillness = matchMedia("(prefers-reduced-motion: reduce)");

  // {id, steps, settings, name, pictures, seen (index of the last step that was shown), held (of a
  // live run: the index of the step to be shown), gif, png, noFiles (why there are none), closed}
  let run = null;
  const over = new Set(); // ids of the runs before
  let live = false; // the run follows the controls while they move
  let shown = -1; // index of the step on the screens
  let shownAt = 0; // when it got there
  let following = false; // each new step is shown when it comes, until somebody scrubs
  let playing = false;
  let ticking = false;
  let stopping = false; // Stop was pressed before the run began
  let reason = null; // why the run failed

  const screens = views(element);
  const kept = keeping(element, () => run);

  // What the server says

  function receive(message) {
    if (over.has(message.run)) return;
    if (message.run !== run.id) {
      open(message);
      setState("running", "Drawing…");
      if (stopping) stop();
    }
    if (message.steps !== run.steps) setSteps(message.steps); // they are known when it has begun
    if (run.closed) return; // a run that was stopped may have sent this before it heard of it
    for (const picture of message.pictures) {
      if (picture.index !== run.pictures.length) continue; // here already, or one before is missing
      run.pictures.push({ ...picture });
      screens.add(picture.index);
      if (picture.index === run.held) show(run.held);
    }
    run.gif = message.gif?.url;
    run.png = message.png?.url;
    run.noFiles = message.no_files;
    run.remark = message.remark;
    player.toggleAttribute("data-glance", live && run.pictures.length <= run.steps);
    tick();
  }

  function open(message) {
    const { run: id, steps, settings, name, line, unit = "Step", live: isLive = false } = message;
    const held = isLive ? place(steps) : null;
    const fits = isLive && steps === run.steps;
    if (run) over.add(run.id);
    run = { id, steps, unit, settings: { ...settings }, name, pictures: [], seen: -1, held };
    live = isLive;
    if (!live) shown = -1;
    following = !live;
    pause();
    scrubber.max = steps;
    screens.begin({ ...message, pictures: run.pictures }, fits);
    kept.begin();
    $(".settings").textContent = line;
    const detail = { settings: run.settings, name };
    player.dispatchEvent(new CustomEvent("run-shown", { bubbles: true, detail }));
  }

  function setSteps(steps) {
    run.steps = steps;
    scrubber.max = steps;
    screens.begin(run, false);
  }

  // One picture of a run that follows the controls, of the step that `at` has said. The rest of the
  // run may come later. Returns false if all of it is here already.
  function glance(message) {
    const isSame = JSON.stringify(message.settings) === JSON.stringify(run.settings);
    if (isSame && player.dataset.state === "done" && run.pictures.length) return false;
    open(message);
    player.toggleAttribute("data-glance", true);
    setState("done", `Done in ${count(run.steps)}.`);
    put(message.pictures[0]);
    return true;
  }

  // The step that a live run is to show, null for the last.
  function at() {
    const step = place(run.steps);
    return step === run.steps ? null : step;
  }

  // A live run changes the picture of the step that somebody looks at. That is the last one, unless
  // they have chosen another: where each run began with noise again, the screens would flash.
  function place(steps) {
    const at = run.held ?? (following || playing ? run.steps : shown);
    return at < 0 || at === run.steps ? steps : Math.min(at, steps);
  }

  // The run is over when its last step has been shown, or somebody looks at another step.
  function settle() {
    const isSeen = !following || shown === run.steps;
    if (player.dataset.state !== "running" || !(run.gif || run.noFiles) || !isSeen) return;
    setState("done", run.noFiles ?? (run.remark || `Done in ${count(run.steps)}.`));
    kept.end();
    ended();
    if (following && isLooping()) playOn();
  }

  // Gradio cannot cancel a run before the server has answered, so Stop may have to wait for that.
  function stop() {
    stopping = player.dataset.state === "waiting";
    if (stopping) setState("waiting", "Stopping…");
    if (player.dataset.state !== "running") return;
    cancel();
    if (live) run.seen = run.pictures.length - 1;
    run.pictures.length = run.seen + 1; // no step that has come but was not shown appears later
    screens.lay();
    const steps = Math.max(run.seen, 0);
    if (shown > run.seen && run.pictures.length) show(run.seen);
    following = false;
    close("stopped", `Stopped after ${count(steps)}. Generate starts it again.`);
  }

  function close(state, status) {
    if (!isBusy()) return;
    stopping = false;
    run.closed = true;
    setState(state, status);
    ended();
  }

  const ended = () => element.dispatchEvent(new Event("run-ended"));

  // What is on the screens

  const count = (steps) => `${steps} step${steps === 1 ? "" : "s"}`;
  const isBusy = () => ["waiting", "running"].includes(player.dataset.state);

  function setState(state, status) {
    player.dataset.state = state;
    if ($(".status").textContent !== status) $(".status").textContent = status; // it is read out
    document.body.toggleAttribute("data-busy", isBusy() && !live);
  }

  function show(index) {
    run.seen = Math.max(run.seen, index);
    const now = performance.now();
    // A frame that came late does not make all others late.
    shownAt = Math.min(now, Math.max(shownAt + pace(), now - pace()));
    put(run.pictures[index]);
    settle();
  }

  function put(picture) {
    const { index, noise_level, caption } = picture;
    const position = `${run.unit} ${index} of ${run.steps}`;
    const noise = caption ?? `${Math.round(100 * noise_level)}% noise`;
    shown = index;
    screens.show(picture);
    $(".step").textContent = position;
    $(".noise").textContent = noise;
    scrubber.value = index;
    scrubber.setAttribute("aria-valuetext", `${position}, ${noise}`);
  }

  // Shows the steps that have come, one after another, at the pace of the moment.
  function tick() {
    if (!live && shown < 0 && run.pictures[0]) show(0);
    settle();
    if (ticking) return;
    ticking = true;
    requestAnimationFrame(function step() {
      const isLast = shown >= run.pictures.length - 1;
      const rests = playing && isLast && run.unit === "Step"; // a morph that loops goes on
      const waits = shownAt + (rests ? PAUSE_MS : pace()) > performance.now();
      if (playing && isLast && !isLooping()) pause();
      if (!playing && (isLast || !following)) {
        ticking = false;
        return;
      }
      if (!waits) show(isLast ? 0 : shown + 1);
      requestAnimationFrame(step);
    });
  }

  function pace() {
    const pictures = run.steps + 1; // the start has one, too
    if (playing) return Math.min(REPLAY_STEP_MS, REPLAY_MS / pictures) / Number($(".speed").value);
    return stillness.matches ? 0 : RUN_MS / pictures;
  }

  // What the person does

  function play() {
    if (!run.pictures.length) return;
    if (shown >= run.pictures.length - 1) show(0);
    playOn();
  }

  function playOn() {
    take();
    playing = true;
    setPlayButton();
    tick();
  }

  // From now on the person says which step is shown.
  function take() {
    following = false;
    run.held = null;
  }

  function pause() {
    playing = false;
    setPlayButton();
  }

  function setPlayButton() {
    $(".play").setAttribute("aria-label", playing ? "Pause" : "Play");
    $(".play").toggleAttribute("data-playing", playing);
  }

  const isLooping = () => $(".loop").getAttribute("aria-pressed") === "true";
  const toggle = () => (playing ? pause() : play());

  $(".play").addEventListener("click", toggle);
  scrubber.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    toggle();
  });
  scrubber.addEventListener("input", () => {
    pause();
    take();
    if (run.pictures.length) show(Math.min(Number(scrubber.value), run.pictures.length - 1));
    else if (live) run.held = Number(scrubber.value); // it is shown when it comes
  });
  // The arrow keys step wherever in the player the focus is.
  player.addEventListener("keydown", ({ key, target }) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (!by || target.matches("input, select")) return;
    scrubber.value = Number(scrubber.value) + by;
    scrubber.dispatchEvent(new Event("input"));
  });
  $(".loop").addEventListener("click", () => {
    $(".loop").setAttribute("aria-pressed", !isLooping());
    if (isLooping() && !playing) play();
  });

  // What the rest of the page says

  document.addEventListener(
    "click",
    (event) => {
      if (event.target.closest(halt)) stop();
      if (!event.target.closest(generate)) return;
      if (isBusy() && !live) return event.stopImmediatePropagation(); // it would be a second run
      reason = null;
      live = false;
      setState("waiting", "Waiting for the model…");
    },
    { capture: true },
  );
  // connection.js says why before Gradio says that the run failed.
  document.addEventListener("run-error", ({ detail }) => (reason = detail));
  document.addEventListener("run-failed", ({ detail }) => {
    if (detail === "live" ? !live : detail && detail !== generate) return;
    // All steps that have come are shown.
    close("failed", reason ?? "Something went wrong on the server. Its log says what.");
  });
  document.addEventListener("run-refused", ({ detail }) => {
    if (element.checkVisibility()) $(".status").textContent = detail;
  });
  document.addEventListener("run-waits", ({ detail }) => {
    if (player.dataset.state === "waiting") setState("waiting", detail);
  });
  document.addEventListener("server-back", () => {
    if (player.dataset.state !== "failed") return;
    $(".status").textContent = "The server is back. Press Generate.";
  });

  watch("value", () => isStale(props.value) || receive(props.value));

  open(props.value);
  receive(props.value);
  following = false;
  show(run.pictures.length - 1);
  $(".status").textContent = "An example. Press Generate to draw your own.";

  return { at, glance, isBusy: () => isBusy() && !live };
}
