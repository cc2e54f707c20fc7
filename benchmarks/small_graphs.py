"""Pictures of graphs with rounded weights beside those of exact ones: python -m
benchmarks.small_graphs.

Both are drawn with ONNX Runtime, by all samplers, with settings at random. Prints sizes, and how
far pictures are apart.
"""

import argparse
import gzip
import random
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ldm_core import LatentDiffusion
from ldm_core.diffusion.guidance import Predict
from ldm_core.diffusion.samplers import SAMPLERS
from ldm_core.export.graphs import graphs
from ldm_core.export.packing import packed
from ldm_core.model.text import Places
from ldm_core.runtime.onnx_backend import import_onnxruntime

onnxruntime = import_onnxruntime()

TOGETHER = 5  # pictures with the same settings
PROMPTS = ("a seven", "a bold seven", "thin three leaning left", "a wide zero", "narrow 8", "bold")


class GraphsBackend:
    """Runs the three graphs as a program without PyTorch does."""

    def __init__(self, of: dict[str, bytes]):
        self.prompt, self.unet, self.decoder = map(onnxruntime.InferenceSession, of.values())
        self.context: dict[str, np.ndarray] = {}

    def ask(self, places: Places) -> None:
        """Of each picture what is asked, then of each what it is led away from."""
        given = {"rows": places.rows.int().numpy(), "amounts": places.amounts.float().numpy()}
        names = [output.name for output in self.prompt.get_outputs()]
        self.context = dict(zip(names, self.prompt.run(None, given)))

    def predictor(self, context: Tensor) -> Predict:
        shape = context.shape[:2]  # one condition, which is what is asked, or both
        given = {name: array[: shape.numel()] for name, array in self.context.items()}

        def predict(x_t: Tensor, t: Tensor) -> Tensor:
            inputs = given | {"x_t": x_t.numpy(), "t": t.float().numpy()}
            return torch.from_numpy(self.unet.run(None, inputs)[0]).unflatten(0, shape)

        return predict

    def decode(self, z: Tensor) -> Tensor:
        return torch.from_numpy(self.decoder.run(None, {"z": z.numpy()})[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--settings", type=int, default=200, help=f"{TOGETHER} pictures each")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    model = LatentDiffusion.load(args.weights, backend="torch")
    pictures = []
    for small in (False, True):
        of = graphs(model, small)
        del of["encoder"]
        sizes = {name: len(gzip.compress(packed(graph))) for name, graph in of.items()}
        print(f"{'rounded' if small else 'exact'}: {sum(sizes.values()):,} bytes packed, {sizes}")
        model.backend = GraphsBackend(of)
        pictures.append(torch.cat(list(draw(model, args.settings, random.Random(args.seed)))).int())
    apart = (pictures[0] - pictures[1]).abs().flatten(1)
    worst = apart.amax(dim=1)
    print(
        f"of {len(worst)} pictures {(worst > 1).sum()} are more than one grey level apart, "
        f"in {(apart > 1).sum()} pixels, {worst.max()} at most; "
        f"{(worst == 0).sum()} are the same in every pixel"
    )


def draw(model: LatentDiffusion, settings: int, rng: random.Random):
    """Yields pictures uint8 (TOGETHER, 28, 28)."""
    for i in range(settings):
        asked = [rng.choice((rng.randrange(10), None, *PROMPTS)) for _ in range(TOGETHER)]
        options = {
            "sampler": list(SAMPLERS)[i % len(SAMPLERS)],
            "steps": rng.choice((4, 8, 12, 16, 25, 50)),
            "spacing": rng.choice(("time", "log_snr", "karras")),
            "guidance_scale": rng.choice((1, 1.5, 2, 3, 3.5, 5)),
            "guidance_interval": rng.choice(((0, 1), (0.2, 0.8), model.defaults.guidance_interval)),
            "guidance_rescale": rng.choice((0, 0, 0.7)),
        }
        seeds = [rng.randrange(2**32) for _ in asked]
        model.backend.ask(model.conditioning.read(asked))
        yield model.generate(asked, seeds=seeds, **options)


if __name__ == "__main__":
    main()
