// A worker runs the networks away from the page, on behalf of worker_engine.js.
//
// A message {id, call, given} asks for one of CALLS. The answers are {id, value}, as many as there
// are, and in the end {id, done: true} or {id, error}. {id, call: "stop"} ends the call of that id.

import { promptLanguage } from "./vocabulary.js";
import { LatentDiffusion } from "./latent_diffusion.js";
import { Networks } from "./networks.js";

const running = new Map(); // id of a call -> its AbortController
let networks = null, model = null;

const CALLS = {
  load,
  add: (graphs) => networks.add(graphs),
  denoise,
  // part: the first and the end of the images that are drawn together.
  morph: ({ points, frames, options, part }, signal) =>
    told(model.morph(points, frames, { ...options, part, signal })),
  encode: (greys) => model.encode(greys),
  decode: (latents) => model.decode(latents), // (B, 4, 8, 8) -> greys (B, 28, 28)
  // What a panel of the tab Inside asks.
  async *inside(given) {
    yield* (await import("./inside.js")).answer(model, given);
  },
  file: async (given) => (await import("./files.js")).make_file(given),
};

addEventListener("message", async ({ data: { id, call, given } }) => {
  if (call === "stop") return running.get(id)?.abort();
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const answer = CALLS[call](given, controller.signal);
    if (!answer[Symbol.asyncIterator]) postMessage({ id, value: await answer });
    else for await (const value of answer) postMessage({ id, value });
    postMessage({ id, done: true });
  } catch (error) {
    // Emscripten throws numbers, too.
    const { name = "Error", message = String(error) } = error ?? {};
    postMessage({ id, error: { name, message } });
  } finally {
    running.delete(id);
  }
});

// runtime: address of onnxruntime-web's module. wasm: its program. graphs: see `Networks.add`.
// about: what `LatentDiffusion` is made from.
async function load({ runtime, wasm, graphs, about }) {
  const ort = await import(runtime);
  // More threads would share memory, for which a page needs headers that not every host can send.
  Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: wasm });
  networks = new Networks(ort);
  await networks.add(graphs);
  model = new LatentDiffusion(about, networks, promptLanguage(about.vocabulary));
}

// The steps of some images, from noise, or of one from a picture: start is {picture, strength |
// invert, mask, resample} as in ldm_core/output/steps.py. After an inversion {round_trip} comes last.
async function* denoise({ asked, seeds, start, options }, signal) {
  if (!start) return yield* told(model.denoise(asked, { seeds, signal, ...options }));
  const { picture, strength, invert, mask, resample } = start, { steps, ...others } = options;
  const from =
    strength === undefined
      ? await model.invert(picture, [invert], { steps, signal })
      : await model.start_from(picture, strength, { steps, seeds });
  const keep = mask ? { pixels: picture, mask, resample } : null;
  yield* told(model.denoise(asked, { seeds, start: from, keep, signal, ...others }));
  if (strength === undefined) yield { round_trip: await round_trip(picture, invert, from, signal) };
}

async function* told(steps) {
  for await (const step of steps)
    yield { ...step, noise_level: model.schedule.levels(step.t)[1] };
}

// How far an inverted picture is from what its noise makes when the same is asked, in grey levels.
async function round_trip(picture, invert, start, signal) {
  const options = { sampler: "ddim", guidance_scale: 1, seeds: [0], start, signal };
  let last;
  for await (const { x_t } of model.denoise([invert], options)) last = x_t;
  const back = await model.decode(last);
  return back.reduce((sum, grey, i) => sum + Math.abs(grey - picture[i]), 0) / back.length;
}
