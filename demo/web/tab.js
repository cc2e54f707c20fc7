// A tab of the page: its store, its controls and its runs. Both pages have one for each tab that
// draws; parts get it beside store, engine and about.

import { STUDENT, STUDENT_USUAL } from "./engine/samplers.js";
import { InStep } from "./in_step.js";
import { Runs, example_of } from "./runs.js";
import { Store } from "./store.js";

// The request that the values of a tab make; the prompt says it all, where there is one.
const REQUESTS = {
  watch: ({ label, prompt, ...rest }) => ({ ...(prompt ? { prompt } : { label }), ...rest }),
  draw: (values) => values,
  compare: ({ across, across_values, down, down_values, ...fixed }) => ({
    ...{ across, across_values, down, down_values, fixed },
  }),
  morph: ({ frames, loop, guidance_scale, steps, ...points }) => {
    const said = Object.keys(points).filter((name) => /^what_/.test(name) && points[name]?.trim());
    const morph = said.map((name) => `${points[name]}:${points[name.replace("what", "seed")]}`);
    return { morph, frames, loop, guidance_scale, steps };
  },
};

export class Tab {
  #in_step = null;

  // name: of the tab. language: of prompts. write: puts values into the controls, by name.
  // ready: resolves when the engine can be asked; is_ready: whether it can now.
  constructor(name, { engine, about, language, write, ready, is_ready = () => true }) {
    const controls = { ...about.starts[name] };
    const begin = { own: {}, moved: 0, at: null, shown: null, status: "" };
    this.store = new Store({ tab: name, controls, ...begin });
    Object.assign(this, { name, engine, about, language, is_ready, checks: new Set(), write });
    const kind = { compare: "grid", morph: "morph" }[name] ?? "denoise";
    this.runs = new Runs(this.store, engine, kind, ready);
    if (name === "watch")
      this.#in_step = new InStep(about.vocabulary, language, about.labels);
  }

  // Show the example that the tab has, if nothing is shown yet. Compare's grid shows its own.
  async open() {
    const { store, name } = this;
    if (store.run || name === "compare") return;
    const { watch } = this.about.examples;
    const found = name === "watch" ? watch : await this.engine.data(name).catch(() => ({}));
    const run = found.run ?? (found.pictures ? found : watch);
    const status = "An example. Press Generate to draw your own.";
    store.set({ example: found, run: example_of(run), state: "example", status });
  }

  // The request that controls and parts make together.
  get request() {
    return { ...REQUESTS[this.name](this.store.controls), ...this.store.own };
  }

  // Why the request is not sent, as the parts see it; null if nothing is wrong. Parts add functions
  // to `checks`; is_pressed: somebody has pressed Generate.
  wrong(is_pressed = false) {
    for (const check of this.checks) {
      const text = check(is_pressed);
      if (text) return text;
    }
    return null;
  }

  generate() {
    if (this.runs.is_busy) return; // it would be a second run
    const wrong = this.wrong(true);
    if (wrong) this.store.set({ status: wrong });
    else this.runs.start(this.request);
  }

  // Set the controls to the settings of a run, and draw it.
  draw(settings) {
    this.set({ ...this.about.left_out, label: this.store.controls.label, ...settings });
    this.runs.start(this.request);
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
    document.querySelector(".stage")?.scrollIntoView({ block: "nearest", behavior });
  }

  stop() {
    this.runs.stop();
  }

  // Somebody has changed one control. values: of all of them, or of those that are known.
  changed(name, values) {
    const given = { ...this.store.controls, ...values };
    const controls = this.#settle(given, name, given);
    this.store.set({ controls, moved: this.store.moved + 1 });
  }

  // Set some controls to values from elsewhere; names that are no control are left out, but for the
  // parts that are off.
  set(values) {
    const before = this.store.controls;
    const known = Object.keys(values).filter((name) => name in before);
    const given = { ...before, ...Object.fromEntries(known.map((name) => [name, values[name]])) };
    const { off, ...own } = this.store.own;
    if (off || values.off)
      this.store.set({ own: values.off ? { ...own, off: values.off } : own });
    this.store.set({ controls: this.#settle(given, null, before) });
  }

  // The student makes few steps, all others many: the menu takes the steps along.
  #steps_for({ sampler, steps }) {
    const [is, was] = [sampler, this.store.controls.sampler].map((name) => name === STUDENT);
    if (is === was) return steps;
    return is ? STUDENT_USUAL : this.about.defaults.steps;
  }

  dice() {
    this.changed("seed", { seed: crypto.getRandomValues(new Uint32Array(1))[0] });
    this.write({ seed: this.store.controls.seed });
  }

  // The values when one control of the tab has changed; those that differ from what its controls show
  // are written.
  #settle(given, changed, shown) {
    let values = this.#in_step ? this.#in_step.after(given, changed) : given;
    if (changed === "sampler") values = { ...values, steps: this.#steps_for(values) };
    const names = Object.keys(values).filter((name) => shown[name] !== values[name]);
    if (names.length) this.write(Object.fromEntries(names.map((name) => [name, values[name]])));
    return values;
  }
}
