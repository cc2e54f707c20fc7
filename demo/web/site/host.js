// What a gr.HTML gives to the script of its part, for a page without Gradio.
export class Host {
  #watching = [];

  // on: a function for each event that the part may trigger, by name.
  constructor(element, value, on = {}) {
    this.element = element;
    this.props = { value };
    this.trigger = (event) => on[event]();
    this.watch = (_, changed) => this.#watching.push(changed);
  }

  give(value) {
    this.props.value = value;
    this.#watching.forEach((changed) => changed());
  }
}
