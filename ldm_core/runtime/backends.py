"""Backends: what runs the networks while sampling. Training and gradients use the modules.

A backend is two calls, and what they return does not depend on which backend it is (to 1e-4, by
test; see `TorchBackend` for the exception):

    backend.predictor(context (R, B, n_tokens, d_context)) -> predict
    predict(x_t (B, 4, 8, 8), t (B,)) -> (R, B, 4, 8, 8)     the U-Net's predictions for B images,
                                                             each under R conditions
    backend.decode(z (B, 4, 8, 8)) -> image (B, 1, 32, 32)   the VAE's decoder
"""

import importlib.util
import logging
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from threading import Lock
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..checks import InputError, check_choice
from ..diffusion.guidance import Predict
from .onnx_networks import context_graph, decoder_graph, unet_graph
from .snapshot import Snapshot

BACKENDS = ("auto", "onnxruntime", "torch", "torch-bf16")


class Backend(Protocol):
    def predictor(self, context: Tensor) -> Predict: ...

    def decode(self, z: Tensor) -> Tensor: ...


def make_backend(name: str, model: nn.Module, device: torch.device) -> Backend:
    """A backend by its name, for a model with the parts of a `LatentDiffusion`.

    "auto" is ONNX Runtime on a CPU where it is installed, else PyTorch.
    Raises InputError for an unknown name, and for what is not possible here.
    """
    check_choice("backend", name, BACKENDS)
    if name == "auto":
        name = "onnxruntime" if device.type == "cpu" and _onnxruntime_or_notice() else "torch"
    if name != "onnxruntime":
        return TorchBackend(model, torch.bfloat16 if name == "torch-bf16" else None)
    if device.type != "cpu":
        raise InputError(f"The backend onnxruntime runs on a CPU, not on {device}: use torch.")
    if not _has_onnxruntime():
        raise InputError(f"The backend onnxruntime is not installed. {_REMEDY}")
    return OnnxRuntimeBackend(model, torch.get_num_threads())


class TorchBackend:
    """The modules themselves, on any device: the reference.

    autocast: a dtype in which matrix products and convolutions are computed; bfloat16 has 8 bits
    of precision, so its images differ a little from all others', and from batch to batch.
    """

    def __init__(self, model: nn.Module, autocast: torch.dtype | None = None):
        self.model, self.autocast = model, autocast

    def predictor(self, context: Tensor) -> Predict:
        conditions, flat = len(context), context.flatten(0, 1)

        def predict(x_t: Tensor, t: Tensor) -> Tensor:
            x_t, t = x_t.repeat(conditions, 1, 1, 1), t.to(x_t.device).repeat(conditions)
            with self._precision(x_t):
                prediction = self.model.unet(x_t, t, flat)
            return prediction.to(x_t.dtype).unflatten(0, (conditions, -1))

        return predict

    def decode(self, z: Tensor) -> Tensor:
        with self._precision(z):
            return self.model.vae.decode(z).to(z.dtype)

    def _precision(self, x: Tensor) -> AbstractContextManager:
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(x.device.type, self.autocast)


