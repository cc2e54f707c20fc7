"""Backends run the networks while sampling. Training and gradients use the modules.

A backend has three calls, and all backends return the same (to 1e-4, by test):

    backend.predictor(context (R, B, n_tokens, d_context), on, student) -> predict
    predict(x_t (B, 4, 8, 8), t (B,)) -> (R, B, 4, 8, 8)     the U-Net's predictions for B images,
                                                             each under R conditions; on: what is
                                                             off, from `gates_on`, None for nothing;
                                                             student: of the model's student, R = 1
    backend.reader(context, on, names) -> read
    read(x_t, t) -> {name: (R, B, ...)}                      readings (see `model/inside.py`) and
                                                             "prediction"
    backend.decode(z (B, 4, 8, 8)) -> image (B, 1, 32, 32)   the VAE's decoder

`shared.py` makes one of them serve many runs at once. For that it has `rows_at_once` in a pass,
`passes_at_once`, each in a thread of its own, and `copies_weights`, whether its networks never
change; and it gives out its networks for rows, each an image under one condition, or None while
they have hooks:

    backend.unet(inside, student)      inside: for rows with "on"; student: the model's student
    backend.decoder()
    network.run({name: (N, ...)}) -> (N, ...)      a row depends on itself alone, so rows of several
                                                   runs may be put together. Of the decoder: "z".
                                                   Of the U-Net: "x_t", "t", what its
                                                   `prepare(context)` returns, and "on" where
                                                   something is off

Networks that are equal do the same.
"""

import importlib.util

import torch
from torch import nn

from ..checks import InputError, check_choice, check_installed
from .onnx_backend import OnnxRuntimeBackend
from .torch_backend import TorchBackend

BACKENDS = ("auto", "onnxruntime", "torch")
Backend = OnnxRuntimeBackend | TorchBackend


def make_backend(name: str, model: nn.Module, device: torch.device) -> Backend:
    """Make a backend by its name, for a model with the parts of a `LatentDiffusion`.

    "auto" is ONNX Runtime on a CPU where it is installed, else PyTorch.
    Raises InputError for an unknown name, and for a backend that cannot run here.
    """
    check_choice("backend", name, BACKENDS)
    has_onnxruntime = importlib.util.find_spec("onnxruntime") is not None
    if name == "auto":
        name = "onnxruntime" if device.type == "cpu" and has_onnxruntime else "torch"
    if name != "onnxruntime":
        return TorchBackend(model)
    if device.type != "cpu":
        raise InputError(f"The backend onnxruntime runs on a CPU, not on {device}: use torch.")
    check_installed("onnxruntime", "The backend")
    return OnnxRuntimeBackend(model, torch.get_num_threads())
