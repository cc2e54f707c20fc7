"""Small graphs: what they weigh, and what they draw."""

import gzip
from functools import partial

import pytest
import torch

from ldm_core import LatentDiffusion
from ldm_core.export.graphs import UNET, graphs
from ldm_core.runtime import onnx_backend
from ldm_core.runtime.onnx_backend import OnnxRuntimeBackend
from ldm_core.runtime.onnx_networks import unet_graph

from ..conftest import ROOT


@pytest.fixture
def release() -> LatentDiffusion:
    return LatentDiffusion.load(ROOT / "weights", backend="torch")


def test_small_graphs_of_this_release_weigh_what_the_page_has_room_for(release):
    small = graphs(release, small=True)
    packed = {name: len(gzip.compress(graph)) for name, graph in small.items()}
    assert packed.keys() == {"prompt", "unet", "decoder"}
    assert sum(packed.values()) < 7.25e6  # bytes; the exact graphs have twice as many


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "ddpm"])
def test_a_unet_in_a_small_graph_draws_the_same_digits(release, monkeypatch, sampler):
    def drawn() -> tuple[torch.Tensor, torch.Tensor]:
        """Latents and pictures."""
        release.backend = OnnxRuntimeBackend(release, 1)
        *_, last = release.denoise(range(10), seeds=range(10), steps=12, sampler=sampler)
        return last.x_t, release.decode(last.x_t).int()

    latents, pictures = drawn()
    monkeypatch.setattr(onnx_backend, "unet_graph", partial(unet_graph, accuracy=UNET))
    rounded_latents, rounded_pictures = drawn()
    assert not torch.equal(rounded_latents, latents)
    assert (rounded_pictures - pictures).abs().max() <= 1
