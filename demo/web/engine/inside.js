// What the panels of the tab Inside ask, in the browser: as in demo/inside.py, which says what each
// answer holds. Arrays are {shape, data}.

import { LATENT_SHAPE, LATENT_SIZE, PICTURE_SIDE } from "./config.js";
import { gaussian_noise } from "./randomness.js";
import { latent_greys } from "./views.js";

const TIMES = 21;
const ANSWERS = { noise, score, path, encode, decode };

// asks: see Request.asks. given: pictures as greys, the rest as the page gives it.
export function answer(model, { what, asks, ...given }, signal) {
  return ANSWERS[what](model, asks, given, signal);
}

async function noise(model, asks, { picture }) {
  const [latent, start] = [await model.encode(picture), gaussian_noise([asks.seed], 0, LATENT_SHAPE)];
  const t = Float32Array.from({ length: TIMES }, (_, i) => i / (TIMES - 1));
  const [x_0, noises] = [latent, start].map((x) => joined(Array(TIMES).fill(x)));
  const x_t = model.schedule.add_noise(x_0, noises, t);
  const [v] = await predictions(model, asks, x_t, t);
  const aim = model.schedule.v_from_x_0(x_0, noises, t);
  const loss = t.map((_, i) => {
    const squares = v.subarray(i * LATENT_SIZE, (i + 1) * LATENT_SIZE);
    return squares.reduce((sum, v, j) => sum + (v - aim[i * LATENT_SIZE + j]) ** 2, 0) / LATENT_SIZE;
  });
  return {
    ...{ t: row(t), loss: row(loss), x_t: latents(latent_greys(x_t)) },
    decoded: pictures(await model.decode(x_t)),
    estimate: pictures(await model.decode(model.schedule.x_0_from_v(x_t, v, t))),
  };
}

async function score(model, asks, _, signal) {
  const steps = (await run(model, asks, {}, signal)).slice(0, -1);
  const x_t = joined(steps.map((step) => step.x_t)), t = Float32Array.from(steps, ({ t }) => t);
  const [cond, none] = await predictions(model, asks, x_t, t);
  const picture = async (v) => pictures(await model.decode(model.schedule.x_0_from_v(x_t, v, t)));
  return {
    ...{ t: row(t), x_t: latents(x_t), cond: latents(cond), null: latents(none) },
    ...{ cond_picture: await picture(cond), null_picture: await picture(none) },
  };
}

async function path(model, asks, given, signal) {
  const x = joined((await run(model, asks, given, signal)).map(({ x_t }) => x_t));
  return { latents: latents(x), pictures: pictures(await model.decode(x)) };
}

async function encode(model, _, { picture }) {
  const latent = await model.encode(picture);
  return { latent: { shape: LATENT_SHAPE, data: latent }, ...(await decode(model, _, { latent })) };
}

async function decode(model, _, { latent }) {
  const data = await model.decode(Float32Array.from(latent));
  return { picture: { shape: [PICTURE_SIDE, PICTURE_SIDE], data } };
}

// The steps of a run.
async function run(model, { asked, seed, options }, more, signal) {
  const steps = [];
  for await (const step of model.denoise([asked], { seeds: [seed], ...options, ...more, signal }))
    steps.push({ ...step, x_t: step.x_t.slice() });
  return steps;
}

// The predictions of v for latents (N, 4, 8, 8), with the prompt and without it.
async function predictions(model, { asked, options }, x_t, t) {
  const said = model.conditioning.context([asked], [options.negative], options.style);
  const both = [said.places, said.null];
  const two = await model.network.context(
    ...["rows", "amounts"].map((name) => joined(both.map((places) => places[name]))),
  );
  const mix = [0, 1].flatMap((at) => Array.from(t, () => ({ before: at, after: at, share: 0 })));
  const v = await model.network.predict(x_t, t, model.network.between(two, mix));
  return [v.subarray(0, x_t.length), v.subarray(x_t.length)];
}

function joined(arrays) {
  const [{ constructor, length }] = arrays;
  const all = new constructor(arrays.length * length);
  arrays.forEach((array, i) => all.set(array, i * length));
  return all;
}

const row = (data) => ({ shape: [data.length], data });
const latents = (data) => ({ shape: [data.length / LATENT_SIZE, ...LATENT_SHAPE], data });
const pictures = (data) => ({
  shape: [data.length / PICTURE_SIDE ** 2, PICTURE_SIDE, PICTURE_SIDE],
  data,
});
