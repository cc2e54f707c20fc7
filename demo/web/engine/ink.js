// Finds the ink of one digit on a drawing, scan or photograph, without whatever else is on it; as in
// ldm_core/files/ink.py, which says what each number means.

import { InputError } from "./checks.js";

const FAINT = 0.2, FITS = 4, ROUNDS = 5, SOFT = 2, SLIGHTLY = 0.25;
export const MIN_CONTRAST = 24;
// Lengths are shares of the longer side of the largest piece, areas shares of its area.
const SPECK = 0.04, BLOT = 0.2, TOUCHING = 0.03, NEAR = 0.12, FAR = 0.3;
const HIGH = 1.7, LOW = 0.3, TALL = 0.75, SMALL = 0.15, FLAT = 2, FULL_BOX = 0.78;
const TURNS = Array.from({ length: 18 }, (_, i) => (i * Math.PI) / 36);
export const BLANK = "The picture is blank, or too faint: no digit stands out on it.";
const AT_BORDER =
  "What stands out touches the border of the picture: leave some paper around the digit, or crop " +
  "to it.";
const SEVERAL =
  "More than one thing stands out on the picture, or a filled area: crop it to one digit that is " +
  "drawn in lines.";

// How much ink lies on each pixel of a picture, from 0 to 1, darker or lighter than the paper. Pieces
// at the border are left out, and pieces that are small, or far from the largest. Throws InputError
// where nothing stands out, or more than one thing.
export function ink_of(grey, width, height) {
  const apart = without_paper(grey, width, height), noise = deviation(apart);
  const sign = apart.reduce((sum, value) => sum + value ** 3, 0) > 0 ? 1 : -1;
  const digit = (sign) => digit_in(apart.map((value) => sign * value), noise, width, height);
  try {
    return digit(sign);
  } catch (error) {
    if (error.message !== AT_BORDER) throw error;
    try {
      return digit(-sign); // perhaps the table was lighter than the paper
    } catch {
      throw error;
    }
  }
}

// The paper is a plane of greys, as light falls on it from one side: it is fitted to the pixels near
// it, several times.
function without_paper(grey, width, height) {
  const along = (i, size) => (size > 1 ? (2 * i) / (size - 1) - 1 : -1);
  const point = (i) => [1, along(i % width, width), along(Math.floor(i / width), height)];
  const middle = median(grey);
  let apart = Float64Array.from(grey, (value) => value - middle);
  for (let fit = 0; fit < FITS; fit++) {
    const limit = 3 * deviation(apart);
    const rows = [0, 1, 2].map(() => [0, 0, 0, 0]); // normal equations
    apart.forEach((value, i) => {
      if (Math.abs(value) > limit) return;
      const x = [...point(i), grey[i]];
      rows.forEach((row, j) => row.forEach((_, k) => (row[k] += x[j] * x[k])));
    });
    const plane = solved(rows);
    const paper = (i) => point(i).reduce((sum, x, j) => sum + x * plane[j], 0);
    apart = apart.map((_, i) => grey[i] - paper(i));
  }
  return apart;
}

// The solution of three linear equations, rows of [a, b, c, sum], by Gauss and Jordan. Where an
// axis is one pixel long, its slope stays 0.
function solved(rows) {
  rows.forEach((row, j) => {
    const pivot = row[j];
    if (Math.abs(pivot) < 1e-9) return row.fill(0);
    row.forEach((value, k) => (row[k] = value / pivot));
    rows.forEach((other, i) => {
      const factor = other[j];
      if (i !== j) other.forEach((value, k) => (other[k] = value - factor * row[k]));
    });
  });
  return rows.map((row) => row[3]);
}

// The ink that is above the paper.
function digit_in(apart, noise, width, height) {
  let at_border = [], outer, pieces, faint, full;
  for (let round = 0; ; round++) {
    [faint, full] = levels(apart, noise);
    if (round === ROUNDS) throw new InputError(AT_BORDER);
    if (full < Math.max(MIN_CONTRAST, 2 * faint))
      throw new InputError(at_border.length ? AT_BORDER : BLANK);
    pieces = pieces_of(apart.map((value) => (value > faint ? 1 : 0)), width);
    outer = pieces.filter((piece) => lies_at_border(piece, width, height));
    if (!outer.length) break;
    const gone = grown(outer.flat(), SOFT, width, height);
    at_border = at_border.concat(...outer);
    apart = apart.map((value, i) => (gone[i] ? 0 : value));
  }
  const [kept, specks] = strokes(pieces, width, height);
  const { wide, high } = box_of(kept, width), side = Math.max(wide, high);
  if (at_border.length && (side < SMALL * Math.max(width, height) || wide > FLAT * high))
    throw new InputError(AT_BORDER);
  const near = grown(kept, rounded(NEAR * side), width, height);
  if (at_border.some((i) => near[i]) || fullness(kept, width) > FULL_BOX)
    throw new InputError(SEVERAL);
  if (at_border.length || specks) {
    const around = grown(kept, SOFT, width, height);
    apart = apart.map((value, i) => (around[i] ? value : 0));
    [faint, full] = levels(apart, noise);
  }
  return apart.map((value) => Math.min(Math.max((value - faint) / (full - faint), 0), 1));
}

