// The easel: a digit drawn by hand, or a picture, that a run starts from. When the pen is lifted,
// the engine says how MNIST would have it, and what the VAE makes of it.

import { make } from "../make.js";
import { SIDE, bytes_of, image_data, text_of } from "../pictures.js";
import { reason } from "../runs.js";

const PEN = 26; // width of its line on the board, of 336: about as bold as MNIST, when it is scaled
const RUBBER = 2.2; // radius, in pixels of the picture
const LARGEST = 512; // side of a picture that is looked at; a photograph is made smaller here
const TASKS = {
  pen: "Draw a digit, white on black, or choose a picture or photograph of one.",
  rubber: "Rub out what is to be redrawn, by hand or by half; the rest stays.",
};
const EMPTY = "Nothing is drawn yet: draw a digit, or choose a picture.";
const WHOLE = "Nothing is rubbed out yet: rub out the part to be redrawn.";
const NO_PICTURE = "This file is no picture that the browser can read: take a PNG, JPEG or WebP.";
const IS_IN = {
  top: (i) => i < (SIDE * SIDE) / 2,
  bottom: (i) => i >= (SIDE * SIDE) / 2,
  left: (i) => i % SIDE < SIDE / 2,
  right: (i) => i % SIDE >= SIDE / 2,
};

