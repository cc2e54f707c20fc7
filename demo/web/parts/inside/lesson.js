// "Ten minutes with Stable Diffusion in small": the text of docs/lesson.md, step by step. Each step
// has a button that puts the page into the state that it speaks of.

import { query } from "../../links.js";

const FRESH = { off: "", guidance: null, t: 0.5, digit: "run", number: 0, channel: 0, word: null };
const number = (text) => (text !== "" && Number.isFinite(Number(text)) ? Number(text) : text);

// element: holds the markup of the lesson. steps: of docs/lesson.md. show_step: has the player show
// a step of the run.
export function mount(element, { inside, steps, store, tab, about, show_step }) {
  const $ = (selector) => element.querySelector(selector);
  element.hidden = !about.labels.includes("7"); // it speaks of sevens
  const asked = Number(query().lesson) || 0;
  inside.lesson ??= Math.min(Math.max(asked, 0), steps.length);

  function show() {
    const at = inside.lesson,
      step = steps[at - 1];
    element.toggleAttribute("data-open", at > 0);
    $(".begin").hidden = at > 0;
    $(".step-of-lesson").hidden = !at;
    if (!step) return;
    $("h3").textContent = `${at} of ${steps.length}. ${step.title}`;
    $(".says").textContent = step.says;
    $(".press").textContent = step.press;
    $(".back").disabled = at === 1;
    $(".next").textContent = at === steps.length ? "End" : "Next";
    const link = new URL(location.href);
    link.search = new URLSearchParams({ lesson: at });
    $(".lesson-link").href = link;
  }

  // Draw the run that the step speaks of, unless it is there, and set the panels.
  function press() {
    const { step, ...state } = steps[inside.lesson - 1].state;
    const of_run = Object.entries(state).filter(([name]) => name in about.starts.watch);
    const own = Object.entries(state).filter(([name]) => !(name in about.starts.watch));
    inside.set({
      ...FRESH,
      ...Object.fromEntries(own.map(([name, text]) => [name, number(text)])),
    });
    const at = step === undefined ? store.run.steps : Number(step);
    if (!of_run.length || is_there(of_run)) return show_step(at);
    const settings = of_run.map(([name, text]) => [name, name === "label" ? text : number(text)]);
    tab.draw({ ...about.starts.watch, ...about.left_out, ...Object.fromEntries(settings) });
    const end = store.subscribe(["state"], () => {
      if (store.state === "waiting" || store.state === "running") return;
      end();
      if (store.state === "done") show_step(at);
    });
  }

  // Whether the run that is shown is the one that a step asks for; the rest is as the page starts.
  function is_there(of_run) {
    const { settings, pictures, steps } = store.run;
    const wanted = { ...about.starts.watch, ...about.left_out, ...Object.fromEntries(of_run) };
    const is_as_wanted = ([name, value]) => String(wanted[name]) === String(value);
    return (
      pictures.length > steps &&
      Object.entries(settings).every(is_as_wanted) &&
      of_run.every(([name, text]) => String(settings[name]) === text)
    );
  }

  const go = (by) => inside.set({ lesson: (inside.lesson + by) % (steps.length + 1) });
  $(".begin").addEventListener("click", () => go(1));
  $(".next").addEventListener("click", () => go(1));
  $(".back").addEventListener("click", () => go(-1));
  $(".press").addEventListener("click", press);
  show();
  return inside.subscribe(["lesson"], show);
}
