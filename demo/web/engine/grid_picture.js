// The labelled picture of a grid; as in demo/grid_picture.py, with this browser's letters.

import { PICTURE_SIDE as SIDE } from "./config.js";

const GAP = 2; // pixels
const WIDTH = 800; // about what a large grid is wide; a small one is enlarged four times at most
const FONT = "13px sans-serif", LINE = 17, LINES = 3; // of a title, at most
const MARGIN = 8;
const SIDE_WIDTH = 120; // of the titles beside the rows, at most

// A plane {greys, width, height} for each frame, a list of the greys of all cells, row by row.
// across, down: titles of columns and rows; down is null for one row.
export function grid_frames(frames, { title, across, down }) {
  const scale = Math.max(1, Math.min(4, Math.floor(WIDTH / (across.length * (SIDE + GAP)))));
  const pitch = (SIDE + GAP) * scale, side = SIDE * scale;
  const pen = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  pen.font = FONT;
  const over = across.map((text) => wrapped(pen, text, pitch - 4));
  const beside = (down ?? []).map((text) => wrapped(pen, text, SIDE_WIDTH));
  const wide = (lines) => Math.max(...lines.map((line) => pen.measureText(line).width));
  const left = MARGIN + (down ? Math.ceil(Math.max(...beside.map(wide))) + MARGIN : 0);
  const top = MARGIN + LINE * (1 + Math.max(...over.map(({ length }) => length))) + MARGIN;
  const rows = frames[0].length / across.length;
  const width = Math.max(left + across.length * pitch, Math.ceil(wide([title])) + MARGIN) + MARGIN;
  const height = top + rows * pitch + MARGIN;
  Object.assign(pen.canvas, { width, height });
  pen.fillRect(0, 0, width, height);
  const write = (text, x, y, align, shade = "#fff") => {
    Object.assign(pen, { font: FONT, textAlign: align, textBaseline: "middle", fillStyle: shade });
    pen.fillText(text, x, y);
  };
  write(title, MARGIN, MARGIN + LINE / 2, "left", "#aaa");
  over.forEach((lines, column) =>
    lines.forEach((line, i) => {
      const below = lines.length - 1 - i;
      write(line, left + column * pitch + side / 2, top - 12 - below * LINE, "center");
    }),
  );
  beside.forEach((lines, row) =>
    lines.forEach((line, i) => {
      const y = top + row * pitch + side / 2 + (i - (lines.length - 1) / 2) * LINE;
      write(line, left - MARGIN, y, "right");
    }),
  );
  const canvas = pen.getImageData(0, 0, width, height).data.filter((_, i) => i % 4 === 0);
  return frames.map((cells) => {
    const greys = new Uint8Array(canvas);
    cells.forEach((cell, i) => {
      const x = left + (i % across.length) * pitch;
      const y = top + Math.floor(i / across.length) * pitch;
      for (let at = 0; at < side * side; at++) {
        const [row, column] = [Math.floor(at / side), at % side];
        const from = Math.floor(row / scale) * SIDE + Math.floor(column / scale);
        greys[(y + row) * width + x + column] = cell[from];
      }
    });
    return { greys, width, height };
  });
}

// Lines of a title; what does not fit is cut off.
function wrapped(pen, text, width) {
  const fits = (line) => pen.measureText(line).width <= width, lines = [""];
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (!lines.at(-1) || fits(longer)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  const few = lines.slice(0, LINES - 1), rest = lines.slice(LINES - 1).join(" ");
  return [...few, ...(rest ? [rest] : [])].map((line) => {
    while (line.length > 1 && !fits(line)) line = `${line.replace(/…$/, "").slice(0, -1)}…`;
    return line;
  });
}
