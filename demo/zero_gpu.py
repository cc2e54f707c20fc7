"""Runs on the GPU that a ZeroGPU Space lends to a visitor for the time of a call.

Such a Space does not start unless a function asks for its GPU. A GPU that is not to be had, or is
taken away, breaks nothing: `Runner` draws what is missing on the CPU.
"""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from ldm_core import LatentDiffusion

from .request import Request
from .run import Draw, StepPictures, draw

# A visitor who has less than this left today gets no GPU; so it is no longer than a run may need
# where CUDA has to start first.
DURATION_S = 10


def drawn_on_lent_gpu(spaces: ModuleType, weights: str | Path) -> Draw:
    """Make a function that draws on a lent GPU. spaces: the package (see `environment`).

    The package forks a process for it, in which the GPU is; the request and the pictures are sent
    through a pipe. The model is loaded here and now: what is put on "cuda" before the page is
    launched is moved to the GPU by the package, as soon as there is one.
    """
    model = LatentDiffusion.load(weights, "cuda", "torch")

    @spaces.GPU(duration=DURATION_S)
    def steps(request: Request) -> Iterator[StepPictures]:
        yield from draw(model, request, DURATION_S)

    return steps
