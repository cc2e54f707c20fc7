// The page of Gradio: its controls hand their values over, and the parts show what the server
// draws. What this exports is the page's only global, the promise `page`; Gradio's events call it.

import { RemoteEngine } from "./engine/remote_engine.js";
import { promptLanguage } from "./engine/vocabulary.js";
import { lay_out, open_fold } from "./layout.js";
import { follow_link, query, say_of_link } from "./links.js";
import * as compare from "./parts/compare.js";
import * as cost from "./parts/cost.js";
import * as draw from "./parts/draw.js";
import * as live from "./parts/live.js";
import * as models from "./parts/models.js";
import * as more from "./parts/more.js";
import * as player from "./parts/player.js";
import * as prompt from "./parts/prompt.js";
import * as questions from "./parts/questions.js";
import * as seen from "./parts/seen.js";
import * as takeaway from "./parts/takeaway.js";
import * as train from "./parts/train.js";
import { Tab } from "./tab.js";

const PARTS = { compare, cost, draw, live, models, more, player, prompt, questions, seen };
// Inside is fetched when its tab is opened.
const inside = { mount: async (...given) => (await import("./parts/inside/inside.js")).mount(...given) };
Object.assign(PARTS, { takeaway, train, inside });
const base = new URL(location.pathname.replace(/\/?$/, "/"), location.origin);
const { model: asked = null } = query();
const first = JSON.parse(document.querySelector("#about").textContent); // whose controls Gradio has
const about = asked ? await about_of(asked) : first;
const model = about.wrong === undefined ? asked : null;
const language = promptLanguage(about.vocabulary);
const engine = new RemoteEngine(base, { model, formats: about.formats, on_back });
const measure = lay_out();
const mounted = {}; // by tab and part: what unmounts it
const setters = {}; // by tab: asks Gradio for the values that `values` gives
const waiting = {}; // by tab: values that Gradio has not taken yet, by name

const tabs = {};
for (const name of Object.keys(about.controls)) {
  const write = (values) => {
    waiting[name] = { ...waiting[name], ...values };
    setters[name]?.();
  };
  tabs[name] = new Tab(name, { engine, about, language, write });
}

// What is known of a model; of the first one, where the page's address names one that cannot be
// used.
async function about_of(model) {
  const address = new URL(`about.json?${new URLSearchParams({ model })}`, base);
  const none = () => ({ error: { message: "The server does not answer." } });
  const said = await fetch(address).then((answer) => answer.json(), none);
  return said.error ? { ...first, wrong: said.error.message } : said;
}

// The server answers again.
function on_back() {
  for (const { store, name } of Object.values(tabs)) {
    const button = name === "compare" ? "Compare" : "Generate";
    if (store.state === "failed") store.set({ status: `The server is back. Press ${button}.` });
  }
}

// Bring an element with the markup of a part to life. Gradio takes a tab away that is left, and
// puts it in again when it is opened.
export async function mount(element, name, part, trigger) {
  const tab = tabs[name];
  mounted[name + part]?.();
  if (part === "player" || part === "compare") {
    setters[name] = () => trigger("set");
    measure(element);
    requestAnimationFrame(() => mend_radios(element.closest(".tabitem") ?? document));
    if (model) waiting[name] = { ...tab.store.controls, ...waiting[name] };
    await tab.open();
    if (waiting[name]) trigger("set");
  }
  const given = { store: tab?.store, engine, about, tab, language, tabs };
  mounted[name + part] = await PARTS[part]?.mount(element, given);
}

// Gradio names each radio differently, so that arrow keys do not move between them, and leaves
// their group without a name.
function mend_radios(root) {
  for (const keys of root.querySelectorAll(".keys")) {
    keys.setAttribute("role", "radiogroup");
    const title = keys.querySelector("[data-testid=block-info]");
    if (title) keys.setAttribute("aria-label", title.textContent.trim());
    for (const input of keys.querySelectorAll("input")) input.name = keys.id;
  }
}

// What Gradio tells

// The field of a text, if the control is one: Gradio's value of it may be one letter behind.
function field_of(name, control) {
  const id = name === "watch" ? control : `${name}-${control}`;
  const texts = ":is(textarea, input:not([type], [role=combobox]), [type=text])";
  return document.querySelector(`#${id} ${texts}`);
}

// The values of all controls, in Gradio's order -> by name, but for those that Gradio has yet to
// take.
function by_name(name, values) {
  const known = first.controls[name].map((control, i) => [control, values[i]]);
  const is_taken = (control) =>
    about.controls[name].includes(control) && !(control in (waiting[name] ?? {}));
  const taken = known.filter(([control]) => is_taken(control));
  return Object.fromEntries(
    taken.map(([control, value]) => [control, field_of(name, control)?.value ?? value]),
  );
}

export function changed(name, control, values) {
  tabs[name].changed(control, by_name(name, values));
}

// The tab and the name of the control that an element is in.
function control_of(element) {
  const { id } = element.closest?.(".block[id]") ?? {};
  const [, name = "watch", control] = /^(?:(draw|compare|morph)-)?(\w+)$/.exec(id) ?? [];
  return about.controls[name].includes(control) ? [name, control] : [];
}

// Texts, sliders and numbers are heard here: Gradio's own event of a text knows keys, and no pasting,
// and each event copies the values of the whole page, 60 times a second while a slider moves.
document.addEventListener("input", ({ target }) => {
  const { type, value } = target, [name, control] = control_of(target);
  if (name && ["range", "number"].includes(type))
    tabs[name].changed(control, { [control]: value === "" ? null : Number(value) });
  else if (name && field_of(name, control) === target)
    tabs[name].changed(control, { [control]: value });
});
document.addEventListener("keydown", ({ key, target, isComposing }) => {
  if (key !== "Enter" || isComposing || !target.matches("input:not([role=combobox])")) return;
  const [name] = control_of(target);
  if (name) tabs[name].generate();
});

export function generate(name, values) {
  const { store } = tabs[name];
  store.set({ controls: { ...store.controls, ...by_name(name, values) } });
  tabs[name].generate();
}

export const stop = (name) => tabs[name].stop();
export const dice = (name) => tabs[name].dice();

// The values that Gradio is to put into the controls of a tab, in their order.
export function values(name) {
  const { [name]: given = {} } = waiting;
  delete waiting[name];
  const about_control = (one) => about.values.find((value) => value.name === one);
  return first.controls[name].map((one) => {
    const update = { __type__: "update" };
    if (one in given) update.value = given[one];
    const choices = about_control(one)?.choices;
    if (model && choices) update.choices = choices.map(([text, title]) => [title, text]);
    if (!about.controls[name].includes(one)) update.visible = false; // the model has no such words
    return update;
  });
}

// All controls of the first tab are there.
export async function start() {
  for (const fold of document.querySelectorAll(".fold")) open_fold(fold, false);
  mend_radios(document);
  const open = (name) => {
    const title = name[0].toUpperCase() + name.slice(1);
    const buttons = [...document.querySelectorAll("[role=tab]")];
    buttons.find((button) => button.textContent.trim() === title)?.click();
  };
  document.body.toggleAttribute("data-ready", true);
  if (about.wrong !== undefined) say_of_link(about.wrong);
  else await follow_link({ about, engine, tabs, open });
}
