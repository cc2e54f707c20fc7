// The step player: shows the run of the store. Playing and scrubbing ask the engine for nothing.

import { copy_link, download, link_to } from "../files.js";
import { playback } from "../playback.js";
import { done_in, is_busy } from "../runs.js";
import { line_of } from "../words.js";
import { views } from "./views.js";

const RUN_MS = 400; // a run is shown for at least this long, or nobody could follow it
const REPLAY_STEP_MS = 80; // playing shows a step for as long as the GIF does ...
const REPLAY_MS = 4000; // ... unless all steps together would take longer than this
const PAUSE_MS = 800; // a loop stays at its last step for this long

// element: holds the markup of player.html.
export function mount(element, { store, engine, about }) {
  const $ = (selector) => element.querySelector(selector);
  const player = $(".player");
  const scrubber = $(".scrubber");
  const stillness = matchMedia("(prefers-reduced-motion: reduce)");
  const screens = views(element);

  let run = null;
  let shown = -1; // index of the step on the screens
  let shownAt = 0; // when it got there
  let following = false; // each new step is shown when it comes, until somebody scrubs
  let ticking = false;
  const replay = playback($(".play"), scrubber, { begin: play, seek });

  // What the store says

  function open() {
    const fits = store.run.is_live && run?.steps === store.run.steps;
    run = store.run;
    if (!run.is_live) shown = -1;
    following = !run.is_live;
    replay.set(false);
    scrubber.max = run.steps;
    screens.begin(run, fits);
    $(".settings").textContent = line_of(run.settings, about.values);
    $(".link").hidden = !has_link();
    player.toggleAttribute("data-glance", Boolean(run.glance));
    if (run.glance) put(run.glance);
  }

  function receive() {
    if (Number(scrubber.max) !== run.steps) { // they are known when the run has begun
      scrubber.max = run.steps;
      screens.begin(run, false);
    }
    screens.add();
    player.toggleAttribute("data-glance", run.is_live && run.pictures.length <= run.steps);
    if (run.is_live && !following) {
      const held = Math.min(store.at ?? run.steps, run.steps);
      if (run.pictures[held] && shown !== held) show(held);
      else if (run.pictures[held]) put(run.pictures[held]);
    }
    tick();
  }

  // The run is over when its last step has been shown, or somebody looks at another step.
  function settle() {
    const is_seen = !following || shown === run.steps;
    if (store.state !== "running" || !store.ended || !is_seen) return;
    store.set({ state: "done", status: done_in(run) });
    if (has_link()) history.replaceState(history.state, "", link_to(run.settings));
    if (following && is_looping()) play_on();
  }

  function say() {
    player.dataset.state = store.state;
    if ($(".status").textContent !== store.status) $(".status").textContent = store.status;
    document.body.toggleAttribute("data-busy", is_busy(store) && !run.is_live);
    const is_done = store.state === "done" || store.state === "example";
    for (const button of element.querySelectorAll(".keep button")) button.disabled = !is_done;
    if (store.state !== "stopped") return;
    following = false;
    screens.lay();
    if (shown >= run.pictures.length && run.pictures.length) show(run.pictures.length - 1);
  }

  // What is on the screens

  function show(index) {
    const now = performance.now();
    // A frame that came late does not make all others late.
    shownAt = Math.min(now, Math.max(shownAt + pace(), now - pace()));
    put(run.pictures[index]);
    settle();
  }

  function put(picture) {
    const { index, noise_level, caption } = picture;
    const position = `${run.settings.morph ? "Picture" : "Step"} ${index} of ${run.steps}`;
    const noise = caption ?? `${Math.round(100 * noise_level)}% noise`;
    shown = index;
    store.set({ shown });
    screens.show(picture);
    $(".step").textContent = position;
    $(".noise").textContent = noise;
    scrubber.value = index;
    scrubber.setAttribute("aria-valuetext", `${position}, ${noise}`);
  }

  // Shows the steps that have come, one after another, at the pace of the moment.
  function tick() {
    if (following && shown < 0 && run.pictures[0]) show(0);
    settle();
    if (ticking) return;
    ticking = true;
    requestAnimationFrame(function step() {
      const is_last = shown >= run.pictures.length - 1;
      const rests = replay.playing && is_last && !run.settings.morph; // a morph that loops goes on
      const waits = shownAt + (rests ? PAUSE_MS : pace()) > performance.now();
      if (replay.playing && is_last && !is_looping()) replay.set(false);
      if (!element.isConnected || (!replay.playing && (is_last || !following))) {
        ticking = false;
        return;
      }
      if (!waits) show(is_last ? 0 : shown + 1);
      requestAnimationFrame(step);
    });
  }

  function pace() {
    const pictures = run.steps + 1; // the start has one, too
    if (replay.playing)
      return Math.min(REPLAY_STEP_MS, REPLAY_MS / pictures) / Number($(".speed").value);
    return stillness.matches ? 0 : RUN_MS / pictures;
  }

  // What the person does

  function play() {
    if (!run.pictures.length) return;
    if (shown >= run.pictures.length - 1) show(0);
    play_on();
  }

  function play_on() {
    take(null);
    replay.set(true);
    tick();
  }

  // From now on the person says which step is shown. Live pictures show it, too: the last one
  // unless they chose another. Where each picture began with noise again, the screens would flash.
  function take(index) {
    following = false;
    store.set({ at: index === run.steps ? null : index });
  }

  function seek(index) {
    take(index);
    if (run.pictures.length) show(Math.min(index, run.pictures.length - 1));
  }

  const is_looping = () => $(".loop").getAttribute("aria-pressed") === "true";

  // The arrow keys step wherever in the player the focus is.
  player.addEventListener("keydown", ({ key, target }) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (!by || target.matches("input, select")) return;
    scrubber.value = Number(scrubber.value) + by;
    scrubber.dispatchEvent(new Event("input"));
  });
  $(".loop").addEventListener("click", () => {
    $(".loop").setAttribute("aria-pressed", !is_looping());
    if (is_looping() && !replay.playing) play();
  });

  // Files and the link

  // A picture is too long for a link, and what a link says is about one image.
  const has_link = () => !("start_from" in run.settings || "morph" in run.settings);
  const tell = (...said) => $(".status").replaceChildren(...said);

  for (const format of ["gif", "png"])
    $(`.${format}`).addEventListener("click", () =>
      download(engine, run.request ?? run.settings, { format }, tell),
    );
  $(".link").addEventListener("click", () => copy_link(link_to(run.settings), tell));

  if (store.run.settings.morph && !stillness.matches) $(".loop").setAttribute("aria-pressed", true);
  open();
  screens.add();
  const last = run.pictures.length - 1;
  following = is_busy(store);
  if (last >= 0) show(Math.min(store.shown ?? last, last));
  say();
  tick();
  const ends = [
    store.subscribe(["run"], open),
    store.subscribe(["came", "ended"], receive),
    store.subscribe(["state", "status"], say),
  ];
  return () => ends.forEach((end) => end());
}
