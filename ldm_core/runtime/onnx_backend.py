"""Sampling with ONNX Runtime, on a CPU."""

import math
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import attrgetter, is_
from threading import Lock
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..diffusion.guidance import Predict
from ..model.inside import gates
from .onnx_networks import context_graph, decoder_graph, unet_graph
from .torch_backend import TorchBackend


class OnnxRuntimeBackend:
    """ONNX Runtime on a CPU.

    Its graphs are built from the weights, and built again if those have changed at the next run
    (see `_Sessions`). A network with forward hooks runs in PyTorch, which calls them.

    These networks are too small for threads that meet after every layer. Instead each thread runs
    a part of the batch, or one of the conditions of a single image, through the whole network.
    """

    CHUNK = 16  # images in one run at most: more are no faster, and take more memory
    copies_weights = True

    def __init__(self, model: nn.Module, threads: int):
        self.threads = threads
        self._modules = TorchBackend(model)
        n_tokens = model.config.conditioning.n_tokens
        whole = lambda unet: (context_graph(unet, n_tokens), unet_graph(unet, n_tokens))
        self._unet = _Sessions(lambda: [*_all(model.unet)], lambda: whole(model.unet))
        self._student = _Sessions(
            lambda: [*_all(model.student)], lambda: whole(model.student), at_once=False
        )
        # Built when something is first off or read: it takes as much memory again.
        self._inside = _Sessions(
            lambda: [*_all(model.unet)],
            lambda: (unet_graph(model.unet, n_tokens, inside=True),),
            at_once=False,
        )
        self._n_gates = len(gates(model.config.unet))
        self._decoder = _Sessions(
            lambda: [model.vae, *_all(model.vae.decoder)], lambda: (decoder_graph(model.vae),)
        )
        self._others = ThreadPoolExecutor(threads - 1) if threads > 1 else None
        self.passes_at_once, self.rows_at_once = threads, self.CHUNK

    def predictor(
        self, context: Tensor, on: Tensor | None = None, student: bool = False
    ) -> Predict:
        network = self.unet(inside=on is not None, student=student)
        if network is None:
            return self._modules.predictor(context, on, student)
        conditions, images = context.shape[:2]
        apart = images < self.threads
        each = [slice(i, i + 1) for i in range(conditions)] if apart else [slice(None)]

        def part(rows: slice, columns: slice) -> tuple[slice, slice, dict[str, Tensor]]:
            given = context[rows, columns]
            inputs = network.prepare(given.flatten(0, 1))
            if on is not None:
                inputs["on"] = on[columns].repeat(len(given), 1)
            return rows, columns, inputs

        shares = [(rows, columns) for columns in self._slices(images) for rows in each]
        parts = self._together([partial(part, *share) for share in shares])

        def predict(x_t: Tensor, t: Tensor) -> Tensor:
            given = {"x_t": x_t, "t": t.to(x_t.dtype)}
            prediction = np.empty((conditions, *x_t.shape), np.float32)

            def run(rows: slice, columns: slice, inputs: dict[str, Tensor]) -> None:
                images = {name: array[columns] for name, array in given.items()}
                target = prediction[rows, columns]
                target[:] = network.run(images | inputs).numpy().reshape(target.shape)

            self._together([partial(run, *part) for part in parts])
            return torch.from_numpy(prediction)

        return predict

    def reader(
        self, context: Tensor, on: Tensor | None = None, names: Collection[str] = ()
    ) -> Callable[[Tensor, Tensor], dict[str, Tensor]]:
        network = self.unet(inside=True)
        if network is None:
            return self._modules.reader(context, on, names)
        conditions, images = context.shape[:2]
        on = torch.ones(images, self._n_gates) if on is None else on
        inputs = network.prepare(context.flatten(0, 1)) | {"on": on.repeat(conditions, 1)}

        def read(x_t: Tensor, t: Tensor) -> dict[str, Tensor]:
            found = network.read({"x_t": x_t, "t": t.to(x_t.dtype)} | inputs, [*names])
            return {n: value.unflatten(0, (conditions, -1)) for n, value in zip(names, found)}

        return read

    def decode(self, z: Tensor) -> Tensor:
        decoder = self.decoder()
        if decoder is None:
            return self._modules.decode(z)
        parts = ({"z": z[columns]} for columns in self._slices(len(z)))
        return torch.cat(self._together([partial(decoder.run, part) for part in parts]))

    def unet(self, inside: bool = False, student: bool = False) -> "_UNet | None":
        sessions = (self._student if student else self._unet).current()
        if sessions is None:
            return None
        context_session, unet_session = sessions
        if inside:
            (unet_session,) = self._inside.current()
        return _UNet(context_session, unet_session)

    def decoder(self) -> "_Decoder | None":
        sessions = self._decoder.current()
        return None if sessions is None else _Decoder(*sessions)

    def _slices(self, images: int) -> list[slice]:
        """Parts of about the same size, as many for each thread, of CHUNK images at most."""
        parts = self.threads * math.ceil(images / (self.threads * self.CHUNK))
        size = math.ceil(images / parts)
        return [slice(first, first + size) for first in range(0, images, size)]

    def _together(self, jobs: Sequence[Callable]) -> list:
        """The results of all jobs. The other threads take jobs from the front. This thread takes
        those from the end that no other has begun; so it never waits for threads that are busy
        with other requests."""
        *others, last = jobs
        if self._others is None or not others:
            return [job() for job in jobs]
        futures = [self._others.submit(job) for job in others]
        results = [last()]
        for job, future in zip(reversed(others), reversed(futures)):
            results.append(job() if future.cancel() else future.result())
        return results[::-1]


