// The page: its controls, the player, and the engine that runs the model in workers.

import { Engine } from "../engine/client.js";
import { liveSwitch } from "../live.js";
import { player } from "../player.js";
import { promptLanguage } from "../prompt.js";
import { promptField } from "../prompt_field.js";
import { Controls } from "./controls.js";
import { Drawing, reason } from "./drawing.js";
import { Host } from "./host.js";
import { Loading } from "./loading.js";
import { Requests } from "./request.js";

const $ = (selector) => document.querySelector(selector);
const say = (event, detail) => document.dispatchEvent(new CustomEvent(event, { detail }));

const about = JSON.parse($("#about").textContent);
const language = about.vocabulary && promptLanguage(about.vocabulary);
const requests = new Requests(about, language);
const styles = about.vocabulary ? Object.keys(about.vocabulary.styles) : [];
const texts = language ? ["prompt", "negative_prompt"] : [];
const in_step = ["prompt", "label", ...styles]; // in the order of `promptField`

// A second worker makes the pictures while the first goes on.
const engine = new Engine("model/", { workers: navigator.hardwareConcurrency > 1 ? 2 : 1 });
let waiting = null; // the request to be drawn when the model is there

// The parts that Gradio's page has too

const screen = new Host($("#stage"), about.example);
const drawing = new Drawing(
  engine,
  { message: (message) => screen.give(message), failed },
  about.scales,
);
const controls = new Controls($("#controls"), about.values, moved);
const field = language && the_field();

function the_field() {
  const value = { vocabulary: about.vocabulary, labels: about.labels };
  const host = new Host($(".beside-prompt"), value, { input: typed });
  return promptField(Object.assign(host, { promptLanguage }));
}

// Keeping in step: what has changed, and what changes with it

const given = () => {
  const values = controls.get();
  return in_step.map((name) => values[name]);
};

function typed() {
  const [label, ...amounts] = field.typed(...given());
  controls.set({ label, ...Object.fromEntries(styles.map((name, i) => [name, amounts[i]])) });
  redraw();
}

function moved(name) {
  if (name === "prompt") return; // `typed` hears of that
  if (field && name === "label") controls.set({ prompt: field.pressed(...given()) });
  if (styles.includes(name)) controls.set({ prompt: field.moved(name, ...given()) });
  redraw();
}

// Runs

async function generate() {
  $("#notice").hidden = true;
  try {
    const request = requests.from_page(controls.get());
    waiting = request;
    if (loading.has_failed) loading.start();
    say("run-waits", `Loading the model: ${loading.percent}%`);
    await loading.loaded;
    if (waiting !== request) return;
    waiting = null;
    drawing.draw(request);
  } catch (error) {
    waiting = null;
    failed(reason(error));
  }
}

function failed(why) {
  say("run-error", why);
  say("run-failed");
}

// Draws while a control moves, when it says something that can be drawn.
function redraw() {
  const values = controls.get();
  const is_wrong = texts.some((name) => language.read(values[name]).problems.length);
  const is_empty = Object.values(values).includes(null);
  if (!is_live() || !engine.model || waiting || is_wrong || is_empty) return;
  try {
    drawing.follow(requests.from_page(values));
  } catch (error) {
    say("run-refused", reason(error));
  }
}

// The page

player(Object.assign(screen, { cancel: () => drawing.stop() }));
const is_live = liveSwitch($(".live input"));
field?.start();
$("#generate").addEventListener("click", generate);
$("#stop").addEventListener("click", () => {
  if (!waiting) return; // the player has told `drawing`
  const request = waiting;
  waiting = null;
  drawing.give_up(request);
});
$("#dice").addEventListener("click", () => {
  controls.set({ seed: crypto.getRandomValues(new Uint32Array(1))[0] });
  redraw();
});
$("#controls").addEventListener("keydown", ({ key, target }) => {
  if (key === "Enter" && target.type === "number") $("#generate").click();
});
try {
  const asked = requests.from_link(location.search);
  if (asked) controls.set(asked.values);
} catch (error) {
  $("#notice").textContent = `This link does not work. ${reason(error)}`;
  $("#notice").hidden = false;
}
if (field) {
  const settled = field.settled(...given());
  controls.set(Object.fromEntries(in_step.map((name, i) => [name, settled[i]])));
}
const loading = new Loading($("#model"), (on_progress) => engine.load(on_progress));
document.body.toggleAttribute("data-ready", true);
