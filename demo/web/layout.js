// What both pages need around their parts: on a phone, and for people without a mouse.

export function lay_out() {
  // How high the stage is that stays on top on a phone: what the focus goes to comes under it.
  const measure = new ResizeObserver((entries) => {
    const height = Math.max(...entries.map(({ target }) => target.offsetHeight));
    if (height) document.documentElement.style.setProperty("--stage-height", `${height}px`);
  });
  // A finger that scrolls the page may land on a slider, which then goes to where it is; it goes
  // back when the browser says that the finger scrolls.
  let touched = null;
  const on_down = ({ target, pointerType }) => {
    const is_slider = pointerType === "touch" && target.matches("[type=range]");
    touched = is_slider ? { slider: target, value: target.value } : null;
  };
  const on_cancel = () => {
    if (!touched || touched.slider.value === touched.value) return;
    touched.slider.value = touched.value;
    for (const name of ["input", "change"])
      touched.slider.dispatchEvent(new Event(name, { bubbles: true }));
  };
  document.addEventListener("pointerdown", on_down, { capture: true });
  document.addEventListener("pointercancel", on_cancel, { capture: true });
  // What is folded away: Gradio's own fold takes it out of the page, and tells nobody.
  document.addEventListener("click", ({ target }) => {
    const fold = target.closest?.(".fold");
    if (fold) open_fold(fold, fold.getAttribute("aria-expanded") !== "true");
  });
  return (stage) => stage && measure.observe(stage);
}

export function open_fold(fold, is_open) {
  fold.setAttribute("aria-expanded", is_open);
  fold.parentElement.querySelector(".more-settings").toggleAttribute("data-open", is_open);
}