class _UNet(NamedTuple):
    """The U-Net for rows, each an image under one condition; see `backends.py`."""

    context_session: Any
    unet_session: Any

    def prepare(self, context: Tensor) -> dict[str, Tensor]:
        names = [output.name for output in self.context_session.get_outputs()]
        found = self.context_session.run(None, {"context": context.numpy()})
        return {name: torch.from_numpy(array) for name, array in zip(names, found)}

    def run(self, rows: dict[str, Tensor]) -> Tensor:
        return self.read(rows, ["prediction"])[0] if "on" in rows else self.read(rows)[0]

    def read(self, rows: dict[str, Tensor], names: list[str] | None = None) -> list[Tensor]:
        """The outputs of these names alone; what they do not need is not computed."""
        options = None
        if names:
            options = import_onnxruntime().RunOptions()
            options.only_execute_path_to_fetches = True
        given = {name: array.numpy() for name, array in rows.items()}
        return [torch.from_numpy(array) for array in self.unet_session.run(names, given, options)]


class _Decoder(NamedTuple):
    """The VAE's decoder for rows."""

    session: Any

    def run(self, rows: dict[str, Tensor]) -> Tensor:
        return torch.from_numpy(self.session.run(None, {"z": rows["z"].numpy()})[0])


class _Sessions:
    """Sessions of ONNX Runtime for modules, built again when their weights have changed: a tensor
    was replaced, or an operation changed it.

    PyTorch counts the operations on a tensor, but not those of its fused optimisers; those change
    its first number, too. Writing single numbers into `.data` is not noticed.
    """

    def __init__(
        self,
        modules: Callable[[], list[nn.Module]],
        graphs: Callable[[], tuple[bytes, ...]],
        at_once: bool = True,
    ):
        self._modules, self._graphs, self._lock = modules, graphs, Lock()
        self._tensors: list[Tensor] = []
        self._counted: list[Tensor] = []
        self._first: list[np.ndarray] = []  # a view of the first number of each
        self._state, self._sessions = None, ()
        if at_once:
            self.current()

    def current(self) -> tuple | None:
        """The sessions; None if a module has forward hooks."""
        modules = self._modules()
        if any(module._forward_hooks or module._forward_pre_hooks for module in modules):
            return None
        each = (t for m in modules for t in (*m._parameters.values(), *m._buffers.values()))
        tensors = [tensor for tensor in each if tensor is not None]
        with self._lock:
            if len(tensors) != len(self._tensors) or not all(map(is_, tensors, self._tensors)):
                self._tensors, self._state = tensors, None
                self._first = [tensor.detach().numpy().reshape(-1)[:1] for tensor in tensors]
                # Tensors of inference mode have no counter.
                self._counted = [tensor for tensor in tensors if not tensor.is_inference()]
            # Each picture pays for this, so it is maps where it can be.
            firsts = [first.item() for first in self._first]
            counts = [*map(attrgetter("_version"), self._counted)]
            state = [*map(Tensor.data_ptr, tensors)], counts, firsts
            if state != self._state:
                # First of all: a change while the graphs are built is then noticed later.
                self._state = state
                self._sessions = tuple(map(_session, self._graphs()))
            return self._sessions


def _all(module: nn.Module) -> Iterator[nn.Module]:
    """A module and all within. `nn.Module.modules` takes longer: it makes their names, too."""
    yield module
    for part in module._modules.values():
        if part is not None:
            yield from _all(part)


def import_onnxruntime() -> ModuleType:
    """Import the package, which is optional. It sends usage data to its maker unless the
    environment forbids that before the first import; so this forbids it, for this process."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime


def _session(graph: bytes):
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # This fusion is several times slower on a CPU than the two operations that it joins.
    return onnxruntime.InferenceSession(
        graph,
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["SkipLayerNormFusion"],
    )
