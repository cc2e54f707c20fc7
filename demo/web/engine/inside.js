// What the panels of the tab Inside ask, in the browser: as in demo/inside.py, which says what each
// answer holds. Arrays are {shape, data}.
//
// An answer comes in parts. What stands in `pictures` are latents, which another worker decodes
// while this one goes on.

import { LATENT_SHAPE, LATENT_SIZE } from "./config.js";
import { std_of } from "./guidance.js";
import { gaussian_noise } from "./randomness.js";
import { joined, latent_greys, split, split_latents } from "./views.js";

const TIMES = 21;
const CHANNELS = 16;
const ANSWERS = { noise, score, features, attention, encode };

// asks: see Request.asks. run: {x_t, t} of its start and its steps. The rest is as in Python, with
// greys for a picture.
export const answer = (model, { what, ...given }) => ANSWERS[what](model, given);

async function* noise(model, { asks, picture }) {
  const t = Float32Array.from({ length: TIMES }, (_, i) => i / (TIMES - 1));
  const clean = await model.encode(picture);
  const start = gaussian_noise([asks.seed], 0, LATENT_SHAPE);
  const [x_0, noises] = [clean, start].map((one) => joined(Array(TIMES).fill(one)));
  const x_t = model.schedule.add_noise(x_0, noises, t);
  yield { t: row(t), x_t: latents(latent_greys(x_t)), pictures: { decoded: x_t } };
  const [v] = await predictions(model, asks, { x_t, t }, 1);
  const aim = model.schedule.v_from_x_0(x_0, noises, t);
  const squares = split_latents(v.map((v, i) => (v - aim[i]) ** 2));
  const loss = t.map((_, i) => squares[i].reduce((sum, x) => sum + x) / LATENT_SIZE);
  yield { loss: row(loss), pictures: { estimate: model.schedule.x_0_from_v(x_t, v, t) } };
}

async function* score(model, { asks, run, pass, guidance }) {
  const x_t = split_latents(run.x_t)[pass], t = run.t.subarray(pass, pass + 1);
  const [cond, none] = await predictions(model, asks, { x_t, t }, 2);
  const guided = none.map((v, i) => v + guidance * (cond[i] - v));
  const estimates = [cond, none, guided].map((v) => model.schedule.x_0_from_v(x_t, v, t));
  yield {
    ...{ t: row(t), x_t: latents(x_t), cond: latents(cond), null: latents(none) },
    pictures: { pictures: joined(estimates) },
  };
}

async function* features(model, { asks, run }) {
  const answer = {};
  for (const [name, { data, dims }] of await readings(model, asks, run, "features")) {
    const [count, channels, ...sides] = dims, every = Math.floor(channels / CHANNELS);
    const place = (i) => (i % channels) / every; // of a map among those that are shown, if whole
    const is_shown = (_, i) => Number.isInteger(place(i)) && place(i) < CHANNELS;
    const maps = joined(split(data, sides[0] * sides[1]).filter(is_shown)), std = std_of(maps);
    const shape = [count, CHANNELS, ...sides];
    answer[name.replace("features.", "")] = { shape, data: latent_greys(maps.map((x) => x / std)) };
  }
  yield answer;
}

async function* attention(model, { asks, run }) {
  const answer = { words: words_of(model, asks) }, cross = [];
  for (const [name, { data, dims }] of await readings(model, asks, run, "attention")) {
    const [, kind, stage] = /^attention\.(\w+)\.(.+)$/.exec(name), [count, heads, n, m] = dims;
    const passes = split(data, heads * n * m);
    const maps = joined(passes.map((weights) => mean_of(split(weights, n * m)))); // over heads
    if (kind === "self") answer[stage] = { shape: [count, n, m], data: of_largest(maps, m) };
    else cross.push(enlarged(maps, n, m));
  }
  const shape = [run.t.length - 1, POSITIONS, answer.words.length];
  yield { ...answer, cross: { shape, data: mean_of(cross) } };
}

async function* encode(model, { picture }) {
  const latent = await model.encode(picture);
  yield { latent: latents(latent), pictures: { picture: latent } };
}

// The predictions of v for latents (N, 4, 8, 8) with the prompt of a request, and, of two, with its
// negative or the empty one.
async function predictions(model, asks, { x_t, t }, count) {
  const asked = await asked_for(model, asks, t.length, count);
  return split(await model.network.predict(x_t, t, ...asked), x_t.length);
}

// A reading of each pass of a run, with the prompt: [[name, {data, dims}], ...], dims [N, ...].
async function readings(model, asks, run, kind) {
  const x_t = run.x_t.subarray(0, -LATENT_SIZE), t = run.t.subarray(0, -1);
  const names = model.network.readings.filter((name) => name.startsWith(`${kind}.`));
  const asked = await asked_for(model, asks, t.length, 1);
  return Object.entries(await model.network.read(x_t, t, ...asked, names));
}

// What the network is told beside N latents, one or two times, and what is on.
async function asked_for(model, { asked, options }, n, count) {
  const { places, null: none } = model.conditioning.context([asked], [options.negative], options.style);
  const each = Array.from({ length: count * n }, (_, i) => Math.floor(i / n));
  const mix = () => each.map((i) => ({ before: i, after: i, share: 0 }));
  const context = await model.context([places, none].slice(0, count), mix);
  return [context, model.gates(options.off ?? [])];
}

const mean_of = (arrays) =>
  arrays[0].map((_, i) => arrays.reduce((sum, one) => sum + one[i], 0) / arrays.length);

// Each row of m numbers as shares of its largest, in greys.
function of_largest(rows, m) {
  const largest = split(rows, m).map((row) => Math.max(...row));
  return Uint8Array.from(rows, (x, i) => Math.round((255 * x) / largest[Math.floor(i / m)]));
}

const [, SIDE] = LATENT_SHAPE, POSITIONS = SIDE ** 2;

// Maps of n positions, each with m numbers, as maps of all positions of a latent.
function enlarged(maps, n, m) {
  const inner = Math.sqrt(n), at = (i) => Math.floor((i * inner) / SIDE);
  const place = (_, i) => at(Math.floor(i / SIDE)) * inner + at(i % SIDE);
  const places = Array.from({ length: POSITIONS }, place);
  const each = split(maps, n * m).map((map) => split(map, m));
  return joined(each.flatMap((positions) => places.map((i) => positions[i])));
}

// What stands in each position of a prompt.
function words_of({ conditioning }, { asked, options }) {
  const { rows, amounts } = conditioning.places([asked], options.style);
  const word = (row) => conditioning.vocabulary.rows[row]?.[0] ?? "empty";
  const amount = (a) => (a === 1 ? "" : ` ${a.toFixed(1)}`);
  return Array.from(rows, (row, i) => word(row) + amount(amounts[i]));
}

const row = (data) => ({ shape: [data.length], data });
const latents = (data) => ({ shape: [data.length / LATENT_SIZE, ...LATENT_SHAPE], data });
