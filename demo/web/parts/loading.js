// The line that says how far the model has loaded, and whether the page works offline.

const READY = "Ready.";

// box: holds the line. engine: its `load` may be tried again. Returns {ready, is_ready}: ready
// waits until the model is there, and loads it again after a failure; on_wait is told how far it
// is.
export function loading(box, engine, on_wait) {
  const $ = (selector) => box.querySelector(selector);
  const state = { is_ready: false };
  let loaded = null;

  function start() {
    say("Loading the model");
    box.toggleAttribute("data-failed", false);
    $("button").hidden = true;
    $("progress").hidden = false;
    on_wait("Loading the model…");
    const mine = (loaded = engine.load((at) => loaded === mine && progress(at)));
    mine.then(done, failed);
  }

  function say(text, more = "") {
    $(".said").textContent = text;
    $(".bytes").textContent = more;
  }

  function progress({ loaded, total }) {
    const [here, all] = [loaded, total].map((bytes) => (bytes / 1e6).toFixed(1));
    $(".bytes").textContent = `: ${here} of ${all} MB`;
    $("progress").value = loaded / total;
    on_wait(`Loading the model: ${Math.round((100 * loaded) / total)}%`);
  }

  function failed({ message }) {
    loaded = null; // other files may still be on their way
    say(message);
    box.toggleAttribute("data-failed", true);
    $("progress").hidden = true;
    $("button").hidden = false;
  }

  async function done() {
    state.is_ready = true;
    say(`${READY} The model runs in this browser.`);
    $("progress").hidden = true;
    if (await keep_offline()) say(`${READY} Works offline from now on.`);
  }

  $("button").addEventListener("click", start);
  start();
  state.ready = () => {
    if (!loaded) start();
    return loaded;
  };
  return state;
}

// Keeps the site for visits without a connection (see sw.js). Resolves to true when all files are
// kept; to false where a browser cannot do that, as on a page without https or in a private window,
// or has no room.
async function keep_offline() {
  try {
    const registration = await navigator.serviceWorker.register(new URL("../sw.js", import.meta.url));
    const worker = registration.active ?? registration.installing ?? registration.waiting;
    while (!["activated", "redundant"].includes(worker.state))
      await new Promise((resolve) => worker.addEventListener("statechange", resolve, { once: true }));
    return worker.state === "activated";
  } catch {
    return false;
  }
}
