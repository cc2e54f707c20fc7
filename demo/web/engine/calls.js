// Calls of a worker (see worker.js) from the page.

export class Calls {
  #calls = new Map(); // id -> function that takes each of its answers
  #last = 0;

  // url: of the worker's module.
  constructor(url) {
    this.worker = new Worker(url, { type: "module" });
    this.worker.addEventListener("message", ({ data }) => this.#calls.get(data.id)?.(data));
    this.worker.addEventListener("error", (event) => {
      event.preventDefault(); // the calls report it
      this.#fail(new Error(event.message || "The worker did not load."));
    });
  }

  // The values of one of the worker's calls, as they come; they do not wait until they are asked
  // for. An aborted signal and a `break` end the call, the first with its reason.
  async *stream(name, given, signal) {
    signal?.throwIfAborted();
    const id = ++this.#last, answers = [];
    let wake = () => {};
    this.#calls.set(id, (answer) => wake(answers.push(answer)));
    this.worker.postMessage({ id, call: name, given });
    const stop = () => this.worker.postMessage({ id, call: "stop" });
    signal?.addEventListener("abort", stop);
    let is_over = false;
    try {
      for (;;) {
        while (!answers.length) await new Promise((resolve) => (wake = resolve));
        const { value, error, done } = answers.shift();
        is_over = Boolean(error ?? done);
        signal?.throwIfAborted();
        if (error) throw Object.assign(new Error(error.message), { name: error.name });
        if (done) return;
        yield value;
      }
    } finally {
      signal?.removeEventListener("abort", stop);
      if (!is_over) stop();
      this.#calls.delete(id);
    }
  }

  close() {
    this.worker.terminate();
    this.#fail({ name: "LostError", message: "The model was stopped. Try again, which starts it." });
  }

  #fail({ name, message }) {
    for (const [id, answer] of this.#calls) answer({ id, error: { name, message } });
  }
}
