// Live: the picture follows the controls while they move. A module without imports of its own, so
// that a page can take it in as a plain script too.

const REST_MS = 250; // the controls are at rest when nothing has changed for so long
const LOST = "The server does not answer, so the picture does not follow.";

// The switch; what it was set to holds for the visit. Returns whether it is on.
export function liveSwitch(input, changed = () => {}) {
  const key = "live";
  try {
    input.checked = sessionStorage.getItem(key) !== "off";
  } catch {} // a frame may be refused what it would remember
  input.addEventListener("change", () => {
    try {
      sessionStorage.setItem(key, input.checked ? "on" : "off");
    } catch {}
    changed(input.checked);
  });
  return () => input.checked;
}

// On a page whose pictures come from a server: one picture is asked for at a time, and when it is
// there, the next, of the newest values; what came between is dropped. When the controls rest, the
// whole run is asked for.
//
// server.glance({values, at}): see demo/live.py. whole(): asks for the whole run of what the controls
// say. drop(): ends it. names: of the values, in order. screens: what
// `player` returned. field: gives what `promptField` returned, if there is one.
//
// Returns what the page calls: `start` when all controls are there, `follow` with their values when
// one has changed; and `turn`, which says how many changes there were.
export function live({ element, server, whole, drop, names, screens, field = () => null }) {
  let isOn = () => false;
  let turn = 0; // counts changes; a whole run that was asked for in another turn is stale
  let newest = null; // values that have not been asked for
  let shown = null; // the settings of the picture on the screens, if it came from here
  let asking = false;
  let presses = 0; // of Generate and Stop; what was asked for before is not shown after
  let hasWhole = false; // a whole run has been asked for since the last change
  let rest = 0;

  // The page is there.
  function start() {
    isOn = liveSwitch(document.querySelector(".live input"), (on) => on || forget());
  }

  function follow(given) {
    if (!isOn()) return;
    forget();
    // Gradio's own value of a text may be one letter behind the field.
    const texts = field()?.texts() ?? {};
    newest = given.map((value, i) => texts[names[i]] ?? value);
    if (!field()?.isWrong()) ask(); // under the prompt stands what is wrong
    else newest = null;
  }

  function forget() {
    turn += 1;
    newest = null;
    shown = null;
    clearTimeout(rest);
    if (hasWhole) drop();
    hasWhole = false;
  }

  async function ask() {
    if (asking) return;
    asking = true;
    while (newest && !screens.isBusy()) {
      const values = newest;
      const before = presses;
      newest = null;
      const answer = await server.glance({ values, at: screens.at() }).catch(() => null);
      if (!isOn() || presses !== before) continue;
      shown = answer?.pictures && screens.glance(answer) ? answer : null;
      if (!answer?.pictures && !newest) say(answer?.refused ?? LOST);
    }
    asking = false;
    if (newest || !shown || screens.isBusy()) return;
    const asked = turn;
    rest = setTimeout(() => asked === turn && complete(), REST_MS);
  }

  function complete() {
    hasWhole = true;
    shown = null;
    whole();
  }

  const say = (detail) => document.dispatchEvent(new CustomEvent("run-refused", { detail }));

  document.addEventListener(
    "click",
    ({ target }) => {
      if (!target.closest("#generate, #stop")) return;
      presses += 1;
      forget();
    },
    { capture: true },
  );
  // The controls may have moved during a run.
  element.addEventListener("run-ended", () => newest && ask());

  return { start, follow, turn: () => turn };
}
