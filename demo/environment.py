"""What the environment says, and what of it Gradio must not see, or not see yet."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import ModuleType

NO_PROXY = ("no_proxy", "NO_PROXY")
LOOPBACK = "localhost,127.0.0.1,::1"
ZERO_GPU = "SPACES_ZERO_GPU"  # set by a Space that lends a GPU for the time of a call


def take_address() -> tuple[str, str]:
    """The host and the port in the environment, where a Space says where to listen; or our own.

    They are removed: Gradio would read them when it is imported, but takes no IPv6 address there,
    and ends in a traceback if the port is no number.
    """
    host = os.environ.pop("GRADIO_SERVER_NAME", "") or "127.0.0.1"
    return host, os.environ.pop("GRADIO_SERVER_PORT", "") or "7860"


def zero_gpu_package() -> ModuleType | None:
    """The package `spaces`, where the environment promises a GPU and the package is there, as on a
    ZeroGPU Space; None elsewhere.

    To be called before PyTorch is imported: the package takes the place of CUDA in a process that
    has no GPU yet.
    """
    if os.environ.get(ZERO_GPU, "").lower() in ("1", "t", "true"):  # as the package reads it
        with suppress(ImportError):
            import spaces

            return spaces
    return None


@contextmanager
def proxies_set_aside(outside_of: str | None = None) -> Iterator[None]:
    """Let no proxy of the environment come between Gradio and the server that it starts.

    As it starts, Gradio asks this server whether it answers. No proxy leads back to this machine,
    and one of a kind that httpx does not know ends even the import of Gradio. outside_of: the host
    of the server, if other machines are to be reached as well, maybe through the proxy.
    """
    before = {name: os.environ[name] for name in NO_PROXY if name in os.environ}
    own = ",".join([LOOPBACK, outside_of, *before.values()]) if outside_of else "*"
    os.environ.update(dict.fromkeys(NO_PROXY, own))
    try:
        yield
    finally:
        for name in NO_PROXY:
            os.environ.pop(name, None)
        os.environ.update(before)
