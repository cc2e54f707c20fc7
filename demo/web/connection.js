// Keeps the page usable when the server goes away. Gradio's own answer to that is to give up, and to
// load the page anew as soon as there is a server; a stream that a proxy ends, it takes for one that
// goes on. Here a run whose server or stream is lost ends as any other run that fails: Gradio gets
// the messages for that, the document the events "run-error" (with the reason) and "server-back".
// This script is in the head of the page, and so comes before Gradio.
(() => {
  const LOST = "The server does not answer. Generate tries again.";
  const BROKEN = "The connection broke. Generate starts the run again.";
  const BUSY = "The server is busy. Try again in a minute.";
  const ANSWER_MS = 5000; // a server that takes longer for a small answer is taken to be lost
  const QUIET_MS = 3000; // a stream that is quiet for so long makes us ask for a sign of life ...
  const SILENT_MS = 40000; // ... and one that misses two heartbeats, 15 seconds apart, is broken
  const RETURN_MS = 2000; // how often a lost server is looked for

  const fetchPlainly = window.fetch.bind(window);
  const running = new Set(); // what the server has been asked for and has not finished, by event id
  let api = null; // address of the server's API
  let server = null; // the id of the server that runs them: one that was started again has another
  let looking = false;
  const joining = new Map(); // by Gradio's number of a function: the id of its last run, when it comes

  window.fetch = (resource, options) => {
    const address = new URL(resource.url ?? resource, location.href);
    const [, name] = /\/queue\/(join|data)$/.exec(address.pathname) ?? [];
    if (name) api = new URL("..", address);
    if (name === "join") {
      const answer = join(resource, options);
      const id = answer.then((said) => said.clone().json()).then(({ event_id }) => event_id);
      joining.set(JSON.parse(options.body).fn_index, id);
      return answer;
    }
    if (name === "data") return follow(resource, options);
    if (/\/cancel$/.test(address.pathname)) return cancel(resource, options);
    if (/\/reset$/.test(address.pathname)) return inTime(resource, options);
    return fetchPlainly(resource, options);
  };

  const say = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const inTime = (resource, options) =>
    fetchPlainly(resource, { ...options, signal: AbortSignal.timeout(ANSWER_MS) });

  // The id of the server, null if it does not answer.
  async function signOfLife() {
    try {
      const answer = await inTime(new URL("app_id", api), { cache: "no-store" });
      return answer.ok ? (await answer.json()).app_id : null;
    } catch {
      return null;
    }
  }

  async function whatIsWrong() {
    const found = await signOfLife();
    if (found === null) lookForServer();
    if (found === null) return LOST;
    return server === null || found === server ? null : BROKEN;
  }

  async function lookForServer() {
    if (looking) return;
    looking = true;
    while ((await signOfLife()) === null) await wait(RETURN_MS);
    looking = false;
    say("server-back");
  }

  // Asking for a run

  async function join(resource, options) {
    let answer, said;
    try {
      answer = await inTime(resource, options);
      said = await answer.clone().json(); // what answers for a lost server, as a proxy, says no JSON
    } catch {
      lookForServer();
      say("run-error", LOST);
      return new Response(JSON.stringify({ detail: LOST }), { status: 500 });
    }
    if (said.event_id) running.add(said.event_id);
    else if (answer.status === 503) say("run-error", BUSY);
    signOfLife().then((id) => (server = id));
    return answer;
  }

  // Gradio may cancel a run before the server has said what its id is.
  async function cancel(resource, options) {
    const asked = JSON.parse(options.body);
    asked.event_id ??= await joining.get(asked.fn_index);
    if (!running.has(asked.event_id)) return Response.json({ success: false }); // it is over
    return inTime(resource, { ...options, body: JSON.stringify(asked) });
  }

  // The stream of what the server says about all runs

  async function follow(resource, options) {
    const encoder = new TextEncoder();
    const body = new ReadableStream({
      async start(out) {
        const send = (message) => out.enqueue(encoder.encode(`data: ${message}\n\n`));
        const reason = await relay(fetchPlainly(resource, options), send);
        if (reason) {
          say("run-error", reason);
          for (const event_id of running) {
            const output = { error: reason, visible: true };
            send(JSON.stringify({ msg: "process_completed", event_id, output, success: false }));
          }
          running.clear();
          send(JSON.stringify({ msg: "close_stream" }));
        }
        out.close();
      },
    });
    return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  }

  // Passes whole messages on until the server closes the stream; gives the reason if it does not.
  async function relay(request, send) {
    let reader;
    try {
      const answer = await watched(request);
      if (!answer.ok) throw new Error(answer.statusText);
      reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { done, value } = await watched(reader.read());
        if (done) throw new Error("ended early");
        const messages = (text + value).split("\n\n");
        text = messages.pop();
        for (const message of messages) {
          const data = message.slice(message.indexOf(":") + 1).trim();
          const said = JSON.parse(data);
          if (said.msg === "unexpected_error") throw new Error(said.message);
          if (said.msg === "process_completed") finish(said);
          send(data);
          if (said.msg === "close_stream") return null;
        }
      }
    } catch (problem) {
      reader?.cancel().catch(() => {});
      return problem.reason ?? (await whatIsWrong()) ?? BROKEN;
    }
  }

  function finish({ event_id, success, output }) {
    running.delete(event_id);
    if (!success) say("run-error", output.error);
  }

  // The value of a promise; while it does not come, we look whether the server is still there.
  async function watched(promise) {
    for (let quiet = 0; ; quiet += QUIET_MS) {
      const value = await Promise.race([promise, wait(QUIET_MS)]);
      if (value !== undefined) return value;
      const reason = quiet >= SILENT_MS ? BROKEN : await whatIsWrong();
      if (reason) throw Object.assign(new Error(reason), { reason });
    }
  }
})();
