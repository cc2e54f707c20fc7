"""Prompts become the same context in ONNX Runtime as in the module."""

import numpy as np
import onnxruntime
import pytest
import torch

from ldm_core import LatentDiffusion
from ldm_core.runtime.onnx_networks import context_graph
from ldm_core.runtime.onnx_text import prompt_graph


@pytest.fixture(scope="module", params=["small_model", "release"])
def model(request) -> LatentDiffusion:
    return request.getfixturevalue(request.param)


def prompts(model: LatentDiffusion, count: int = 64) -> list[torch.Tensor]:
    """What the conditioning takes: any words in any places, most by an amount between 0 and 1."""
    generator = torch.Generator().manual_seed(0)
    config = model.config.conditioning
    shape = (count, config.n_tokens)
    rows = torch.randint(len(config.vocabulary), shape, generator=generator)
    # from 0 to 1, each end often
    return [rows, (2 * torch.rand(shape, generator=generator) - 0.5).clamp(0, 1)]


def run(graph: bytes, *inputs: torch.Tensor) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(graph)
    kinds = {"tensor(int32)": np.int32, "tensor(float)": np.float32}
    given = {
        place.name: value.numpy().astype(kinds[place.type])
        for place, value in zip(session.get_inputs(), inputs, strict=True)
    }
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, given)))


def assert_same(found: np.ndarray, expected: np.ndarray):
    assert np.abs(expected).max() > 0.1  # or the comparison would say little
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)


@torch.inference_mode()
def test_one_graph_leads_from_prompts_to_what_the_unet_asks_for(model):
    asked = prompts(model)
    tokens = model.conditioning(*asked)
    expected = run(context_graph(model.unet, model.config.conditioning.n_tokens), tokens)
    found = run(prompt_graph(model.conditioning, model.unet), *asked)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert_same(found[name], values)
