// Questions that a grid answers: each sets the axes and draws it.

const WHAT = "A grid of pictures that differ in two values, all else the same.";
const AXES = ["across", "across_values", "down", "down_values"];

// element: holds the markup of questions.html.
export function mount(element, { store, tab, about }) {
  const lesson = element.querySelector(".lesson");
  let told = ""; // the axes of the question that is told

  const axes = () => JSON.stringify(AXES.map((name) => store.controls[name]));

  function tell(title, text) {
    const bold = Object.assign(document.createElement("b"), { textContent: title });
    lesson.replaceChildren(...(title ? [bold, " "] : []), text);
    told = axes();
  }

  const buttons = about.lessons.map(([title, text, ...values]) => {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.textContent = title;
    button.addEventListener("click", () => {
      tab.set(Object.fromEntries(AXES.map((name, i) => [name, values[i]])));
      tell(title, text);
      tab.runs.start(tab.request);
    });
    return button;
  });
  element.querySelector(".questions").replaceChildren(...buttons);
  const [first] = about.lessons;
  tell(...(store.moved ? ["", WHAT] : first));
  // What a question says is not true of other axes.
  return store.subscribe(["controls"], () => told !== axes() && tell("", WHAT));
}
