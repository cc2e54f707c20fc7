// What the parts of the page under the player of Watch share: the run that it shows, and a way to
// start another. In the head of the page, to hear of the first run, too.
(() => {
  // On an element inside of #stage, "run-shown" says that the player shows another run: its detail
  // has the settings of the run, and its name for files.
  document.addEventListener("run-shown", ({ target, detail }) => {
    if (!target.closest?.("#stage")) return; // it is the player of another tab
    window.shownRun = detail;
    document.dispatchEvent(new Event("run-changed"));
  });

  // Presses Generate, when the run before is over, and brings the player into view.
  const stillness = matchMedia("(prefers-reduced-motion: reduce)");
  window.generateNext = () => {
    const generate = () => document.querySelector("#generate")?.click();
    const behavior = stillness.matches ? "auto" : "smooth";
    document.querySelector("#stage")?.scrollIntoView({ block: "nearest", behavior });
    if (!document.body.hasAttribute("data-busy")) return generate();
    new MutationObserver((_, observer) => {
      if (document.body.hasAttribute("data-busy")) return;
      observer.disconnect();
      generate();
    }).observe(document.body, { attributeFilter: ["data-busy"] });
  };

  // Are two requests the same but for their seeds?
  window.sameButSeed = (one, other) => {
    const text = (settings) => JSON.stringify({ ...settings, seed: 0 });
    return text(one) === text(other);
  };
})();
