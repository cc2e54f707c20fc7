"""Our ONNX graphs beside those of torch.onnx.export: python -m benchmarks.onnx_export.

Both run in ONNX Runtime with all its own optimisations, on one thread, in turn. A guided step is
two predictions for each image. Prints a Markdown table of times and ratios.
"""

import argparse
import logging
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ldm_core import LatentDiffusion
from ldm_core.runtime.onnx_backend import OnnxRuntimeBackend, import_onnxruntime

from .measure import in_turn, ratios

onnxruntime = import_onnxruntime()

CONDITIONS = 2


class Decoder(nn.Module):
    """`VAE.decode` as a module, which is what can be exported."""

    def __init__(self, vae: nn.Module):
        super().__init__()
        self.vae = vae

    def forward(self, z: Tensor) -> Tensor:
        return self.vae.decode(z)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)

    model = LatentDiffusion.load(args.weights, backend="torch")
    started = time.perf_counter()
    ours = OnnxRuntimeBackend(model, threads=1)
    built = time.perf_counter() - started
    started = time.perf_counter()
    d_context, n_tokens = model.config.unet.d_context, model.config.conditioning.n_tokens
    example = torch.randn(2, 4, 8, 8), torch.rand(2), torch.randn(2, n_tokens, d_context)
    unet, decoder = export(model.unet, example), export(Decoder(model.vae), example[:1])
    exported = time.perf_counter() - started
    print(f"until they can run: ours {built:.2f} s, exported {exported:.2f} s\n")

    print("| | ours | exported | exported / ours: median (min to max) |\n|---|---|---|---|")
    for images in (1, 64):
        x_t, t = torch.randn(images, 4, 8, 8), torch.rand(images)
        context = torch.randn(CONDITIONS, images, n_tokens, d_context)
        predict = ours.predictor(context)
        inputs = [x.numpy() for x in (x_t.repeat(2, 1, 1, 1), t.repeat(2), context.flatten(0, 1))]
        calls = {"ours": lambda: predict(x_t, t), "exported": lambda: run(unet, *inputs)}  # noqa: B023
        compare(calls)
        row(f"guided step, {images}", calls, args.rounds, 10 if images == 1 else 1)
    for images in (1, 50):
        z = torch.randn(images, 4, 8, 8)
        calls = {"ours": lambda: ours.decode(z), "exported": lambda: run(decoder, z.numpy())}  # noqa: B023
        compare(calls)
        row(f"decode, {images}", calls, args.rounds, 20 if images == 1 else 1)


def export(module: nn.Module, example: tuple[Tensor, ...]) -> onnxruntime.InferenceSession:
    """A session of what torch.onnx.export makes of a module, for batches of any size."""
    batch = torch.export.Dim("batch")
    shapes = tuple({0: batch} for _ in example)
    with torch.no_grad():
        program = torch.onnx.export(
            module, example, dynamo=True, dynamic_shapes=shapes, verbose=False, opset_version=21
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def run(session: onnxruntime.InferenceSession, *inputs: np.ndarray) -> np.ndarray:
    names = [given.name for given in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs)))[0]


def compare(calls: dict) -> None:
    """Both must say the same, or their times would mean nothing."""
    ours, exported = (np.asarray(call()) for call in calls.values())
    np.testing.assert_allclose(exported.reshape(ours.shape), ours, atol=1e-4)


def row(name: str, calls: dict, rounds: int, in_a_row: int) -> None:
    repeated = {key: lambda c=call: [c() for _ in range(in_a_row)] for key, call in calls.items()}
    times = in_turn(repeated, rounds)
    ms = [f"{1000 * statistics.median(found) / in_a_row:.2f} ms" for found in times.values()]
    found = ratios(times["ours"], times["exported"])
    span = f"{found['ratio']:.2f} ({found['ratio_min']:.2f} to {found['ratio_max']:.2f})"
    print("|", " | ".join([name, *ms, span]), "|", flush=True)


if __name__ == "__main__":
    main()
