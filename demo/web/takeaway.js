// Files to take away, texts that make the same picture again, and the settings in a file that is
// dropped on the page: `takeaway` brings the markup of takeaway.html to life. This is a module
// without imports.

const KINDS = { gif: "GIF", mp4: "MP4", webp: "WebP", apng: "APNG", strip: "PNG strip" };
const SIZES = { "": "As it fits", 4: "112 pixels", 8: "224 pixels", 16: "448 pixels" };
const SPEEDS = { 40: "Fast", 80: "As in the player", 160: "Slow", 320: "Very slow" }; // ms a step
const MAX_FILE = 4e6; // bytes
const AT_FAULT = "Something went wrong on the server. Its log says what.";
const GONE = "The server does not answer. Try again in a minute.";

// element, props, trigger, watch: as of player.js. props.kinds: the kinds of files that the server
// writes. props.value: {file, name, bytes} of the newest file, null at first. trigger("submit")
// makes the file that `asked` returns; trigger("select") puts the settings that `chosen` returns
// into the controls. server: `texts` and `open_file` of demo/under_player.py. On the document,
// "file-failed" and before it "run-error" with the reason are heard, and "run-changed".
export function takeaway({ element, props, trigger, watch, server }) {
  const $ = (selector) => element.querySelector(selector);
  let chosen = null; // settings
  let making = false;
  let reason = null;
  let looks = 0; // questions to the server; only the answer to the newest counts

  // What is chosen

  function option(value, text) {
    const option = document.createElement("option");
    Object.assign(option, { value, textContent: text });
    return option;
  }

  function choice(kind, i) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "format", value: kind, checked: i === 0 });
    label.append(input, KINDS[kind]);
    return label;
  }

  const asked = () => ({
    settings: window.shownRun?.settings,
    format: $("[name=format]:checked").value,
    show: $(".show").value,
    scale: $(".scale").value ? Number($(".scale").value) : null,
    frame_ms: Number($(".speed").value),
  });

  // Sets a choice; what is not offered, a file may have said.
  function set(select, value, text) {
    if (![...select.options].some((option) => option.value === `${value}`)) {
      select.append(option(value, text));
    }
    select.value = `${value}`;
  }

  function setChoices({ format, show, scale, frame_ms }) {
    const radio = $(`[name=format][value="${format}"]`);
    if (radio) radio.checked = true;
    $(".show").value = show;
    set($(".scale"), scale ?? "", `${28 * scale} pixels`);
    set($(".speed"), frame_ms, `${frame_ms} ms a step`);
    changed();
  }

  function changed() {
    $(".speed").disabled = asked().format === "strip"; // it stands still
    writeTexts();
  }

  // Files

  function make(event) {
    event.preventDefault();
    if (making || !window.shownRun) return;
    reason = null;
    making = true;
    $(".made").textContent = "Drawing…";
    trigger("submit");
  }

  function offer({ file, name, bytes }) {
    const anchor = document.createElement("a");
    Object.assign(anchor, { href: file.url, download: name, textContent: name });
    $(".made").replaceChildren(anchor, ` ${size(bytes)}`);
    anchor.click();
  }

  const size = (bytes) =>
    bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

  // Texts

  async function writeTexts() {
    if (!$("details").open || !window.shownRun) return;
    const { settings } = window.shownRun;
    const look = ++looks;
    const query = new URLSearchParams(settings);
    $("#take-link").value = `${location.origin}${location.pathname}?${query}`;
    const answer = await ask("texts", asked());
    if (look !== looks) return;
    $("#take-python").value = answer.python ?? "";
    $("#take-command").value = answer.command ?? "";
    $(".copied").textContent = answer.refused ?? "";
  }

  async function ask(name, question) {
    try {
      return await server[name](question);
    } catch {
      return { refused: GONE };
    }
  }

  async function copy(button) {
    const field = $(`#${button.dataset.copy}`);
    try {
      await navigator.clipboard.writeText(field.value);
      $(".copied").textContent = "Copied.";
    } catch {
      field.select(); // no permission, as in a frame; or on http, where there is no clipboard
      $(".copied").textContent = "It is selected: copy it by hand.";
    }
  }

  // A file that is opened

  async function open(file) {
    const said = $(".opened");
    if (file.size > MAX_FILE) {
      said.textContent = `${file.name} is too large: a file may have ${MAX_FILE / 1e6} MB at most.`;
      return;
    }
    said.textContent = `Looking into ${file.name}…`;
    const answer = await ask("open_file", { name: file.name, data: await dataUri(file) });
    said.textContent = answer.refused ?? answer.said ?? AT_FAULT;
    if (!answer.settings) return;
    setChoices(answer.show);
    chosen = answer.settings;
    trigger("select");
  }

  const dataUri = (file) =>
    new Promise((done) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result);
      reader.readAsDataURL(file);
    });

  // What the person does

  $(".choices").append(...props.kinds.map(choice));
  $(".scale").append(...Object.entries(SIZES).map(([value, text]) => option(value, text)));
  $(".scale").value = "";
  $(".speed").append(...Object.entries(SPEEDS).map(([value, text]) => option(value, text)));
  $(".speed").value = 80;
  $(".file").addEventListener("change", changed);
  $(".file").addEventListener("submit", make);
  $("details").addEventListener("toggle", writeTexts);
  for (const button of element.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => copy(button));
  }
  $(".open input").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) open(file);
    event.target.value = ""; // the same file may be chosen again
  });

  // The listeners go with the markup: Gradio takes a tab away that is left, and makes it anew.
  const listen = (name, hear) => {
    document.addEventListener(name, function once(event) {
      if (element.isConnected) return hear(event);
      document.removeEventListener(name, once);
    });
  };
  // A file may be dropped wherever this tab is: the browser would leave the page for it.
  const isFile = (event) =>
    event.dataTransfer?.types.includes("Files") && element.checkVisibility();
  for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
    listen(name, (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      element.toggleAttribute("data-over", name === "dragover" || name === "dragenter");
      if (name === "drop" && event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
    });
  }
  let late = null; // while a slider is dragged, the run changes many times a second
  listen("run-changed", () => {
    clearTimeout(late);
    late = setTimeout(writeTexts, 200);
  });
  listen("run-error", ({ detail }) => (reason = detail));
  listen("file-failed", () => {
    making = false;
    $(".made").textContent = reason ?? AT_FAULT;
  });

  watch("value", () => {
    making = false;
    offer(props.value);
  });
  return { asked, chosen: () => chosen };
}