// element: holds the markup of draw.html. What is drawn outlives it in the store: `seen` is what
// `engine.look` says of it, {} while nothing is drawn, and `easel` {way, drawing, kept, ...}.
// drawing: what the board shows, a canvas; the next line begins a new one where `is_fresh`. kept:
// greys (28, 28), 0 where it is rubbed out.
export function mount(element, { store, engine, tab }) {
  const $ = (selector) => element.querySelector(selector);
  const root = $(".easel"), canvas = $("canvas"), pen = canvas.getContext("2d");
  const scale = canvas.width / SIDE;
  const easel = (store.easel ??= { is_new: true, way: "reimagine", kept: whole() });
  store.seen ??= {};
  let asked = 0; // only the answer to the newest look counts
  let last = null; // where the line has come to

  const is_rubber = () => easel.way === "complete";

  // The board

  function repaint() {
    Object.assign(pen, { globalAlpha: 1, fillStyle: "#000" });
    pen.fillRect(0, 0, canvas.width, canvas.height);
    const shown = is_rubber() ? store.seen.digit && plane(store.seen.digit) : easel.drawing;
    if (shown) {
      const by = canvas.width / Math.max(shown.width, shown.height);
      const [width, height] = [shown.width * by, shown.height * by];
      pen.imageSmoothingEnabled = shown.width > SIDE;
      pen.drawImage(shown, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
    }
    if (!is_rubber()) return;
    pen.fillStyle = "#ff7a4a";
    easel.kept.forEach((value, i) => {
      const [x, y] = [i % SIDE, Math.floor(i / SIDE)];
      pen.globalAlpha = value ? 0 : (i + y) % 2 ? 0.55 : 0.7;
      pen.fillRect(x * scale, y * scale, scale, scale);
    });
  }

  function line(from, to) {
    if (is_rubber()) return rub(from, to);
    Object.assign(pen, { globalAlpha: 1, strokeStyle: "#fff", lineWidth: PEN, lineCap: "round" });
    pen.beginPath();
    pen.moveTo(from.x, from.y);
    pen.lineTo(to.x, to.y + 0.01); // a dot is a line, too
    pen.stroke();
  }

  function rub(from, to) {
    const parts = Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / scale) || 1;
    for (let part = 0; part <= parts; part++) {
      const at = (axis) => (from[axis] + ((to[axis] - from[axis]) * part) / parts) / scale - 0.5;
      const far = (i) => Math.hypot((i % SIDE) - at("x"), Math.floor(i / SIDE) - at("y"));
      easel.kept.forEach((_, i) => far(i) < RUBBER && (easel.kept[i] = 0));
    }
    repaint();
  }

  const at = ({ clientX, clientY }) => {
    const { left, top, width } = canvas.getBoundingClientRect(), by = canvas.width / width;
    return { x: (clientX - left) * by, y: (clientY - top) * by };
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || last) return;
    canvas.setPointerCapture(event.pointerId);
    if (!is_rubber() && easel.is_fresh) {
      easel.drawing = null;
      repaint();
    }
    easel.is_new = false;
    last = at(event);
    line(last, last);
  });
  canvas.addEventListener("pointermove", (event) => {
    for (const one of last ? (event.getCoalescedEvents?.() ?? [event]) : []) {
      line(last, at(one));
      last = at(one);
    }
  });
  for (const name of ["pointerup", "pointercancel"])
    canvas.addEventListener(name, () => {
      if (!last) return;
      last = null;
      if (is_rubber()) return tell();
      easel.is_fresh = false;
      easel.drawing = copy_of(canvas, canvas.width, canvas.height);
      look(canvas.toDataURL("image/png"));
    });

  // Halves, for people without mouse and finger, too
  $(".halves").addEventListener("click", ({ target: { dataset } }) => {
    const is_in = IS_IN[dataset.half];
    if (!is_in) return;
    easel.kept = easel.kept.map((_, i) => (is_in(i) ? 0 : 255));
    tell();
  });

  $(".clear").addEventListener("click", () => {
    easel.kept = whole();
    if (!is_rubber()) {
      asked += 1;
      Object.assign(easel, { is_new: false, drawing: null });
      store.set({ seen: {} });
    }
    tell();
  });

  // A picture or photograph

  $(".choose input").addEventListener("change", ({ target }) => {
    if (target.files[0]) take(target.files[0]);
    target.value = ""; // the same file may be chosen again
  });
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });

  async function take(file) {
    const image = await createImageBitmap(file).catch(() => null);
    if (!image) return say(NO_PICTURE);
    const count = await count_of(file).catch(() => 1);
    if (count > 1) return say(`${file.name} holds ${count} pictures: save one of them.`);
    const by = Math.min(1, LARGEST / Math.max(image.width, image.height));
    const [width, height] = [image.width, image.height].map((side) => Math.round(side * by) || 1);
    easel.drawing = copy_of(image, width, height);
    Object.assign(easel, { is_new: false, is_fresh: true });
    repaint();
    look(easel.drawing.toDataURL("image/png"));
  }

  // What the engine sees

  async function look(data) {
    const mine = ++asked;
    let wrong = "";
    const seen = await engine.look(data).catch((error) => {
      wrong = reason(error);
      return {};
    });
    if (mine !== asked) return;
    easel.kept = whole();
    store.set({ seen });
    tell(wrong);
  }

  // Show what there is, and put it into the request.
  function tell(wrong = "") {
    const { way } = easel, { digit } = store.seen;
    const own = {
      reimagine: { invert: null },
      complete: { strength: null, invert: null, mask: text_of(easel.kept) },
      edit: { strength: null, sampler: "ddim" }, // which is what inversion undoes
    };
    store.set({ own: { start_from: digit ? text_of(digit) : "", ...own[way] } });
    Object.assign(root.dataset, { way, tool: is_rubber() ? "rubber" : "pen" });
    for (const input of element.querySelectorAll(".ways input")) {
      input.checked = input.value === way;
      input.parentElement.classList.toggle("selected", input.checked);
    }
    $(".task").textContent = TASKS[root.dataset.tool];
    $(".clear").textContent = is_rubber() ? "Keep all" : "Clear";
    canvas.setAttribute("aria-label", `Board: ${TASKS[root.dataset.tool]}`);
    say(wrong);
    repaint();
  }

  const say = (text) => ($(".wrong").textContent = text);

  // Why the request is not sent; beside the board it is said when Generate is pressed.
  function check(is_pressed) {
    const wrong = !store.seen.digit
      ? $(".wrong").textContent || EMPTY
      : is_rubber() && easel.kept.every(Boolean) && WHOLE;
    if (is_pressed) say(wrong || "");
    return wrong || null;
  }

  $(".ways").addEventListener("change", ({ target }) => {
    easel.way = target.value;
    tell();
  });
  // The digit that the tab opens with, unless somebody was quicker.
  function begin() {
    const { digit, latent, back, error } = store.example ?? {};
    if (!digit || !easel.is_new) return;
    const seen = { digit: bytes_of(digit), latent: bytes_of(latent), back: bytes_of(back), error };
    store.set({ seen });
    Object.assign(easel, { is_new: false, drawing: plane(store.seen.digit), is_fresh: true });
    tell();
  }

  tell();
  begin();
  tab.checks.add(check);
  const end = store.subscribe(["example"], begin);
  return () => {
    tab.checks.delete(check);
    end();
  };
}

const whole = () => new Uint8Array(SIDE * SIDE).fill(255);

function copy_of(image, width, height) {
  const canvas = make("canvas", { width, height }), pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(image, 0, 0, width, height);
  return canvas;
}

// Greys (28, 28) as a canvas.
function plane(greys) {
  const canvas = make("canvas", { width: SIDE, height: SIDE });
  canvas.getContext("2d").putImageData(image_data(greys), 0, 0);
  return canvas;
}

// How many pictures a file holds, as far as the browser tells. Of an animation, `createImageBitmap`
// takes the first, which in ours is noise.
async function count_of(file) {
  if (!(await globalThis.ImageDecoder?.isTypeSupported(file.type))) return 1;
  const { tracks } = new ImageDecoder({ data: await file.arrayBuffer(), type: file.type });
  await tracks.ready;
  return tracks.selectedTrack.frameCount;
}
