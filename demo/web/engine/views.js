// From denoising steps to the pictures of an animation; as in ldm_core/output/views.py and
// ldm_core/files/pictures.py.

import { LATENT_SHAPE, LATENT_SIZE, PICTURE_SIDE as SIDE } from "./config.js";

export const VIEWS = ["noisy", "estimate", "both", "latent"];
const GAP = 2; // pixels between pictures
const FIT_SIDE = 1120; // pixels: no side of a file is longer unless somebody says so
const MOST = 8; // times a picture is enlarged then

// The pictures of a step, greys (28, 28). mean: that of the mean of all latents, which is what is
// known at the start.
export function views(step, show, mean) {
  if (show === "latent") return channels(step.latent);
  const estimate = step.x_0 ?? mean;
  return { noisy: [step.x_t], estimate: [estimate], both: [step.x_t, estimate] }[show];
}

// latents, of about unit variance -> greys: 0 is the middle grey, 3 is white.
export function latent_greys(latents) {
  return Uint8ClampedArray.from(latents, (z) => Math.fround(127.5 + Math.fround(42.5 * z)));
}

// A picture of each channel, with a black border.
function channels(latent) {
  const [count, side] = LATENT_SHAPE, scale = Math.floor(SIDE / side);
  const border = (SIDE - scale * side) / 2, size = side * side;
  return Array.from({ length: count }, (_, channel) =>
    Uint8Array.from({ length: SIDE * SIDE }, (_, i) => {
      const [y, x] = [Math.floor(i / SIDE), i % SIDE].map((at) => Math.floor((at - border) / scale));
      const is_in = Math.min(x, y) >= 0 && Math.max(x, y) < side;
      return is_in ? latent[channel * size + y * side + x] : 0;
    }),
  );
}

// Pictures (28, 28) in rows of `columns`, black between and where none is: {greys, width, height}.
export function lay_out(pictures, columns) {
  const rows = Math.ceil(pictures.length / columns);
  const [width, height] = [columns, rows].map((count) => count * (SIDE + GAP) - GAP);
  const greys = new Uint8Array(width * height);
  pictures.forEach((picture, i) => {
    const first = Math.floor(i / columns) * (SIDE + GAP) * width + (i % columns) * (SIDE + GAP);
    for (let row = 0; row < SIDE; row++)
      greys.set(picture.subarray(row * SIDE, (row + 1) * SIDE), first + row * width);
  });
  return { greys, width, height };
}

export const scale_to_fit = ({ width, height }) =>
  Math.min(Math.max(Math.floor(FIT_SIDE / Math.max(width, height)), 1), MOST);

// An array of B parts of one size, each as a view.
export const split = (array, size = SIDE * SIDE) =>
  Array.from({ length: array.length / size }, (_, i) => array.subarray(i * size, (i + 1) * size));

// The same parts as one array again.
export function joined(arrays) {
  const [{ constructor, length }] = arrays; // all have this type and this length
  const all = new constructor(arrays.length * length);
  arrays.forEach((array, i) => all.set(array, i * length));
  return all;
}

export const split_latents = (array) => split(array, LATENT_SIZE);
