// The engine on a server: each call is one POST, answered by JSON, a file or a stream of steps.
//
// It has the methods of WorkerEngine. Errors have a name and a message for people: InputError and
// UserError are the server's own; BusyError, LostError where the server did not answer.

import { array_of, bytes_of, step_of } from "../pictures.js";

const LOST = "The server does not answer. Generate tries again.";
const BROKEN = "The connection broke. Generate starts the run again.";
const BUSY = "The server is busy. Try again in a minute.";
const ANSWER_MS = 5000; // a server that takes longer for a small answer is taken to be lost
const QUIET_MS = 3000; // a stream that is quiet for so long makes us ask for a sign of life ...
const SILENT_MS = 40000; // ... and one without a message or a comment for so long is broken
const RETURN_MS = 2000; // how often a lost server is looked for

export class RemoteEngine {
  glances_at_once = 2; // the second is on its way while the first is shown
  has_student_ready = () => true; // where the model has one
  #base;
  #model;
  #on_back;
  #looking = false;

  // base: address of the page. model: name of one of several, or nothing. formats: of files, by
  // kind of run. on_back: called when a server that was lost answers again.
  constructor(base, { model, formats, on_back }) {
    [this.formats, this.#base, this.#model, this.#on_back] = [formats, base, model, on_back];
  }

  async *denoise(request, signal) {
    for await (const { pictures = [], ...said } of this.#stream("denoise", request, signal)) {
      if (said.settings) yield said;
      for (const step of pictures) yield { steps: said.steps, ...step_of(step) };
      if (said.remark) yield { remark: said.remark };
    }
  }

  async *grid(request, signal) {
    for await (const { pictures = [], ...said } of this.#stream("grid", request, signal)) {
      if (said.cells) yield said;
      for (const [cells, index, greys] of pictures)
        yield { cells, index, pictures: greys.map(bytes_of) };
    }
  }

  async *morph(request, signal) {
    for await (const said of this.#stream("morph", request, signal)) {
      if (!said.images) yield said;
      else yield { images: said.images.map(bytes_of), noises: said.noises.map(bytes_of) };
    }
  }

  async glance(request, at, signal) {
    const { pictures, ...said } = await this.#ask("glance", { request, at }, signal);
    return { ...said, ...step_of(pictures[0]) };
  }

  async look(picture) {
    const { error, note, ...pictures } = await this.#ask("look", { picture });
    const greys = Object.entries(pictures).map(([name, text]) => [name, bytes_of(text)]);
    return { ...Object.fromEntries(greys), error, note };
  }

  async inside(what, given, signal) {
    const found = Object.entries(await this.#ask("inside", { what, ...given }, signal));
    const plain = (value) => (Array.isArray(value) ? value : array_of(value));
    return Object.fromEntries(found.map(([name, value]) => [name, plain(value)]));
  }

  check(kind, request) {
    return this.#ask("check", { kind, request });
  }

  models() {
    return this.#ask("models", {});
  }

  async file(request, options) {
    const answer = await this.#post("file", { request, ...options });
    const blob = await answer.blob();
    const [, name] = /filename\*=utf-8''([^;]+)/i.exec(answer.headers.get("Content-Disposition"));
    return { blob, name: decodeURIComponent(name), bytes: blob.size };
  }

  async data(name) {
    const query = this.#model ? `?${new URLSearchParams({ model: this.#model })}` : "";
    const answer = await fetch(new URL(`data/${name}.json${query}`, this.#base)).catch(() => null);
    if (!answer?.ok) throw await this.#lost();
    return answer.json();
  }

  async #ask(name, body, signal) {
    return (await this.#post(name, body, signal)).json();
  }

  // The answer to a call, if it is a good one.
  async #post(name, body, signal) {
    const given = this.#model ? { model: this.#model, ...body } : body;
    const headers = { "Content-Type": "application/json", ...(await headers_of_space()) };
    const options = { method: "POST", headers, body: JSON.stringify(given), signal };
    let answer;
    try {
      answer = await this.#watched(fetch(new URL(`engine/${name}`, this.#base), options));
    } catch (error) {
      throw error.name === "TypeError" ? await this.#lost() : error;
    }
    if (answer.ok) return answer;
    const said = await answer.json().catch(() => ({}));
    if (said.error) throw error_of(said.error);
    throw answer.status === 503 ? error_of({ name: "BusyError", message: BUSY }) : await this.#lost();
  }

  async *#stream(name, body, signal) {
    const answer = await this.#post(name, body, signal);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    try {
      for (;;) {
        const { done, value } = await this.#watched(reader.read());
        if (done) throw new TypeError("ended early");
        const messages = (text + value).split("\n\n");
        text = messages.pop();
        for (const message of messages.filter((one) => one.startsWith("data: "))) {
          const said = JSON.parse(message.slice(6));
          if (said.error) throw error_of(said.error);
          yield said;
          if (said.done) return;
        }
      }
    } catch (error) {
      if (signal?.aborted || error.name !== "TypeError") throw error; // of a network, else
      throw await this.#lost(BROKEN);
    } finally {
      reader.cancel().catch(() => {});
    }
  }

  // The value of a promise; while it does not come, we look whether the server is still there.
  async #watched(promise) {
    for (let quiet = 0; ; quiet += QUIET_MS) {
      const value = await Promise.race([promise, wait(QUIET_MS)]);
      if (value !== undefined) return value;
      if (!(await this.#is_there())) throw await this.#lost();
      if (quiet >= SILENT_MS) throw error_of({ name: "LostError", message: BROKEN });
    }
  }

  // The error for a call that got no answer. message: for a server that is there nevertheless.
  async #lost(message = LOST) {
    const is_here = await this.#is_there();
    if (!is_here) this.#look_for_server();
    return error_of({ name: "LostError", message: is_here ? message : LOST });
  }

  async #is_there() {
    const options = { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) };
    const answer = fetch(new URL("gradio_api/app_id", this.#base), options);
    return answer.then(({ ok }) => ok, () => false);
  }

  async #look_for_server() {
    if (this.#looking) return;
    this.#looking = true;
    while (!(await this.#is_there())) await wait(RETURN_MS);
    this.#looking = false;
    this.#on_back();
  }
}

const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const error_of = ({ name, message }) => Object.assign(new Error(message), { name });

// On a Space with lent GPUs the frame around the page knows whose time a run takes. Gradio's own
// script finds out whether it does, and asks for its own calls as here.
async function headers_of_space() {
  if (!window.supports_zerogpu_headers || window.parent === window) return {};
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise((done) => (port1.onmessage = ({ data }) => done(data)));
  window.parent.postMessage("zerogpu-headers", "https://huggingface.co", [port2]);
  return { "x-gradio-user": "app", ...(await Promise.race([answer, wait(ANSWER_MS)])) };
}
