// The step player: `player` brings the markup of player.html to life. This is a module without
// imports, so that a page can take it in as a plain script too. Playing and scrubbing send nothing.

const LIVE_MS = 700; // a run is shown for at least this long, or nobody could follow it
const REPLAY_STEP_MS = 80; // playing shows a step for as long as the GIF does ...
const REPLAY_MS = 4000; // ... unless all steps together would take longer than this

// element: holds the markup. props.value: the newest message of a run, first that of an example;
// `Runner.messages` in demo/runs.py says what messages are. One more key, live: a run that follows
// the controls while they move. watch("value", function): has it called for each new message.
// trigger("cancel"): called when the run is to be stopped. (A gr.HTML gives all of these.)
//
// buttons: selectors of Generate and Stop.
//
// On the document, the player hears clicks on these, and events: "run-failed", of no player or of
// that whose Generate is in detail, before it "run-error" with the reason; "run-waits" and
// "run-refused" with a text; "server-back".
export function player(options) {
  const { element, props, trigger, watch, buttons = ["#generate", "#stop"] } = options;
  const [generate, halt] = buttons;
  const $ = (selector) => element.querySelector(selector);
  const player = $(".player");
  const scrubber = $(".scrubber");
  const tiles = $(".tiles");
  const stillness = matchMedia("(prefers-reduced-motion: reduce)");

  // {id, steps, settings, name, pictures, seen (index of the last step that was shown), held (of a
  // live run: the index of the step to be shown), gif, png, noFiles (why there are none), closed}
  let run = null;
  let live = false; // the run follows the controls while they move
  let shown = -1; // index of the step on the screens
  let shownAt = 0; // when it got there
  let following = false; // each new step is shown when it comes, until somebody scrubs
  let playing = false;
  let ticking = false;
  let stopping = false; // Stop was pressed before the run began
  let reason = null; // why the run failed

  // What the server says

  function receive(message) {
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
      fillTile(picture.index);
      if (picture.index === run.held) show(run.held);
    }
    run.gif = message.gif?.url;
    run.png = message.png?.url;
    run.noFiles = message.no_files;
    run.remark = message.remark;
    tick();
  }

  function open(message) {
    const { run: id, steps, settings, name, line, unit = "Step", live: isLive = false } = message;
    const held = isLive ? place(steps) : null;
    const fits = isLive && steps === run.steps;
    run = { id, steps, unit, settings: { ...settings }, name, pictures: [], seen: -1, held };
    live = isLive;
    if (!live) shown = -1;
    following = !live;
    pause();
    scrubber.max = steps;
    if (!fits) layTiles(); // otherwise the new pictures come in the place of the old ones
    offer("gif", null);
    offer("png", null);
    $(".settings").textContent = line;
    for (const [screen, caption] of Object.entries(message.captions ?? {})) {
      $(`.${screen}`).alt = caption;
      $(`.${screen}`).closest("figure").querySelector("figcaption").textContent = caption;
    }
    $(".link").hidden = !hasLink();
    const detail = { settings: run.settings, name };
    player.dispatchEvent(new CustomEvent("run-shown", { bubbles: true, detail }));
  }

  function setSteps(steps) {
    run.steps = steps;
    scrubber.max = steps;
    layTiles();
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
    offer("gif", run.gif, `${run.name}.gif`);
    offer("png", run.png, `${run.name}.png`);
    if (hasLink()) history.replaceState(history.state, "", link());
  }

  // Gradio cannot cancel a run before the server has answered, so Stop may have to wait for that.
  function stop() {
    stopping = player.dataset.state === "waiting";
    if (stopping) setState("waiting", "Stopping…");
    if (player.dataset.state !== "running") return;
    trigger("cancel");
    if (live) run.seen = run.pictures.length - 1;
    run.pictures.length = run.seen + 1; // no step that has come but was not shown appears later
    layTiles();
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
  }

  // What is on the screens

  const count = (steps) => `${steps} step${steps === 1 ? "" : "s"}`;
  const isBusy = () => ["waiting", "running"].includes(player.dataset.state);

  function setState(state, status) {
    player.dataset.state = state;
    if ($(".status").textContent !== status) $(".status").textContent = status; // it is read out
    document.body.toggleAttribute("data-busy", isBusy() && !live);
  }

  function show(index) {
    const { x_t, x_0, noise_level, caption } = run.pictures[index];
    const position = `${run.unit} ${index} of ${run.steps}`;
    const noise = caption ?? `${Math.round(100 * noise_level)}% noise`;
    shown = index;
    run.seen = Math.max(run.seen, index);
    shownAt = performance.now();
    $(".x_t").src = x_t;
    if (x_0) $(".x_0").src = x_0;
    player.toggleAttribute("data-no-estimate", !x_0);
    $(".step").textContent = position;
    $(".noise").textContent = noise;
    scrubber.value = index;
    scrubber.style.setProperty("--picture", `url(${x_t})`);
    scrubber.setAttribute("aria-valuetext", `${position}, ${noise}`);
    settle();
  }

  // Shows the steps that have come, one after another, at the pace of the moment.
  function tick() {
    if (!live && shown < 0 && run.pictures[0]) show(0);
    settle();
    if (ticking) return;
    ticking = true;
    requestAnimationFrame(function step() {
      const isLast = shown >= run.pictures.length - 1;
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
    const pictures = run.steps + 1; // the start has one, too
    if (playing) return Math.min(REPLAY_STEP_MS, REPLAY_MS / pictures);
    return stillness.matches ? 0 : LIVE_MS / pictures;
  }

  // The strip under the scrubber's handle: as many tiles as fit, spread over the steps

  function layTiles() {
    const width = parseFloat(getComputedStyle(tiles).getPropertyValue("--tile"));
    const last = run.steps;
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
    run.pictures.forEach((_, index) => fillTile(index));
  }

  function fillTile(index) {
    const tile = tiles.querySelector(`[data-index="${index}"]`);
    if (tile) tile.src = run.pictures[index].x_t;
  }

  // What the person does

  function play() {
    if (!run.pictures.length) return;
    take();
    playing = true;
    if (shown >= run.pictures.length - 1) show(0);
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

  const toggle = () => (playing ? pause() : play());

  $(".play").addEventListener("click", toggle);
  scrubber.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    toggle();
  });
  scrubber.addEventListener("input", () => {
    if (!run.pictures.length) return; // a run has begun, and its first step has not come
    pause();
    take();
    show(Math.min(Number(scrubber.value), run.pictures.length - 1));
  });

  // Files and the link

  function offer(what, url, name) {
    const anchor = $(`.${what}`);
    anchor.setAttribute("aria-disabled", !url);
    if (url) Object.assign(anchor, { href: url, download: name });
    else anchor.removeAttribute("href");
  }

  // Only what the run was asked for: the page's own address may hold keys of the site around it.
  function link() {
    return `${location.origin}${location.pathname}?${new URLSearchParams(run.settings)}`;
  }

  // A picture is too long for a link, and what a link says is about one image.
  const hasLink = () => !("start_from" in run.settings || "morph" in run.settings);

  $(".link").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(link());
      $(".status").textContent = "Link copied.";
    } catch {
      showLink(); // no permission, as in a frame; or on http, where browsers have no clipboard
    }
  });

  // In the place of the status, selected, to be copied by hand.
  function showLink() {
    $(".address").value = link();
    player.toggleAttribute("data-address", true);
    $(".address").select();
  }

  $(".address").addEventListener("blur", () => player.toggleAttribute("data-address", false));

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
    if (detail && detail !== generate) return;
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

  watch("value", () => receive(props.value));
  new ResizeObserver(layTiles).observe(tiles);

  open(props.value);
  receive(props.value);
  following = false;
  show(run.pictures.length - 1);
  $(".status").textContent = "An example. Press Generate to draw your own.";
}
