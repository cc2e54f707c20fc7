// The page without a server: its own controls, and the model in a worker of this browser.

import { promptLanguage } from "./engine/vocabulary.js";
import { WorkerEngine } from "./engine/worker_engine.js";
import { lay_out, open_fold } from "./layout.js";
import { follow_link } from "./links.js";
import { controls } from "./parts/controls.js";
import { loading } from "./parts/loading.js";
import { Tab } from "./tab.js";

const $ = (selector, root = document) => root.querySelector(selector);
const about = JSON.parse($("#about").textContent);
const language = promptLanguage(about.vocabulary);
const engine = new WorkerEngine("model/", about);
const measure = lay_out();
const tabs = {};
const load = loading($("#model"), engine, (status) => {
  for (const { store } of Object.values(tabs)) if (store.state === "waiting") store.set({ status });
});
const panels = [...document.querySelectorAll("[role=tabpanel]")];
const opened = new Set();

for (const name of Object.keys(about.controls)) {
  const panel = $(`#panel-${name}`);
  const [ready, is_ready] = [() => load.ready(), () => load.is_ready];
  const write = (values) => set(values);
  const tab = new Tab(name, { engine, about, language, write, ready, is_ready });
  const changed = (control, values) => tab.changed(control, values);
  const set = controls(panel, { tab: name, changed });
  tabs[name] = tab;
  measure($("[data-part=player], [data-part=compare]", panel));
  const on = (selector, press) => $(selector, panel)?.addEventListener("click", press);
  on(".go", () => tab.generate());
  on(".halt", () => tab.stop());
  on(".dice", () => tab.dice());
  panel.addEventListener("keydown", ({ key, target, isComposing }) => {
    const is_field = target.matches(".controls :is([type=number], [type=text])");
    if (key === "Enter" && !isComposing && is_field) tab.generate();
  });
}

// A tab is brought to life when it is opened for the first time.
async function open(name) {
  for (const panel of panels) {
    const is_open = panel.id === `panel-${name}`;
    panel.hidden = !is_open;
    const button = $(`#tab-${panel.id.slice(6)}`);
    button.setAttribute("aria-selected", is_open);
    button.tabIndex = is_open ? 0 : -1;
  }
  if (opened.has(name)) return;
  opened.add(name);
  const tab = tabs[name === "inside" ? "watch" : name]; // whose run it looks into
  await tab?.open();
  const given = { store: tab?.store, engine, about, tab, language, tabs };
  const parts = [...$(`#panel-${name}`).querySelectorAll("[data-part]")];
  await Promise.all(
    parts.map(async (element) => {
      const part = await import(`./parts/${element.dataset.part}.js`).catch(window.incomplete);
      part?.mount(element, given);
    }),
  );
}

const bar = $("[role=tablist]");
bar.addEventListener("click", ({ target }) => target.id && open(target.id.slice(4)));
bar.addEventListener("keydown", ({ key, target }) => {
  const buttons = [...document.querySelectorAll("[role=tab]")];
  const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
  const next = by && buttons[(buttons.indexOf(target) + by + buttons.length) % buttons.length];
  next?.focus();
  next?.click();
});
for (const fold of document.querySelectorAll(".fold")) open_fold(fold, false);
await open("watch");
await follow_link({ about, engine, tabs, open });
document.body.toggleAttribute("data-ready", true);
