() => {
  // Gradio names each radio differently, so that arrow keys do not move between them, and leaves
  // their group without a name.
  const group = (keys) => {
    const inputs = keys.querySelectorAll("input");
    if (!inputs.length) return;
    keys.setAttribute("role", "radiogroup");
    keys.setAttribute("aria-label", keys.querySelector("[data-testid=block-info]").textContent.trim());
    inputs.forEach((input) => (input.name = keys.id));
  };
  // How high the stage is that stays on top on a phone: what the focus goes to comes under it.
  const stages = new Set();
  const measure = new ResizeObserver(() => {
    const height = Math.max(...[...stages].map((stage) => stage.offsetHeight));
    document.documentElement.style.setProperty("--stage-height", `${height}px`);
  });
  // A finger that scrolls the page may land on a slider, which then goes to where it is; it goes back
  // when the browser says that the finger scrolls.
  let touched = null;
  document.addEventListener("pointerdown", ({ target, pointerType }) => {
    const isSlider = pointerType === "touch" && target.matches("[type=range]");
    touched = isSlider ? { slider: target, value: target.value } : null;
  }, { capture: true });
  document.addEventListener("pointercancel", () => {
    if (!touched || touched.slider.value === touched.value) return;
    touched.slider.value = touched.value;
    touched.slider.dispatchEvent(new Event("input", { bubbles: true }));
    touched.slider.dispatchEvent(new Event("change", { bubbles: true }));
  }, { capture: true });
  // A tab is put in when it is opened for the first time.
  const take = () => {
    document.querySelectorAll(":is(#label, .keys):not([role])").forEach(group);
    for (const stage of document.querySelectorAll("#stage, .stage")) {
      if (!stages.has(stage)) measure.observe(stage);
      stages.add(stage);
    }
  };
  new MutationObserver(take).observe(document.body, { childList: true, subtree: true });
  take();

  window.promptField?.start();
  window.follower.start();
  document.querySelector("#seed input").addEventListener("keydown", (event) => {
    if (event.key === "Enter") document.querySelector("#generate").click();
  });

  document.body.toggleAttribute("data-ready", true);
}
