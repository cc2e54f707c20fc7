"""Checkpoints: safetensors files that say what they are, written whole or not at all.

A file's metadata holds one JSON object, `{"kind", "config", "training", ...}`: enough to rebuild
the module, to know how it was made, and to refuse a file that does not belong. Nothing is
unpickled.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..checks import UserError
from .whole_file import whole_file

Module = TypeVar("Module", bound=nn.Module)

LFS_POINTER = b"version https://git-lfs"  # Git LFS leaves this instead of a large file
_KEY = "ldm_core"  # the metadata entry that marks our own files


class CheckpointError(UserError, RuntimeError):
    """A checkpoint cannot be used; the message names the file, what is wrong and what to do."""


def save_checkpoint(
    path: str | Path, kind: str, tensors: Mapping[str, Tensor], about: Mapping[str, Any]
) -> None:
    """Write tensors and the JSON-able `about` beside `path`, then rename: never half a file.

    Raises OSError if it cannot be written, as on a full disk; the old file at `path` stays.
    """
    contiguous = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    with whole_file(path) as partial:
        try:
            save_file(contiguous, partial, metadata={_KEY: json.dumps({"kind": kind, **about})})
        except SafetensorError as error:
            raise OSError(f"{path} could not be written ({error}).") from error
        partial.chmod(0o644)  # safetensors makes it readable by its owner only


# An installed package has no train.py beside it.
MAKE_IT = "Make it with: python train.py, in the repository, or take the file that lies there."


def read_checkpoint(
    path: str | Path, kind: str, remedy: str = MAKE_IT
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read (tensors, about) from a file that `save_checkpoint` wrote with the same kind.

    remedy: the last sentence of every error: how to get a good file.

    Raises CheckpointError if it is missing, damaged, not such a file, or holds NaN or infinity.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path} is missing. {remedy}")
    with path.open("rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            raise CheckpointError(
                f"{path} is a Git LFS pointer, not the file that it points to. Fetch that with: "
                "git lfs pull"
            )
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get(_KEY, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged or not a checkpoint ({error}). {remedy}"
        ) from error
    if not isinstance(about, dict) or "kind" not in about:
        raise CheckpointError(f"{path} was not written by this project's train.py. {remedy}")
    if about["kind"] != kind:
        raise CheckpointError(f'{path} holds a "{about["kind"]}", not a "{kind}". {remedy}')
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise CheckpointError(f"{path}: the tensor {name} holds NaN or infinity. {remedy}")
    return tensors, about


def build(path: str | Path, make: Callable[[], Module]) -> Module:
    """Call `make`, which builds a module from a stored configuration; raises CheckpointError if
    this code does not know the configuration."""
    try:
        return make()
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: its configuration does not fit this version of the code ({error!r}). "
            "Train again with python train.py, in the repository."
        ) from error


def load_tensors(path: str | Path, module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load tensors into a module; raises CheckpointError unless every name and shape fits."""
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path}: its tensors do not fit the configuration stored with them ({error}). "
            "It was made by another version of the code: train again "
            "with python train.py, in the repository."
        ) from error


def save_module(path: str | Path, kind: str, module: nn.Module, training: dict[str, Any]) -> None:
    """Write a module, the `config` that builds it, and how it was trained."""
    about = {"config": module.config.to_dict(), "training": training}
    save_checkpoint(path, kind, module.state_dict(), about)


def load_module(path: str | Path, kind: str, make: Callable[[dict], Module]) -> Module:
    """Read a module that `save_module` wrote, ready to use: `make(config)` with the stored tensors.
    Its `record` is the stored account of its training.

    Raises CheckpointError for a file that is missing, damaged, or of another kind or version.
    """
    tensors, about = read_checkpoint(path, kind)
    module = build(path, lambda: make(about["config"]))
    load_tensors(path, module, tensors)
    module.record = about.get("training", {})
    return module.eval().requires_grad_(False)


def fingerprint(module: nn.Module, without: str | None = None) -> str:
    """SHA-256 over names and values of a module's state; it identifies the VAE of a U-Net.
    without: how the names begin that do not count."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        if without and name.startswith(without):
            continue
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
