"""The graphs are ONNX as others read it."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from ldm_core import LatentDiffusion
from ldm_core.runtime.onnx_networks import (
    context_graph,
    decoder_graph,
    encoder_graph,
    unet_graph,
)
from ldm_core.runtime.onnx_text import prompt_graph

from .test_backends import OTHER, SMALL, perturbed

GRAPHS = {
    "prompt": lambda m, n: prompt_graph(m.conditioning, m.unet),
    "context": lambda m, n: context_graph(m.unet, n),
    "unet": lambda m, n: unet_graph(m.unet, n),
    "decoder": lambda m, n: decoder_graph(m.vae),
    "encoder": lambda m, n: encoder_graph(m.vae),
}


@pytest.fixture(scope="module", params=[SMALL, OTHER], ids=["small", "other"])
def model(request) -> LatentDiffusion:
    return perturbed(request.param)


@pytest.mark.parametrize("name", GRAPHS)
def test_every_tensor_of_a_graph_has_a_shape_that_onnx_confirms(model, name):
    graph = GRAPHS[name](model, model.config.conditioning.n_tokens)
    proto = onnx.load_from_string(graph)
    onnx.checker.check_model(proto, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True).graph
    known = {
        value.name
        for value in (*inferred.value_info, *inferred.output)
        if value.type.tensor_type.HasField("shape")
    }
    assert {output for node in inferred.node for output in node.output} == known


@pytest.mark.parametrize("name", GRAPHS)
def test_the_definitions_of_onnx_compute_what_onnx_runtime_computes(model, name):
    graph = GRAPHS[name](model, model.config.conditioning.n_tokens)
    session, rng = onnxruntime.InferenceSession(graph), np.random.default_rng(0)
    sizes = {"B": 2, "N": 4}
    given = {}
    for tensor in session.get_inputs():
        shape = [sizes.get(size, size) for size in tensor.shape]
        is_whole = tensor.type == "tensor(int32)"
        given[tensor.name] = (
            rng.integers(0, 3, shape, np.int32) if is_whole else rng.random(shape, np.float32)
        )
    expected = ReferenceEvaluator(onnx.load_from_string(graph)).run(None, given)
    for found, wanted in zip(session.run(None, given), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max(), rtol=0)


@torch.inference_mode()
def test_the_encoder_agrees_with_the_module(model):
    image = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    session = onnxruntime.InferenceSession(encoder_graph(model.vae))
    (found,) = session.run(["z"], {"image": image.numpy()})
    expected = model.vae.encode(image).mean
    torch.testing.assert_close(torch.from_numpy(found), expected, atol=1e-4, rtol=1e-4)
