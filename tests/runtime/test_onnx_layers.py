"""Weights in small files are rounded as `Accuracy` says."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from ldm_core.runtime.onnx_layers import SMALL, Accuracy, Layers

ACCURACY = Accuracy(narrow=14, wide=11)


def stored(array: np.ndarray) -> np.ndarray:
    """The weights as a model has them."""
    graph = Layers(ACCURACY)
    model = graph.model({"weights": (graph.weights(torch.from_numpy(array)), array.shape)})
    onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
    return onnxruntime.InferenceSession(model).run(None, {})[0]


def normal(*shape: int) -> np.ndarray:
    return 0.07 * np.random.default_rng(0).standard_normal(shape, np.float32)


NARROW, WIDE = [(64, 256), (256, 64), (64, 64, 3, 3)], [(128, 128), (96, 65, 3, 3)]


@pytest.mark.parametrize(
    ("shape", "bits"), [(s, ACCURACY.narrow) for s in NARROW] + [(s, ACCURACY.wide) for s in WIDE]
)
def test_weights_are_rounded_to_a_part_of_their_size(shape, bits):
    array = normal(*shape)
    found = stored(array)
    step = np.unique(np.abs(found[found != 0])).min()
    assert 2**-0.51 < step / (np.sqrt(np.mean(array**2)) / 2**bits) < 2**0.51
    assert np.array_equal(found / step, np.rint(found / step))
    assert np.abs(found - array).max() <= step / 2


def test_single_large_weights_are_no_less_exact():
    array = normal(128, 128)
    array[3, 5], array[7, 1] = 30, -30
    found = stored(array)
    step = np.unique(np.abs(found[found != 0])).min()
    assert np.abs(found - array).max() <= step / 2
    assert step < 0.001


def test_what_was_rounded_before_is_not_changed_again():
    once = stored(normal(128, 128))
    twice = stored(once)
    assert np.array_equal(once, twice)


@pytest.mark.parametrize("array", [normal(SMALL - 1), np.zeros((128, 128), np.float32)])
def test_few_numbers_and_zeros_stay_as_they_are(array):
    found = stored(array)
    assert np.array_equal(found, array)
