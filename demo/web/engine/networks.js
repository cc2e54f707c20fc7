// The three networks in onnxruntime-web, as `LatentDiffusion` asks for them (see
// latent_diffusion.js): the graphs of ldm_core/runtime/onnx_networks.py and onnx_text.py.

import { IMAGE_SIDE, LATENT_SHAPE, LATENT_SIZE } from "./config.js";

const OPTIONS = { executionProviders: ["wasm"] };

export class Networks {
  #ort;
  #sessions;

  // ort: the module onnxruntime-web. graphs: {prompt, unet, decoder}, Uint8Arrays; without one of
  // them, what needs it cannot be asked for.
  static async load(ort, graphs) {
    const networks = new Networks();
    networks.#ort = ort;
    networks.#sessions = {};
    for (const [name, graph] of Object.entries(graphs)) // at once they would take more memory
      networks.#sessions[name] = await ort.InferenceSession.create(graph, OPTIONS);
    return networks;
  }

  // rows, amounts: of N prompts; for a model that knows labels only, rows are N ids.
  context(rows, amounts) {
    const { prompt } = this.#sessions;
    if (prompt.inputNames.includes("ids"))
      return prompt.run({ ids: this.#tensor("int32", rows, [rows.length]) });
    const places = prompt.inputMetadata.find(({ name }) => name === "rows").shape[1];
    const shape = [rows.length / places, places];
    return prompt.run({
      rows: this.#tensor("int32", rows, shape),
      amounts: this.#tensor("float32", amounts, shape),
    });
  }

  async predict(x_t, t, context) {
    const given = {
      x_t: this.#tensor("float32", x_t, [t.length, ...LATENT_SHAPE]),
      t: this.#tensor("float32", t, [t.length]),
    };
    const { prediction } = await this.#sessions.unet.run({ ...given, ...context });
    return prediction.data;
  }

  async decode(z) {
    const shape = [z.length / LATENT_SIZE, ...LATENT_SHAPE];
    const { image } = await this.#sessions.decoder.run({ z: this.#tensor("float32", z, shape) });
    return image.data;
  }

  #tensor(type, data, shape) {
    return new this.#ort.Tensor(type, data, shape);
  }
}
