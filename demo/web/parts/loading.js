// The line that says how far the model has loaded, and whether the page works offline.

import { keep_offline } from "./offline.js";

const READY = "Ready.";
const HERE = "The model runs in this browser.";
const OFFLINE = "Works offline from now on.";

export class Loading {
  #box;
  #load;

  // box: #model. load: async function (function ({loaded, total})).
  constructor(box, load) {
    this.#box = box;
    this.#load = load;
    this.#$("button").addEventListener("click", () => this.start());
    this.start();
  }

  // `loaded` becomes a promise that the model is there, or of the reason why it is not; in the
  // second case `has_failed` is true from then on.
  start() {
    this.#say("Loading the model");
    this.#box.toggleAttribute("data-failed", false);
    this.#$("button").hidden = true;
    this.#$("progress").hidden = false;
    this.percent = 0;
    this.has_failed = false;
    this.loaded = this.#load((bytes) => this.has_failed || this.#progress(bytes));
    this.loaded.then(() => this.#done(), (error) => this.#failed(error));
  }

  #$(selector) {
    return this.#box.querySelector(selector);
  }

  #say(text, more = "") {
    this.#$(".said").textContent = text;
    this.#$(".bytes").textContent = more;
  }

  #progress({ loaded, total }) {
    const [here, all] = [loaded, total].map((bytes) => (bytes / 1e6).toFixed(1));
    this.#$(".bytes").textContent = `: ${here} of ${all} MB`;
    this.#$("progress").value = loaded / total;
    this.percent = Math.round((100 * loaded) / total);
    const waits = `Loading the model: ${this.percent}%`;
    document.dispatchEvent(new CustomEvent("run-waits", { detail: waits }));
  }

  #failed({ message }) {
    this.has_failed = true; // other files may still be on their way
    this.#say(message);
    this.#box.toggleAttribute("data-failed", true);
    this.#$("progress").hidden = true;
    this.#$("button").hidden = false;
  }

  async #done() {
    this.#say(`${READY} ${HERE}`);
    this.#$("progress").hidden = true;
    if (await keep_offline()) this.#say(`${READY} ${OFFLINE}`);
  }
}
