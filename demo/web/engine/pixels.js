// The way from the pixels that people see to the images that the VAE sees, and back; as in
// ldm_core/model/pixels.py.

import { IMAGE_SIDE, PICTURE_SIDE } from "./config.js";

const BORDER = (IMAGE_SIDE - PICTURE_SIDE) / 2;

// For each pixel of a picture, its index in an image.
const INNER = Array.from({ length: PICTURE_SIDE ** 2 }, (_, i) => {
  const [row, column] = [Math.floor(i / PICTURE_SIDE), i % PICTURE_SIDE];
  return (row + BORDER) * IMAGE_SIDE + column + BORDER;
});

// greys (B, 28, 28) -> image, Float32Array (B, 1, 32, 32) in [-1, 1], with a border of background.
export function to_image(pixels) {
  return border(Float32Array.from(pixels, (grey) => Math.fround(grey / 127.5) - 1), -1);
}

// (B, 28, 28) -> Float32Array (B, 1, 32, 32), with a border of one value.
export function border(plane, value) {
  const count = plane.length / PICTURE_SIDE ** 2;
  const image = new Float32Array(count * IMAGE_SIDE ** 2).fill(value);
  for (let i = 0; i < count; i++)
    INNER.forEach((to, at) => (image[i * IMAGE_SIDE ** 2 + to] = plane[i * INNER.length + at]));
  return image;
}

// image, Float32Array (B, 1, 32, 32) -> bytes (B, 28, 28): clipped, rounded, without the border.
// A Uint8ClampedArray clips what it is given, and rounds halves to even, as torch.round does.
export function to_pixels(image) {
  const count = image.length / IMAGE_SIDE ** 2;
  const pixels = new Uint8ClampedArray(count * PICTURE_SIDE ** 2);
  for (let i = 0; i < count; i++)
    INNER.forEach((from, at) => {
      const value = image[i * IMAGE_SIDE ** 2 + from];
      pixels[i * INNER.length + at] = Math.fround(Math.fround(value * 127.5) + 127.5);
    });
  return pixels;
}
