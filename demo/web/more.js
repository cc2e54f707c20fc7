// The strip of other seeds: `moreLikeThis` brings the markup of more.html to life. This is a module
// without imports.

const SEEDS = 8;
const HINT = "Press one to make it the main picture.";

// element, props, trigger, watch: as of player.js. props.value: what `more` in demo/more.py returns,
// null at first. trigger("submit") draws what `asked` returns; trigger("select") puts the settings
// that `chosen` returns into the controls. On the document, "more-failed" and before it "run-error"
// with the reason are heard, and "run-changed".
export function moreLikeThis({ element, props, trigger, watch }) {
  const $ = (selector) => element.querySelector(selector);
  let asked = null; // {settings, after}
  let chosen = null; // settings
  let drawing = false;
  let reason = null;

  const strip = () => (props.value?.pictures ? props.value : null);
  const say = (text) => ($(".said").textContent = text);

  function ask() {
    if (drawing || !window.shownRun) return;
    const { settings } = window.shownRun;
    const before = strip();
    const goesOn = before && window.sameButSeed(before.settings, settings);
    asked = { settings, after: goesOn ? before.pictures.at(-1).seed : settings.seed };
    reason = null;
    setDrawing(true);
    trigger("submit");
  }

  function setDrawing(isDrawing) {
    drawing = isDrawing;
    $(".pictures").setAttribute("aria-busy", isDrawing);
    if (isDrawing) say("Drawing…");
  }

  function show() {
    const pictures = strip()?.pictures ?? [];
    const buttons = Array.from({ length: SEEDS }, (_, i) => button(pictures[i]));
    $(".pictures").replaceChildren(...buttons);
    if (pictures.length) say(HINT);
    mark();
  }

  function button(picture) {
    const button = document.createElement("button");
    button.type = "button";
    button.disabled = !picture;
    button.ariaHidden = picture ? null : "true";
    if (!picture) return button; // its place is kept
    const image = new Image();
    Object.assign(image, { src: picture.src, alt: "" });
    const name = document.createElement("span");
    name.textContent = picture.seed;
    button.setAttribute("aria-label", `Seed ${picture.seed}: make it the main picture`);
    button.append(image, name);
    button.addEventListener("click", () => {
      chosen = { ...strip().settings, seed: picture.seed };
      trigger("select");
    });
    return button;
  }

  // The picture that is the main one now
  function mark() {
    if (!strip()) return;
    const { settings } = window.shownRun ?? {};
    const same = settings && window.sameButSeed(strip().settings, settings);
    [...$(".pictures").children].forEach((button, i) => {
      const isMain = same && strip().pictures[i].seed === settings.seed;
      if (isMain) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
  }

  $(".draw").addEventListener("click", ask);

  // The listeners go with the markup: Gradio takes a tab away that is left, and makes it anew.
  const listen = (name, hear) => {
    document.addEventListener(name, function once(event) {
      if (element.isConnected) return hear(event);
      document.removeEventListener(name, once);
    });
  };
  listen("run-changed", mark);
  listen("run-error", ({ detail }) => (reason = detail));
  listen("more-failed", () => {
    if (!drawing) return;
    setDrawing(false);
    say(reason ?? "Something went wrong on the server. Its log says what.");
  });

  watch("value", () => {
    setDrawing(false);
    show();
  });
  show();
  return { asked: () => asked, chosen: () => chosen };
}
