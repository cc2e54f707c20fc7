// A worker runs the networks away from the page, on behalf of client.js.
//
// A message {id, call, given} asks for one of CALLS. The answers are {id, value}, as many as there
// are, and in the end {id, done: true} or {id, error}. {id, call: "stop"} ends the call of that id.

import { promptLanguage } from "../prompt.js";
import { LATENT_SIZE, PICTURE_SIDE } from "./config.js";
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
  model = new LatentDiffusion(about, networks, about.vocabulary && promptLanguage(about.vocabulary));
}

// The steps of one image, as `LatentDiffusion.denoise` makes them, with the noise level of each;
// with pictures beside the latents if it `draws` them.
async function* denoise({ asked, seed, draws, settings, ...options }, signal) {
  const seeds = Number.isInteger(seed) ? [seed] : null;
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

// All in one run of the decoder: that is faster than one run for each.
async function pictures_of(latents) {
  const all = new Float32Array(latents.length * LATENT_SIZE);
  latents.forEach((latent, i) => all.set(latent, i * LATENT_SIZE));
  const pixels = await model.decode(all);
  const size = PICTURE_SIDE ** 2;
  return latents.map((_, i) => pixels.slice(i * size, (i + 1) * size));
}

// What is sent needs no copy: nobody here reads it again.
function buffers_of(value) {
  const arrays = Array.isArray(value) ? value : [...value.latents, ...(value.pictures ?? [])];
  return arrays.map(({ buffer }) => buffer);
}
