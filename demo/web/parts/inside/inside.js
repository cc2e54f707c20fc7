// The tab Inside: the player of the run that Watch has made, a panel for each part of the system,
// and the lesson. Panels are fetched when they are first opened.

import { array_of } from "../../pictures.js";
import { reason } from "../../runs.js";
import { Store } from "../../store.js";
import { mount as mount_player } from "../player.js";
import { Answers } from "./answers.js";
import { mount as mount_lesson } from "./lesson.js";

const PANELS = {
  noise: "Noise",
  score: "Guidance",
  unet: "U-Net",
  attention: "Attention",
  vae: "VAE",
  text: "Text",
  samplers: "Samplers",
};
// What is set in the panels outlives them: Gradio makes the tab anew each time it is opened.
const inside = new Store({ panel: "unet" });

// element: holds the markup of inside.html. store: of the tab Watch. tabs: by name.
export async function mount(element, given) {
  const $ = (selector) => element.querySelector(selector);
  const { store, engine } = given;
  let panel = null; // the module that is shown, and its `draw`
  let draw = null;
  let is_due = false;
  const say = (text) => ($(".told").textContent = text);
  const facts = await engine.data("inside").catch((error) => say(reason(error)) && null);
  if (!facts) return;
  facts.embeddings = array_of(facts.embeddings);
  facts.digits &&= array_of(facts.digits);
  const answers = new Answers(engine, ({ error }) => (error ? say(error) : update()));

  // Draw the panel again, once for all changes of a moment, and only where it is seen.
  function update() {
    if (is_due) return;
    is_due = true;
    requestAnimationFrame(() => {
      is_due = false;
      const { run, state } = store;
      const is_whole = run?.pictures.length > run?.steps && state !== "running";
      if (draw && is_whole && element.isConnected && element.checkVisibility()) draw();
    });
  }

  async function open() {
    const name = inside.panel;
    for (const button of $(".parts").children)
      button.setAttribute("aria-pressed", button.dataset.panel === name);
    const module = await import(`./${name}.js`).catch(({ message }) => say(message));
    if (!module.mount || name !== inside.panel || panel === name) return;
    const { about, mount } = module;
    panel = name;
    draw = null;
    $(".panel h2").textContent = PANELS[name];
    $(".shows").textContent = about.shows;
    $(".try").textContent = about.try;
    $(".equation").textContent = about.equation;
    $(".papers").innerHTML = about.papers
      .map(([title, address]) => `<a href="${address}" target="_blank" rel="noopener">${title}</a>`)
      .join(" · ");
    say("Asking the model…");
    const body = $(".body").cloneNode(); // a panel's handlers go with it
    $(".body").replaceWith(body);
    draw = mount(body, { ...given, inside, answers, facts, say, update });
    update();
  }

  $(".parts").replaceChildren(
    ...Object.entries(PANELS).map(([name, title]) => {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      Object.assign(button, { textContent: title, onclick: () => inside.set({ panel: name }) });
      button.dataset.panel = name;
      return button;
    }),
  );
  const keys = ["off", "t", "guidance", "digit", "word", "channel", "stage", "number"];
  const seen = new IntersectionObserver(update);
  seen.observe(element);
  const ends = [
    mount_player($(".run"), given),
    mount_lesson($(".lesson-steps"), { ...given, inside, steps: facts.lesson, show_step }),
    inside.subscribe(["panel"], open),
    inside.subscribe(keys, update),
    store.subscribe(["run", "shown", "state", "controls"], update),
    () => seen.disconnect(),
  ];
  await open();
  return () => ends.forEach((end) => end?.());

  function show_step(index) {
    const scrubber = $(".scrubber");
    scrubber.value = index;
    scrubber.dispatchEvent(new Event("input"));
  }
}

// The pass of the network that led to the step that is shown; of the start, the first pass.
export const pass_of = ({ shown, run }) => Math.min(Math.max(shown ?? run.steps, 1), run.steps) - 1;
