"""The graphs are ONNX as others read it."""

import onnx
import pytest

from ldm_core import LatentDiffusion
from ldm_core.runtime.onnx_networks import context_graph, decoder_graph, unet_graph

from ..conftest import SMALL


@pytest.mark.parametrize("name", ["context", "unet", "decoder"])
def test_graphs_pass_the_checker_of_onnx(name):
    """With shape inference: every output must have the shape that is declared for it."""
    model = LatentDiffusion(SMALL)
    n_tokens = SMALL.conditioning.n_tokens
    graph = {
        "context": lambda: context_graph(model.unet, n_tokens),
        "unet": lambda: unet_graph(model.unet, n_tokens),
        "decoder": lambda: decoder_graph(model.vae),
    }[name]()
    onnx.checker.check_model(onnx.load_from_string(graph), full_check=True)
