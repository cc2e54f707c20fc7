// A worker runs the networks away from the page, on behalf of client.js.
//
// A message {id, call, given} asks for one of CALLS. The answers are {id, value}, as many as there
// are, and in the end {id, done: true} or {id, error}. {id, call: "stop"} ends the call of that id.

import { promptLanguage } from "./vocabulary.js";
import { LatentDiffusion } from "./latent_diffusion.js";
import { Networks } from "./networks.js";

const CALLS = { load, denoise, decode };
const running = new Map(); // id of a call -> its AbortController
let model = null;

addEventListener("message", async ({ data: { id, call, given } }) => {
  if (call === "stop") return running.get(id)?.abort();
  const controller = new AbortController();
  running.set(id, controller);
  try {
    for await (const value of CALLS[call](given, controller.signal))
      postMessage({ id, value }, buffers_of(value));
    postMessage({ id, done: true });
  } catch (error) {
    // Emscripten throws numbers, too.
    const { name = "Error", message = String(error) } = error ?? {};
    postMessage({ id, error: { name, message } });
  } finally {
    running.delete(id);
  }
});

// runtime: address of onnxruntime-web's module. wasm: its program. graphs: see `Networks.load`.
// about: what `LatentDiffusion` is made from.
async function* load({ runtime, wasm, graphs, about }) {
  const ort = await import(runtime);
  // More threads would share memory, for which a page needs headers that not every host can send.
  Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: wasm });
  const networks = await Networks.load(ort, graphs);
  const language = about.vocabulary && promptLanguage(about.vocabulary);
  model = new LatentDiffusion(about, networks, language);
}

// The steps of one image, as `LatentDiffusion.denoise` makes them, with the noise level of each;
// with pictures beside the latents if it `draws` them.
async function* denoise({ asked, seed = null, draws, settings, ...options }, signal) {
  const seeds = seed === null ? null : [seed];
  for await (const step of model.denoise([asked], { ...settings, ...options, seeds, signal })) {
    const { index, steps, t } = step;
    const latents = [step.x_t, step.x_0].filter(Boolean).map((x) => x.slice());
    const pictures = draws ? await pictures_of(latents) : null;
    yield { index, steps, t, noise_level: model.schedule.levels(t)[1], latents, pictures };
  }
}

async function* decode(latents) {
  yield await pictures_of(latents);
}

async function pictures_of(latents) {
  const pictures = [];
  for (const latent of latents) pictures.push(await model.decode(latent));
  return pictures;
}

// What is sent needs no copy: nobody here reads it again.
function buffers_of(value) {
  const arrays = Array.isArray(value) ? value : [...value.latents, ...(value.pictures ?? [])];
  return arrays.map(({ buffer }) => buffer);
}
