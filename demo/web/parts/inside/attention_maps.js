// Maps of words, and their animation over the steps.

import { encode_apng } from "../../engine/apng.js";
import { glow } from "./heat.js";

const SIDE = 8; // of a map
const COLUMNS = 6; // of the animation
const PICTURE = 112; // pixels of its pictures, under each of which stands a line of text
const LINE = 16;
const TIMES = { frame_ms: 200, hold_ms: 1500 };

// Of each word its map (8 x 8), as shares of the largest number of all of them. cross: how much each
// position takes of each word (steps, 64, words). pass: of the network; null for the mean of all.
export function maps_of({ shape: [steps, positions, count], data }, pass) {
  const passes = pass === null ? Array.from({ length: steps }, (_, i) => i) : [pass];
  const taken = (word, i) =>
    passes.reduce((sum, step) => sum + data[(step * positions + i) * count + word], 0);
  const maps = Array.from({ length: count }, (_, word) =>
    Float32Array.from({ length: positions }, (_, i) => taken(word, i)),
  );
  const most = Math.max(...maps.map((map) => Math.max(...map)));
  return maps.map((map) => map.map((x) => x / most));
}

// The maps of all words over the steps, as an animated PNG. greys: the picture of each step.
export function animation({ words, cross }, greys) {
  const rows = Math.ceil(words.length / COLUMNS);
  const canvas = new OffscreenCanvas(COLUMNS * PICTURE, rows * (PICTURE + LINE));
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const one = document.createElement("canvas");
  Object.assign(pen, { imageSmoothingEnabled: false, font: "12px sans-serif" });
  const frames = greys.map((picture, pass) => {
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.fillStyle = "#fff";
    maps_of(cross, pass).forEach((map, i) => {
      const [x, y] = [(i % COLUMNS) * PICTURE, Math.floor(i / COLUMNS) * (PICTURE + LINE)];
      glow(one, picture, map, SIDE);
      pen.drawImage(one, x, y, PICTURE, PICTURE);
      pen.fillText(words[i], x + 4, y + PICTURE + 12);
    });
    return pen.getImageData(0, 0, canvas.width, canvas.height);
  });
  return encode_apng(frames, TIMES);
}
