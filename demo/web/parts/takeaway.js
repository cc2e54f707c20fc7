// Take it away: files of the run, texts that make the same picture again, and the settings in a
// file that is dropped on the page.

import { copied, download, link_to, title_of } from "../files.js";
import { make } from "../make.js";
import { opened } from "../opened.js";
import { command, python } from "../reproduce.js";
import { reason } from "../runs.js";

const MAX_FILE = 4e6; // bytes

// element: holds the markup of takeaway.html.
export function mount(element, { store, engine, tab, about }) {
  const $ = (selector) => element.querySelector(selector);

  // What is chosen

  const choice = (format, i) => {
    const input = { type: "radio", name: "format", value: format, checked: i === 0 };
    return make("label", {}, make("input", input), title_of(format));
  };

  const chosen = () => ({
    format: $("[name=format]:checked").value,
    show: $(".show").value,
    scale: $(".scale").value ? Number($(".scale").value) : null,
    frame_ms: Number($(".speed").value),
  });

  // Sets a choice; a file may say what is not offered.
  function set(select, value, text) {
    const is_known = [...select.options].some((option) => option.value === `${value}`);
    if (!is_known) select.append(make("option", { value }, text));
    select.value = value;
  }

  function set_choices({ format, show, scale, frame_ms }) {
    const radio = $(`[name=format][value="${format}"]`);
    if (radio) radio.checked = true;
    $(".show").value = show;
    set($(".scale"), scale ?? "", `${28 * scale} pixels`);
    set($(".speed"), frame_ms, `${frame_ms} ms a step`);
    changed();
  }

  function changed() {
    $(".speed").disabled = chosen().format === "strip"; // it stands still
    write_texts();
  }

  // Texts

  function write_texts() {
    if (!$("details").open || !store.run) return;
    const { settings, name } = store.run;
    $("#take-link").value = link_to(settings);
    $("#take-python").value = python(settings, name, about);
    $("#take-command").value = command(settings, name, chosen());
    $(".copied").textContent = "";
  }

  async function copy(button) {
    const field = $(`#${button.dataset.copy}`);
    const is_copied = await copied(field.value);
    if (!is_copied) field.select();
    $(".copied").textContent = is_copied ? "Copied." : "It is selected: copy it by hand.";
  }

  // A file that is opened

  async function open(file) {
    const say = (text) => ($(".opened").textContent = text);
    if (file.size > MAX_FILE)
      return say(`${file.name} is too large: a file may have ${MAX_FILE / 1e6} MB at most.`);
    say(`Looking into ${file.name}…`);
    try {
      const { tab: made_on, settings, show, said } = await opened(engine, about, file);
      if (made_on !== "watch")
        return say(`${file.name} was made on the tab ${made_on}, and can be made again only there.`);
      say(said);
      set_choices(show);
      tab.draw(settings);
    } catch (error) {
      say(reason(error));
    }
  }

  // What the person does

  $(".choices").append(...engine.formats.denoise.filter((format) => format !== "png").map(choice));
  $(".file").addEventListener("change", changed);
  $(".file").addEventListener("submit", (event) => {
    event.preventDefault();
    const say = (...said) => $(".made").replaceChildren(...said);
    download(engine, store.run.settings, chosen(), say);
  });
  $("details").addEventListener("toggle", write_texts);
  for (const button of element.querySelectorAll("[data-copy]"))
    button.addEventListener("click", () => copy(button));
  $(".open input").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) open(file);
    event.target.value = ""; // the same file may be chosen again
  });

  // A file may be dropped anywhere on this tab: the browser would leave the page for it.
  const drag = (event) => {
    if (!event.dataTransfer?.types.includes("Files") || !element.checkVisibility()) return;
    event.preventDefault();
    const is_over = event.type === "dragover" || event.type === "dragenter";
    $(".takeaway").toggleAttribute("data-over", is_over);
    if (event.type === "drop" && event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
  };
  const events = ["dragenter", "dragover", "dragleave", "drop"];
  for (const event of events) document.addEventListener(event, drag);
  const end = store.subscribe(["run"], write_texts);
  return () => {
    end();
    for (const event of events) document.removeEventListener(event, drag);
  };
}