class OnnxRuntimeBackend:
    """ONNX Runtime on a CPU, for the model as it is at each call: where the weights have changed
    since the last one, its graphs are built again; where a network has forward hooks, it runs in
    PyTorch, which calls them.

    These networks are too small for threads that meet after every layer. Instead each thread runs
    a part of the batch, or one of the conditions of a single image, through the whole network.
    """

    CHUNK = 16  # images in one run at most: more are no faster, and take more memory

    def __init__(self, model: nn.Module, threads: int):
        self.threads = threads
        self._modules = TorchBackend(model)
        n_tokens = model.config.conditioning.n_tokens
        self._unet = _Sessions(
            lambda: [model, *model.unet.modules()],
            lambda: (context_graph(model.unet, n_tokens), unet_graph(model.unet, n_tokens)),
        )
        self._decoder = _Sessions(
            lambda: [model, model.vae, *model.vae.decoder.modules()],
            lambda: (decoder_graph(model.vae),),
        )
        self._others = ThreadPoolExecutor(threads - 1) if threads > 1 else None

    def predictor(self, context: Tensor) -> Predict:
        _check_cpu(context)
        sessions = self._unet.current()
        if sessions is None:
            return self._modules.predictor(context)
        context_session, unet_session = sessions
        conditions, images = context.shape[:2]
        names = [output.name for output in context_session.get_outputs()]
        outputs = context_session.run(None, {"context": context.flatten(0, 1).numpy()})
        inputs = dict(zip(names, outputs))
        apart = images < self.threads
        parts = [
            (rows, columns, _part(inputs, context.shape[:2], rows, columns))
            for columns in self._slices(images)
            for rows in ([slice(i, i + 1) for i in range(conditions)] if apart else [slice(None)])
        ]

        def predict(x_t: Tensor, t: Tensor) -> Tensor:
            given = {"x_t": x_t.numpy(), "t": t.to(x_t.dtype).numpy()}
            prediction = np.empty((conditions, *x_t.shape), np.float32)

            def run(rows: slice, columns: slice, inputs: dict[str, np.ndarray]) -> None:
                images = {name: array[columns] for name, array in given.items()}
                (output,) = unet_session.run(None, images | inputs)
                target = prediction[rows, columns]
                target[:] = output.reshape(target.shape)

            self._together([partial(run, *part) for part in parts])
            return torch.from_numpy(prediction)

        return predict

    def decode(self, z: Tensor) -> Tensor:
        _check_cpu(z)
        sessions = self._decoder.current()
        if sessions is None:
            return self._modules.decode(z)
        (session,) = sessions

        def run(part: np.ndarray) -> np.ndarray:
            return session.run(None, {"z": part})[0]

        parts = [z.numpy()[columns] for columns in self._slices(len(z))]
        return torch.from_numpy(np.concatenate(self._together([partial(run, p) for p in parts])))

    def _slices(self, images: int) -> list[slice]:
        """Parts of about the same size, as many for each thread, of CHUNK images at most."""
        parts = self.threads * math.ceil(images / (self.threads * self.CHUNK))
        size = math.ceil(images / parts)
        return [slice(first, first + size) for first in range(0, images, size)]

    def _together(self, jobs: Sequence[Callable]) -> list:
        """The results of all jobs. Other threads begin at the front, this one takes from the end
        what none has begun: where all are busy with other requests, nobody waits for them."""
        *others, last = jobs
        if self._others is None or not others:
            return [job() for job in jobs]
        futures = [self._others.submit(job) for job in others]
        results = [last()]
        for job, future in zip(reversed(others), reversed(futures)):
            results.append(job() if future.cancel() else future.result())
        return results[::-1]


class _Sessions:
    """Sessions of ONNX Runtime, built from modules, and built again when those have changed."""

    def __init__(
        self, modules: Callable[[], list[nn.Module]], graphs: Callable[[], tuple[bytes, ...]]
    ):
        self._modules, self._graphs, self._lock = modules, graphs, Lock()
        self._built = self._build()

    def current(self) -> tuple | None:
        """Sessions of the modules as they are now; None where these have forward hooks."""
        if not self._built[0].is_current():
            with self._lock:
                if not self._built[0].is_current():  # or another thread has built them meanwhile
                    self._built = self._build()
        snapshot, sessions = self._built
        return None if snapshot.has_hooks() else sessions

    def _build(self) -> tuple[Snapshot, tuple]:
        # The snapshot comes first: a change while the graphs are built is then noticed later.
        return Snapshot(self._modules()), tuple(map(_session, self._graphs()))


def _check_cpu(x: Tensor) -> None:
    if x.device.type != "cpu":
        raise InputError(
            f"The backend onnxruntime runs on a CPU, and the model is now on {x.device}: load it "
            'with that device, or with backend="torch".'
        )


def _part(
    inputs: dict[str, np.ndarray], shape: Sequence[int], rows: slice, columns: slice
) -> dict[str, np.ndarray]:
    """Of inputs (R B, ...), those of some conditions and images."""
    chosen = {name: a.reshape(*shape, *a.shape[1:])[rows, columns] for name, a in inputs.items()}
    return {name: a.reshape(-1, *a.shape[2:]) for name, a in chosen.items()}


def _session(graph: bytes):
    import onnxruntime  # an optional dependency

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # This fusion is several times slower on a CPU than the two operations that it joins.
    return onnxruntime.InferenceSession(
        graph,
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["SkipLayerNormFusion"],
    )


_REMEDY = "Install it with: pip install onnxruntime"


def _has_onnxruntime() -> bool:
    return importlib.util.find_spec("onnxruntime") is not None


@cache  # once
def _onnxruntime_or_notice() -> bool:
    found = _has_onnxruntime()
    if not found:
        logging.getLogger(__name__).warning(
            "Sampling with PyTorch. ONNX Runtime is about twice as fast on a CPU. %s", _REMEDY
        )
    return found
