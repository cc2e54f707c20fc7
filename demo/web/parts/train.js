// How the model was trained: a page that Python writes.

import { reason } from "../runs.js";

export async function mount(element, { engine }) {
  const put = element.querySelector(".training-page");
  try {
    put.innerHTML = (await engine.data("training")).html;
  } catch (error) {
    put.textContent = reason(error);
  }
}
