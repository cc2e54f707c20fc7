import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import gradio as gr
import pytest
import uvicorn
from PIL import Image
from starlette.applications import Starlette

from demo import app
from demo.api import Api
from demo.models import Models
from demo.run import Runner


@pytest.fixture
def runner(small_model):
    return Runner(small_model)


def models_of(model) -> Models:
    return Models(Path("nowhere"), lambda folder, name: Runner(model, name))


@pytest.fixture
def serve():
    """serve(api): the address at which its routes are served, by a server of its own."""
    servers = []

    def serve(api: Api) -> str:
        config = uvicorn.Config(Starlette(routes=api.routes()), log_level="warning")
        server = uvicorn.Server(config)
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        servers.append((server, thread))
        while not server.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{listening.getsockname()[1]}/"

    yield serve
    for server, thread in servers:
        server.should_exit = True
        thread.join()


@contextmanager
def launched(models: Models, folder: Path, **options) -> Iterator[gr.Blocks]:
    """The page of `python -m demo`, at its `local_url`, with its files in a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        patch.setattr(Image, "MAX_IMAGE_PIXELS", app.MAX_PIXELS)
        page, usual = app.build(models)
        page.launch(prevent_thread_lock=True, quiet=True, **usual | options)
        yield page
        page.close(verbose=False)


@contextmanager
def running(line: Sequence, **options) -> Iterator[subprocess.Popen]:
    """A process that is killed at the end."""
    process = subprocess.Popen(list(map(str, line)), **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