// The levels at which ink begins, and is full.
function levels(apart, noise) {
  const most = apart.reduce((most, value) => Math.max(most, value));
  const full = quantile(apart.filter((value) => value >= most / 2), 0.75);
  return [Math.max(FAINT * full, 4 * noise), full];
}

// The pieces that make one digit, as one, and how many were left out.
function strokes(pieces, width, height) {
  let [kept, ...rest] = pieces.sort((a, b) => b.length - a.length);
  const size = kept.length, { wide, high } = box_of(kept, width), side = Math.max(wide, high);
  const reach_of = (share) => grown(kept, rounded(share * side), width, height);
  const is_large = (piece, is_in_reach) => piece.length >= (is_in_reach ? SPECK : BLOT) * size;
  for (let before = null; rest.length && rest.length !== before?.length; ) {
    [before, rest] = [rest, []];
    const reach = [TOUCHING, NEAR, FAR].map(reach_of);
    for (const piece of before) {
      const [touches, is_near, is_in_reach] = reach.map((mask) => piece.some((i) => mask[i]));
      const together = is_large(piece, is_in_reach) && is_one_digit(kept, piece, is_near, width);
      if (touches || (is_in_reach && together)) kept = kept.concat(piece);
      else rest.push(piece);
    }
  }
  const reach = reach_of(FAR);
  if (rest.some((piece) => is_large(piece, piece.some((i) => reach[i]))))
    throw new InputError(SEVERAL);
  return [kept, rest.length];
}

// Whether two strokes can be of one digit, by their boxes.
function is_one_digit(one, other, is_near, width) {
  const both = box_of(one.concat(other), width);
  const [a, b] = [one, other].map((piece) => box_of(piece, width));
  const shorter = Math.min(a.high, b.high) / both.high;
  if (a.wide + b.wide - both.wide >= Math.min(a.wide, b.wide) / 2) // one above the other
    return shorter < LOW || both.high <= HIGH * both.wide;
  return is_near && LOW < shorter && shorter < TALL; // an open 4: of two digits, both are tall
}

function box_of(piece, width) {
  const [wide, high] = ranges(piece, (i) => [i % width, Math.floor(i / width)]);
  return { wide: wide + 1, high: high + 1 };
}

// How far the points of a piece are apart along two axes.
function ranges(piece, point) {
  const low = [Infinity, Infinity], high = [-Infinity, -Infinity];
  for (const i of piece)
    point(i).forEach((at, axis) => {
      low[axis] = Math.min(low[axis], at);
      high[axis] = Math.max(high[axis], at);
    });
  return [0, 1].map((axis) => high[axis] - low[axis]);
}

// The share that a piece fills of a box around it, turned so that it fills most of it. Narrow boxes
// do not count: a 1 fills its own.
function fullness(piece, width) {
  const shares = TURNS.map((turn) => {
    const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
    const turned = (x, y) => [x * cos + y * sin, y * cos - x * sin];
    const sides = ranges(piece, (i) => turned(i % width, Math.floor(i / width)));
    const [short, long] = sides.map((side) => side + 1).sort((a, b) => a - b);
    return short >= long / 2 ? piece.length / (short * long) : 0;
  });
  return Math.max(...shares);
}

// The connected pieces of a mask, as indices; pixels that meet at a corner are connected.
function pieces_of(mask, width) {
  const left = mask.slice(), pieces = [];
  left.forEach((_, start) => {
    if (!left[start]) return;
    const piece = [start];
    left[start] = 0;
    for (const at of piece) // it grows as it is read
      for (const dy of [-width, 0, width])
        for (const dx of [-1, 0, 1]) {
          const next = at + dy + dx, is_beside = Math.abs((next % width) - (at % width)) <= 1;
          if (!is_beside || !left[next]) continue;
          left[next] = 0;
          piece.push(next);
        }
    pieces.push(piece);
  });
  return pieces;
}

// Whether a piece touches the border as a table or a line does: at two sides, or at one by more than
// the end of a stroke.
function lies_at_border(piece, width, height) {
  const is_at = [
    (i) => i < width,
    (i) => i >= width * (height - 1),
    (i) => i % width === 0,
    (i) => i % width === width - 1,
  ];
  const touching = is_at.map((is_at) => piece.filter(is_at).length).filter(Boolean);
  const { wide, high } = box_of(piece, width), total = touching.reduce((a, b) => a + b, 0);
  return touching.length > 1 || total > SLIGHTLY * Math.max(wide, high);
}

// A mask of all pixels within a distance of a piece, along each axis.
function grown(piece, by, width, height) {
  const across = new Uint8Array(width * height), mask = new Uint8Array(width * height);
  for (const i of piece) {
    const first = i - (i % width), x = i % width;
    across.fill(1, first + Math.max(x - by, 0), first + Math.min(x + by, width - 1) + 1);
  }
  across.forEach((value, i) => {
    if (!value) return;
    const y = Math.floor(i / width), last = Math.min(y + by, height - 1);
    for (let row = Math.max(y - by, 0); row <= last; row++) mask[row * width + (i % width)] = 1;
  });
  return mask;
}

// Halves to even, as in Python.
const rounded = (value) => (value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));

// Of the paper's noise, from the median; drawings have none, and get half a grey.
const deviation = (apart) => Math.max(1.4826 * median(apart.map(Math.abs)), 0.5);
export const median = (values) => quantile(values, 0.5);

function quantile(values, share) {
  const sorted = Float64Array.from(values).sort(), at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at - Math.floor(at));
}
