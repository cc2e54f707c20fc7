// The way from the images that the VAE sees to the pixels that people see, as in
// ldm_core/model/pixels.py.

import { IMAGE_SIDE, PICTURE_SIDE } from "./config.js";

const BORDER = (IMAGE_SIDE - PICTURE_SIDE) / 2;

// image, Float32Array (B, 1, 32, 32) -> bytes (B, 28, 28): clipped, rounded, without the border.
// A Uint8ClampedArray clips what it is given, and rounds halves to even, as torch.round does.
export function to_pixels(image) {
  const count = image.length / IMAGE_SIDE ** 2;
  const pixels = new Uint8ClampedArray(count * PICTURE_SIDE ** 2);
  for (let to = 0; to < pixels.length; to++) {
    const row = Math.floor(to / PICTURE_SIDE); // counted through all pictures
    const above = Math.floor(row / PICTURE_SIDE) * 2 * BORDER + BORDER; // border rows so far
    const from = (row + above) * IMAGE_SIDE + BORDER + (to % PICTURE_SIDE);
    pixels[to] = Math.fround(Math.fround(image[from] * 127.5) + 127.5);
  }
  return pixels;
}
