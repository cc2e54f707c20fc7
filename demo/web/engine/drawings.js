// Turns a drawing, scan or photograph of a digit into an MNIST-style picture; as in
// ldm_core/files/drawings.py, and with Pillow's way of resizing.

import { InputError } from "./checks.js";
import { PICTURE_SIDE as SIDE } from "./config.js";
import { BLANK, MIN_CONTRAST, ink_of, median } from "./ink.js";

const BOX = 20; // pixels of the longer side of a digit in MNIST
const CENTRE = SIDE / 2; // the pixel where MNIST has the centre of mass
const WORKING_SIDE = 256; // pixels; what is larger is averaged down first
const CUT = 0.001; // share of the ink on each side that may lie outside the box, such as specks

// rgba: pixels as a canvas has them -> Uint8Array of greys. Transparent areas become black or white,
// opposite to the drawing.
export function to_grey(rgba) {
  const grey = new Uint8Array(rgba.length / 4);
  let ink = 0, light = 0;
  grey.forEach((_, i) => {
    const [r, g, b, alpha] = rgba.subarray(4 * i, 4 * i + 4);
    grey[i] = (19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16; // ITU-R 601
    ink += alpha;
    light += grey[i] * alpha;
  });
  const background = light / (ink || 1) < 127.5 ? 255 : 0;
  const over = (grey, i) => grey + ((background - grey) * (255 - rgba[4 * i + 3])) / 255;
  return new Uint8Array(Uint8ClampedArray.from(grey, over));
}

// A picture of any size, its digit light or dark -> {digit, note}. digit: greys (28, 28), white on
// black, centred and scaled as MNIST was: it fits a box of 20 x 20 pixels, and its centre of mass lies
// in the middle (LeCun et al. 1998, sec. III.A). note: what was left out of the picture; "" for
// nothing. A picture of 28 x 28, also one that was enlarged, is such a digit already; it is inverted
// where its border is light. Throws InputError where it is blank, and as ink_of does.
export function digit_in(grey, width, height) {
  const small = without_enlargement(grey, width, height);
  if (!small) {
    const [less, wide, high] = averaged_down(grey, width, height);
    const { amount, left_out } = ink_of(less, wide, high);
    return { digit: placed(amount, wide, high), note: left_out && `left out: ${left_out}` };
  }
  const is_border = (i) => i % SIDE % (SIDE - 1) === 0 || i < SIDE || i >= SIDE * (SIDE - 1);
  const corners = [0, SIDE - 1, SIDE * (SIDE - 1), SIDE * SIDE - 1].map((i) => small[i]); // twice
  const border = [...small.filter((_, i) => is_border(i)), ...corners];
  const digit = median(border) > 127 ? small.map((grey) => 255 - grey) : small;
  if (Math.max(...digit) - Math.min(...digit) < MIN_CONTRAST) throw new InputError(BLANK);
  return { digit, note: "" };
}

function without_enlargement(grey, width, height) {
  const times = width / SIDE;
  if (width !== height || !Number.isInteger(times)) return null;
  const at = (i) => grey[Math.floor(i / SIDE) * times * width + (i % SIDE) * times];
  const small = Uint8Array.from({ length: SIDE ** 2 }, (_, i) => at(i));
  const of = (i) => Math.floor(i / width / times) * SIDE + Math.floor((i % width) / times);
  return grey.every((value, i) => value === small[of(i)]) ? small : null;
}

function averaged_down(grey, width, height) {
  const factor = WORKING_SIDE / Math.max(width, height);
  if (factor >= 1) return [grey, width, height];
  const [wide, high] = [width, height].map((side) => Math.max(1, Math.round(side * factor)));
  const bytes = (plane) => Uint8ClampedArray.from(plane, (value) => Math.floor(value + 0.5));
  const across = bytes(resized(grey, width, 0, width, wide, box, 0.5));
  const turned = turn(across, wide), down = resized(turned, height, 0, height, high, box, 0.5);
  return [turn(bytes(down), high), wide, high];
}

// ink (height, width) -> greys (28, 28): the box around the ink becomes 20 pixels long, and the
// centre of mass comes to the middle of pixel (14, 14), as far as the box stays inside.
function placed(ink, width, height) {
  const turned = turn(ink, width);
  const profiles = [sums(turned, height), sums(ink, width)]; // along x, along y
  const scale = Math.max(...profiles.map(ends).map(([low, high]) => high - low)) / BOX;
  const [left, top] = profiles.map((profile) => {
    const [low, high] = ends(profile), total = profile.reduce((sum, value) => sum + value);
    const centre = profile.reduce((sum, value, i) => sum + value * (i + 0.5), 0) / total;
    const first = centre - (CENTRE + 0.5) * scale;
    return Math.min(Math.max(first, high - SIDE * scale), low);
  });
  const part = (plane, size, first) =>
    resized(plane, size, first, first + SIDE * scale, SIDE, bicubic, 2);
  const down = part(turn(part(Float32Array.from(ink), width, left), SIDE), height, top);
  const digit = turn(down, SIDE).map((value) => Math.min(Math.max(value, 0), 1));
  const most = Math.max(...digit); // all of MNIST have some white
  return new Uint8Array(Uint8ClampedArray.from(digit, (value) => value * Math.fround(255 / most)));
}

// The sum of each row.
function sums(plane, width) {
  const rows = new Float64Array(plane.length / width);
  plane.forEach((value, i) => (rows[Math.floor(i / width)] += value));
  return rows;
}

// Where a profile of ink begins and ends, but for CUT of it on each side.
function ends(profile) {
  const total = profile.reduce((sum, value) => sum + value);
  let so_far = 0;
  const share = profile.map((value) => (so_far += value) / total);
  const count = (is_in) => share.filter(is_in).length;
  return [count((share) => share <= CUT), count((share) => share < 1 - CUT) + 1];
}

// Rows of a plane -> rows of `size` pixels that show the part from `low` to `high` (Pillow's
// Resample.c). Beyond the plane there is nothing.
function resized(plane, width, low, high, size, filter, reach) {
  const scale = (high - low) / size, wide = Math.max(scale, 1);
  const rows = plane.length / width, result = new Float32Array(rows * size);
  for (let x = 0; x < size; x++) {
    const centre = low + (x + 0.5) * scale;
    const [first, end] = [-1, 1].map((side) => Math.floor(centre + side * reach * wide + 0.5));
    const weight = (_, i) => filter((first + i - centre + 0.5) / wide);
    const weights = Array.from({ length: end - first }, weight);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const from = Math.max(first, 0), to = Math.min(end, width);
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (let i = from; i < to; i++) sum += plane[row * width + i] * weights[i - first];
      result[row * size + x] = sum / total;
    }
  }
  return result;
}

const box = (x) => (x > -0.5 && x <= 0.5 ? 1 : 0);

// Keys 1981, with a = -1/2.
function bicubic(x) {
  const far = Math.abs(x);
  if (far < 1) return (1.5 * far - 2.5) * far * far + 1;
  return far < 2 ? ((far - 5) * far + 8) * far * -0.5 + 2 : 0;
}

// Rows become columns.
function turn(plane, width) {
  const height = plane.length / width;
  return plane.map((_, i) => plane[(i % height) * width + Math.floor(i / height)]);
}
