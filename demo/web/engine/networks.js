// The networks in onnxruntime-web, as `LatentDiffusion` asks for them (see
// latent_diffusion.js): the graphs of ldm_core/runtime/onnx_networks.py and onnx_text.py.

import { IMAGE_SIDE, LATENT_SHAPE, LATENT_SIZE } from "./config.js";
import { unpacked } from "./unpacking.js";

const OPTIONS = { executionProviders: ["wasm"] };

export class Networks {
  #ort;
  #sessions = {};

  // ort: the module onnxruntime-web.
  constructor(ort) {
    this.#ort = ort;
  }

  // graphs: some of {prompt, unet, decoder, encoder, inside, student, student_prompt}, Uint8Arrays; what
  // they are not there for cannot be asked. `inside` comes with `unet`, in whose file its weights are.
  // Each keeps its memory until the worker ends.
  async add({ inside, ...graphs }) {
    const { create } = this.#ort.InferenceSession;
    if (inside) {
      const externalData = [{ path: "unet.onnx", data: unpacked(graphs.unet) }];
      this.#sessions.inside ??= await create(unpacked(inside), { ...OPTIONS, externalData });
    }
    for (const [name, graph] of Object.entries(graphs)) // at once they would take more memory
      this.#sessions[name] ??= await create(unpacked(graph), OPTIONS);
  }

  // rows, amounts: of N prompts. is_student: for the student.
  context(rows, amounts, is_student = false) {
    const prompt = this.#sessions[is_student ? "student_prompt" : "prompt"];
    const places = prompt.inputMetadata.find(({ name }) => name === "rows").shape[1];
    const shape = [rows.length / places, places];
    return prompt.run({
      rows: this.#tensor("int32", rows, shape),
      amounts: this.#tensor("float32", amounts, shape),
    });
  }

  // All that is made of a prompt is linear in its condition tokens.
  between(context, mix) {
    const mixed = Object.entries(context).map(([name, { data, dims }]) => {
      const size = data.length / dims[0], tensor = new Float32Array(mix.length * size);
      mix.forEach(({ before, after, share }, i) => {
        const [a, b] = [before, after].map((at) => data.subarray(at * size, (at + 1) * size));
        tensor.set(a.map((a, j) => a + share * (b[j] - a)), i * size);
      });
      return [name, this.#tensor("float32", tensor, [mix.length, ...dims.slice(1)])];
    });
    return Object.fromEntries(mixed);
  }

  async predict(x_t, t, context, on = null, is_student = false) {
    if (on) return (await this.read(x_t, t, context, on, ["prediction"])).prediction.data;
    const given = this.#noisy(x_t, t), network = is_student ? "student" : "unet";
    return (await this.#sessions[network].run({ ...given, ...context })).prediction.data;
  }

  // The names of what `read` gives, but for "prediction".
  get readings() {
    return this.#sessions.inside.outputNames.filter((name) => name !== "prediction");
  }

  async read(x_t, t, context, on, names) {
    const { inside } = this.#sessions, count = context.pooled.dims[0];
    const gates = on ?? Array(inside.inputMetadata.find(({ name }) => name === "on").shape[1]).fill(1);
    const each = Float32Array.from(Array(count).fill(gates).flat());
    const given = { ...this.#noisy(x_t, t), on: this.#tensor("float32", each, [count, gates.length]) };
    return inside.run({ ...given, ...context }, names);
  }

  #noisy(x_t, t) {
    return {
      x_t: this.#tensor("float32", x_t, [t.length, ...LATENT_SHAPE]),
      t: this.#tensor("float32", t, [t.length]),
    };
  }

  async decode(z) {
    const shape = [z.length / LATENT_SIZE, ...LATENT_SHAPE];
    const { image } = await this.#sessions.decoder.run({ z: this.#tensor("float32", z, shape) });
    return image.data;
  }

  async encode(image) {
    const shape = [image.length / IMAGE_SIDE ** 2, 1, IMAGE_SIDE, IMAGE_SIDE];
    const given = { image: this.#tensor("float32", image, shape) };
    return (await this.#sessions.encoder.run(given)).z.data;
  }

  #tensor(type, data, shape) {
    return new this.#ort.Tensor(type, data, shape);
  }
}
