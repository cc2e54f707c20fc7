// A worker (see worker.js) as the page sees it.

export class Remote {
  #calls = new Map(); // id -> {on_value, resolve, reject}
  #last = 0;

  // url: of the worker's module.
  constructor(url) {
    this.worker = new Worker(url, { type: "module" });
    this.worker.addEventListener("message", ({ data }) => this.#answer(data));
    this.worker.addEventListener("error", (event) => {
      event.preventDefault(); // it is told by the calls
      this.#fail(new Error(event.message || "The worker did not load."));
    });
  }

  // Ask the worker for one of its calls. Returns {ended, stop}: a promise of its end, which is
  // rejected with its error, and a function that makes it end early, with an AbortError.
  call(name, given, on_value = () => {}) {
    const id = ++this.#last;
    const ended = new Promise((resolve, reject) => {
      this.#calls.set(id, { on_value, resolve, reject });
    });
    this.worker.postMessage({ id, call: name, given });
    return { ended, stop: () => this.worker.postMessage({ id, call: "stop" }) };
  }

  // The only value of a call.
  async ask(name, given) {
    let only;
    await this.call(name, given, (value) => (only = value)).ended;
    return only;
  }

  close() {
    this.worker.terminate();
    this.#fail(new DOMException("The worker was ended.", "AbortError"));
  }

  #answer({ id, value, error, done }) {
    const call = this.#calls.get(id);
    if (error) call?.reject(Object.assign(new Error(error.message), { name: error.name }));
    else if (done) call?.resolve();
    else return call?.on_value(value);
    this.#calls.delete(id);
  }

  #fail(error) {
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
  }
}
