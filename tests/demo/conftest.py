import socket
import threading
import time
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette

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
