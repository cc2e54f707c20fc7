"""Small graphs: what they weigh, and what they draw."""

import copy
import gzip
from functools import partial

import pytest
import torch

from ldm_core.export.graphs import UNET, graphs
from ldm_core.export.packing import packed
from ldm_core.runtime import onnx_backend
from ldm_core.runtime.onnx_backend import OnnxRuntimeBackend
from ldm_core.runtime.onnx_networks import unet_graph


def test_small_graphs_of_this_release_weigh_what_the_page_has_room_for(release):
    small = graphs(release, small=True)
    bytes_of = {name: len(gzip.compress(packed(graph))) for name, graph in small.items()}
    students = {"student_prompt", "student"} if release.student else set()
    assert bytes_of.keys() == {"prompt", "unet", "decoder", "encoder", *students}
    assert bytes_of.pop("encoder") < 0.9e6  # it is fetched when a drawing needs it
    if release.student:
        assert bytes_of.pop("student") + bytes_of.pop("student_prompt") < 6.5e6  # so is the student
    assert sum(bytes_of.values()) < 7.25e6  # as they are, the graphs would be twice that


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "ddpm"])
def test_a_unet_in_a_small_graph_draws_the_same_digits(release, monkeypatch, sampler):
    model = copy.copy(release)

    def drawn() -> tuple[torch.Tensor, torch.Tensor]:
        """Latents and pictures."""
        model.backend = OnnxRuntimeBackend(release, 1)
        *_, last = model.denoise(range(10), seeds=range(10), steps=12, sampler=sampler)
        return last.x_t, model.decode(last.x_t).int()

    latents, pictures = drawn()
    monkeypatch.setattr(onnx_backend, "unet_graph", partial(unet_graph, accuracy=UNET))
    rounded_latents, rounded_pictures = drawn()
    assert not torch.equal(rounded_latents, latents)
    assert (rounded_pictures - pictures).abs().max() <= 1
