// What the VAE makes of the digit on the easel: as MNIST would have it, its latent, and the way
// back.

import { address } from "../pictures.js";

// element: holds the markup of seen.html.
export function mount(element, { store }) {
  function show() {
    const { error, ...pictures } = store.seen ?? {};
    for (const name of ["digit", "latent", "back"]) {
      const image = element.querySelector(`.${name}`);
      if (pictures[name]) image.src = address(pictures[name]);
      else image.removeAttribute("src");
    }
    const off = `; decoded, it is off by ${error} grey levels of 255 on average`;
    element.querySelector(".error").textContent = error === undefined ? "" : off;
  }

  show();
  return store.subscribe(["seen"], show);
}
