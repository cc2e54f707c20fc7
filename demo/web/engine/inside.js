// What the panels of the tab Inside ask, in the browser: as in demo/inside.py, which says what each
// answer holds. Arrays are {shape, data}.

import { LATENT_SHAPE, LATENT_SIZE, PICTURE_SIDE } from "./config.js";
import { gaussian_noise } from "./randomness.js";
import { latent_greys } from "./views.js";

const TIMES = 21;
const CHANNELS = 16;
const ANSWERS = { noise, score, path, features, attention, encode, decode };

// asks: see Request.asks. given: pictures as greys, the rest as the page gives it.
export function answer(model, { what, asks, ...given }, signal) {
  return ANSWERS[what](model, asks, given, signal);
}

async function noise(model, asks, { picture }) {
  const [latent, start] = [
    await model.encode(picture),
    gaussian_noise([asks.seed], 0, LATENT_SHAPE),
  ];
  const t = Float32Array.from({ length: TIMES }, (_, i) => i / (TIMES - 1));
  const [x_0, noises] = [latent, start].map((x) => joined(Array(TIMES).fill(x)));
  const x_t = model.schedule.add_noise(x_0, noises, t);
  const v = await prediction(model, asks, x_t, t);
  const aim = model.schedule.v_from_x_0(x_0, noises, t);
  const loss = t.map((_, i) => {
    const squares = v.subarray(i * LATENT_SIZE, (i + 1) * LATENT_SIZE);
    return (
      squares.reduce((sum, v, j) => sum + (v - aim[i * LATENT_SIZE + j]) ** 2, 0) / LATENT_SIZE
    );
  });
  return {
    ...{ t: row(t), loss: row(loss), x_t: latents(latent_greys(x_t)) },
    decoded: pictures(await model.decode(x_t)),
    estimate: pictures(await model.decode(model.schedule.x_0_from_v(x_t, v, t))),
  };
}

async function score(model, asks, _, signal) {
  const steps = await run(model, asks, { read: ["prediction"] }, signal),
    before = steps.slice(0, -1);
  const x_t = joined(before.map((step) => step.x_t)),
    t = Float32Array.from(before, ({ t }) => t);
  const read = (name) => joined(steps.slice(1).map((step) => step.read[`prediction.${name}`].data));
  const [cond, none] = [read("cond"), read("null")];
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

async function features(model, asks, _, signal) {
  const answer = {};
  for (const [name, { dims, steps }] of await readings(model, asks, "features", signal)) {
    const [channels, ...sides] = dims,
      size = sides[0] * sides[1];
    const first = (i) => i * Math.floor(channels / CHANNELS) * size;
    const some = joined(
      steps.flatMap((maps) =>
        Array.from({ length: CHANNELS }, (_, i) => maps.slice(first(i), first(i) + size)),
      ),
    );
    const std = std_of(some);
    const data = latent_greys(some.map((x) => x / std));
    answer[name.replace("features.", "")] = { shape: [steps.length, CHANNELS, ...sides], data };
  }
  return answer;
}

async function attention(model, asks, _, signal) {
  const answer = {},
    cross = [];
  let count;
  for (const [name, { dims, steps }] of await readings(model, asks, "attention", signal)) {
    const [, kind, stage] = /^attention\.(\w+)\.(.+)$/.exec(name),
      [heads, n, m] = dims;
    const means = joined(steps.map((weights) => mean_of_heads(weights, heads)));
    if (kind === "self")
      answer[stage] = { shape: [steps.length, n, m], data: of_largest(means, m) };
    else cross.push(enlarged(means, n, (count = m)));
  }
  const data = cross[0].map((_, i) => cross.reduce((sum, one) => sum + one[i], 0) / cross.length);
  const positions = LATENT_SIZE / LATENT_SHAPE[0];
  const shape = [data.length / positions / count, positions, count];
  return { ...answer, words: words_of(model, asks), cross: { shape, data } };
}

function mean_of_heads(weights, heads) {
  const mean = new Float32Array(weights.length / heads);
  weights.forEach((x, i) => (mean[i % mean.length] += x / heads));
  return mean;
}

// Each row of m numbers as shares of its largest, in greys.
function of_largest(rows, m) {
  const largest = new Float32Array(rows.length / m);
  rows.forEach((x, i) => (largest[Math.floor(i / m)] = Math.max(largest[Math.floor(i / m)], x)));
  return Uint8Array.from(rows, (x, i) => Math.round((255 * x) / largest[Math.floor(i / m)]));
}

// Maps of n positions, each with m numbers, as maps of all positions of a latent.
function enlarged(maps, n, m) {
  const [, side] = LATENT_SHAPE,
    inner = Math.sqrt(n),
    by = side / inner,
    size = side * side * m;
  return Float32Array.from({ length: (maps.length / (n * m)) * size }, (_, i) => {
    const position = Math.floor((i % size) / m);
    const [row, column] = [position / side, position % side].map((at) =>
      Math.floor(Math.floor(at) / by),
    );
    return maps[(Math.floor(i / size) * n + row * inner + column) * m + (i % m)];
  });
}

// A reading of all steps of a run, of the pass with the prompt: [[name, {dims, steps}], ...].
async function readings(model, asks, name, signal) {
  const [, ...steps] = await run(model, asks, { read: [name] }, signal);
  return Object.entries(steps[0].read).map(
    ([
      one,
      {
        dims: [, , ...dims],
      },
    ]) => {
      const size = dims.reduce((product, side) => product * side, 1);
      return [one, { dims, steps: steps.map(({ read }) => read[one].data.subarray(0, size)) }];
    },
  );
}

// What stands in each position of a prompt.
function words_of({ conditioning }, { asked, options }) {
  const { rows, amounts } = conditioning.places([asked], options.style);
  const word = (row) => conditioning.vocabulary.rows[row]?.[0] ?? "empty";
  const amount = (a) => (a === 1 ? "" : ` ${a.toFixed(1)}`);
  return Array.from(rows, (row, i) => word(row) + amount(amounts[i]));
}

// With n - 1 in the denominator, as torch.std has it.
function std_of(x) {
  const mean = x.reduce((sum, x) => sum + x, 0) / x.length;
  return Math.sqrt(x.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (x.length - 1));
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

// The prediction of v for latents (N, 4, 8, 8), with the prompt and the switches of a request.
async function prediction(model, { asked, options }, x_t, t) {
  const { conditioning, network } = model;
  const { rows, amounts } = conditioning.places([asked], options.style);
  const each = Array.from(t, () => ({ before: 0, after: 0, share: 0 }));
  const context = network.between(await network.context(rows, amounts), each);
  return network.predict(x_t, t, context, model.gates(options.off ?? []));
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
