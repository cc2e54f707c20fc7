// Pictures of greys: from what engines send, and to what the page shows.

import { data_uri } from "./engine/png.js";

export const SIDE = 28;
const MAP = 8; // side of a map of the latent, of which there are four

export const bytes_of = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
export const text_of = (greys) => btoa(String.fromCharCode(...greys));

// An array of an answer, {kind, shape, data}, as {shape, data}, with the numbers in a typed array.
export function array_of({ kind, shape, data }) {
  const bytes = bytes_of(data);
  return { shape, data: kind === "uint8" ? bytes : new Float32Array(bytes.buffer) };
}

// As an address: a picture of 28 x 28, or a latent, whose maps stand in two rows of two.
export function address(greys) {
  return greys.length === SIDE * SIDE ? data_uri(greys, SIDE) : data_uri(tiled(greys), 2 * MAP);
}

function tiled(maps) {
  return Uint8Array.from({ length: 4 * MAP * MAP }, (_, at) => {
    const [y, x] = [Math.floor(at / (2 * MAP)), at % (2 * MAP)];
    const map = 2 * Math.floor(y / MAP) + Math.floor(x / MAP);
    return maps[(map * MAP + (y % MAP)) * MAP + (x % MAP)];
  });
}

// As pixels of a canvas: a picture of 28 x 28.
export function image_data(greys) {
  const value = (_, i) => (i % 4 === 3 ? 255 : greys[i >> 2]);
  return new ImageData(Uint8ClampedArray.from({ length: 4 * SIDE * SIDE }, value), SIDE, SIDE);
}

// How far two pictures are from each other: the root mean square, in grey levels.
export function distance(a, b) {
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0) / a.length);
}

// The list of a step, as messages and examples hold it, as an object.
export function step_of([index, t, noise_level, ...pictures]) {
  const [x_t, x_0, latent] = pictures.map((text) => text && bytes_of(text));
  return { index, t, noise_level, x_t, x_0, latent };
}
