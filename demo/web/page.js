() => {
  // Gradio names each radio differently, so that arrow keys do not move between them, and leaves
  // their group without a name.
  const keypad = document.querySelector("#label");
  keypad.setAttribute("role", "radiogroup");
  keypad.setAttribute("aria-label", "Label");
  keypad.querySelectorAll("input").forEach((input) => (input.name = "label"));

  window.promptField?.start();
  window.follower.start();
  document.querySelector("#seed input").addEventListener("keydown", (event) => {
    if (event.key === "Enter") document.querySelector("#generate").click();
  });

  document.body.toggleAttribute("data-ready", true);
}
