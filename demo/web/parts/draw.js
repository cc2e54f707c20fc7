// The easel: `easel` brings the markup of easel.html to life. This is a module without imports, so
// that a page can take it in as a plain script too. The server sees the drawing when the pen is
// lifted, and answers how MNIST would have it.

const SIDE = 28; // of a picture of MNIST
const PEN = 26; // width of its line on the board, of 336: about as bold as MNIST, when it is scaled
const RUBBER = 2.2; // radius, in pixels of the picture
const LARGEST = 512; // side of a picture that is sent; a photograph is made smaller here
const TASKS = {
  pen: "Draw a digit, white on black, or choose a picture or photograph of one.",
  rubber: "Rub out what is to be drawn anew, by hand or by half; the rest stays.",
};

// element: holds the markup. props.value: what `_look` in demo/tabs/draw.py answers, for the digit
// with which it opens. server.look(picture): the same for a picture, a data URI.
// Returns what the page calls: `given()`, {digit, mask}, and `go(way)` when another way is chosen.
export function easel({ element, props, server }) {
  const $ = (selector) => element.querySelector(selector);
  const root = $(".easel");
  const canvas = $("canvas");
  const pen = canvas.getContext("2d");
  const scale = canvas.width / SIDE;

  let digit = null; // its 784 greys in base64; null while nothing is drawn
  let picture = null; // the same as an image, to be rubbed out
  let drawing = null; // what the board shows while the pen is used, as an image or a canvas
  let kept = new Uint8Array(SIDE * SIDE).fill(255);
  let isFresh = true; // the next line begins a new drawing
  let asked = 0; // looks at the server; only the answer to the newest counts
  let last = null; // where the line has come to

  const isRubber = () => root.dataset.tool === "rubber";

  // What is on the board

  function repaint() {
    pen.globalAlpha = 1;
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.imageSmoothingEnabled = !isRubber();
    const shown = isRubber() ? picture : drawing;
    if (shown) fit(shown);
    if (isRubber()) paintRubbed();
  }

  function fit(image) {
    const by = canvas.width / Math.max(image.width, image.height);
    const [width, height] = [image.width * by, image.height * by];
    pen.imageSmoothingEnabled = image.width > SIDE;
    pen.drawImage(image, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
  }

  function paintRubbed() {
    pen.fillStyle = "#ff7a4a";
    kept.forEach((value, i) => {
      if (value) return;
      pen.globalAlpha = (i + Math.floor(i / SIDE)) % 2 ? 0.55 : 0.7;
      pen.fillRect((i % SIDE) * scale, Math.floor(i / SIDE) * scale, scale, scale);
    });
    pen.globalAlpha = 1;
  }

  function keepDrawing() {
    drawing = document.createElement("canvas");
    drawing.width = drawing.height = canvas.width;
    drawing.getContext("2d").drawImage(canvas, 0, 0);
  }

  // Mouse and finger

  const at = (event) => {
    const { left, top, width } = canvas.getBoundingClientRect();
    const by = canvas.width / width;
    return { x: (event.clientX - left) * by, y: (event.clientY - top) * by };
  };

  function line(from, to) {
    if (isRubber()) return rub(from, to);
    Object.assign(pen, { strokeStyle: "#fff", lineWidth: PEN, lineCap: "round" });
    pen.beginPath();
    pen.moveTo(from.x, from.y);
    pen.lineTo(to.x, to.y + 0.01); // a dot is a line, too
    pen.stroke();
  }

  function rub(from, to) {
    const parts = Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / scale) || 1;
    for (let part = 0; part <= parts; part++) {
      const x = (from.x + ((to.x - from.x) * part) / parts) / scale;
      const y = (from.y + ((to.y - from.y) * part) / parts) / scale;
      for (let i = 0; i < kept.length; i++) {
        const far = Math.hypot((i % SIDE) + 0.5 - x, Math.floor(i / SIDE) + 0.5 - y);
        if (far < RUBBER) kept[i] = 0;
      }
    }
    repaint();
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || last) return;
    canvas.setPointerCapture(event.pointerId);
    if (!isRubber() && isFresh) {
      drawing = null;
      repaint();
    }
    isFresh = false;
    last = at(event);
    line(last, last);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) {
      const next = at(one);
      line(last, next);
      last = next;
    }
  });
  for (const name of ["pointerup", "pointercancel"])
    canvas.addEventListener(name, () => {
      if (!last) return;
      last = null;
      if (isRubber()) return;
      keepDrawing();
      look(canvas.toDataURL("image/png"));
    });

  // Halves, for people without mouse and finger, too
  $(".halves").addEventListener("click", ({ target: { dataset } }) => {
    const half = SIDE / 2;
    const isIn = {
      top: (x, y) => y < half,
      bottom: (x, y) => y >= half,
      left: (x) => x < half,
      right: (x) => x >= half,
    }[dataset.half];
    if (!isIn) return;
    kept = kept.map((_, i) => (isIn(i % SIDE, Math.floor(i / SIDE)) ? 0 : 255));
    say("");
    repaint();
  });

  $(".clear").addEventListener("click", () => {
    say("");
    kept.fill(255);
    if (!isRubber()) {
      asked += 1;
      drawing = picture = digit = null;
      showSeen({});
    }
    repaint();
  });

  // A picture or photograph

  $(".choose input").addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = ""; // the same file may be chosen again
    if (file) take(file);
  });
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    const [file] = event.dataTransfer.files;
    if (file) take(file);
  });

  async function take(file) {
    let image;
    try {
      image = await createImageBitmap(file);
    } catch {
      return say("This file is no picture that the browser can read: take a PNG, JPEG or WebP.");
    }
    const by = Math.min(1, LARGEST / Math.max(image.width, image.height));
    const small = document.createElement("canvas");
    small.width = Math.max(1, Math.round(image.width * by));
    small.height = Math.max(1, Math.round(image.height * by));
    const paper = small.getContext("2d");
    paper.imageSmoothingQuality = "high";
    paper.drawImage(image, 0, 0, small.width, small.height);
    drawing = small;
    isFresh = true;
    kept.fill(255);
    await look(small.toDataURL("image/png"));
    repaint();
  }

  // What the server sees

  async function look(data) {
    const mine = ++asked;
    let answer;
    try {
      answer = await server.look(data);
    } catch {
      answer = { refused: "The server does not answer. Draw on, or try again in a minute." };
    }
    if (mine === asked) await receive(answer);
  }

  async function receive(answer) {
    say(answer.refused ?? "");
    kept = new Uint8Array(SIDE * SIDE).fill(255);
    digit = answer.digit ?? null;
    picture = digit && (await loaded(answer.picture));
    showSeen(answer);
    if (isRubber()) repaint();
  }

  function showSeen({ picture, latent = [], back, error }) {
    const put = (image, src) => (src ? (image.src = src) : image.removeAttribute("src"));
    put($(".digit"), picture);
    put($(".back"), back);
    element.querySelectorAll(".channels img").forEach((image, i) => put(image, latent[i]));
    $(".error").textContent =
      error === undefined ? "" : `; decoded, it is off by ${error} grey levels of 255 on average`;
    root.toggleAttribute("data-empty", !picture);
  }

  const loaded = (src) =>
    new Promise((done) => {
      const image = new Image();
      image.onload = () => done(image);
      image.src = src;
    });

  function say(text) {
    $(".wrong").textContent = text;
  }

  // What the page calls

  function go(way) {
    root.dataset.way = way;
    root.dataset.tool = way === "complete" ? "rubber" : "pen";
    $(".task").textContent = TASKS[root.dataset.tool];
    $(".clear").textContent = isRubber() ? "Keep all" : "Clear";
    canvas.setAttribute("aria-label", `Board: ${TASKS[root.dataset.tool]}`);
    say("");
    repaint();
  }

  // Nothing is sent that would be refused; the reason stands beside the board.
  window.addEventListener(
    "click",
    (event) => {
      if (!event.target.closest?.("#draw-generate")) return;
      const isWhole = isRubber() && kept.every(Boolean);
      const wrong = !digit
        ? $(".wrong").textContent || "Nothing is drawn yet: draw a digit, or choose a picture."
        : isWhole && "Nothing is rubbed out yet: rub out what is to be drawn anew.";
      say(wrong || "");
      if (!wrong) return;
      event.stopImmediatePropagation();
      document.dispatchEvent(new CustomEvent("run-refused", { detail: wrong }));
    },
    { capture: true },
  );

  const given = () => ({
    digit,
    mask: isRubber() ? btoa(String.fromCharCode(...kept)) : null,
  });

  go("reimagine");
  receive(props.value).then(() => {
    drawing = picture;
    repaint();
  });
  return { given, go };
}
