"""The endpoints as tools of an assistant, called by a client of the Model Context Protocol."""

import asyncio
import base64
import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from PIL import Image

from demo.request import Request
from demo.run import Runner
from hosting.trial import free_port, wait_for

from ..conftest import ROOT
from .conftest import running
from .values import GOOD


@pytest.fixture(scope="module")
def session(weights, tmp_path_factory):
    """session(work): what `await work(session)` returns."""
    port = free_port()
    line = [sys.executable, "-m", "demo", "--mcp", "--weights", weights, "--port", port]
    # Gradio's tools call its own server by HTTP.
    env = {"GRADIO_TEMP_DIR": str(tmp_path_factory.mktemp("files"))}
    env |= dict.fromkeys(("HTTP_PROXY", "http_proxy"), "http://127.0.0.1:9")
    with running(line, cwd=ROOT, env=os.environ | env) as process, ThreadPoolExecutor(1) as thread:
        wait_for(f"http://127.0.0.1:{port}/", process)

        async def connected(work):
            url = f"http://127.0.0.1:{port}/gradio_api/mcp/"
            async with (
                streamable_http_client(url) as (read, write, _),
                ClientSession(read, write) as session,
            ):
                await session.initialize()
                return await work(session)

        # In a thread: in this one, a browser that is driven may have its loop.
        yield lambda work: thread.submit(asyncio.run, connected(work)).result(60)


@pytest.fixture(scope="module")
def tools(session):
    found = session(lambda session: session.list_tools())
    return {tool.name: tool for tool in found.tools}


def image(content) -> np.ndarray:
    assert content.type == "image"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content.data))))


def test_an_assistant_is_told_what_each_tool_and_each_value_means(tools):
    assert [*tools] == ["generate", "draw", "morph", "compare"]
    for tool in tools.values():
        assert len(tool.description) > 50
        for name, value in tool.inputSchema["properties"].items():
            assert len(value["description"]) > 10, (tool.name, name)
            assert value.keys() & {"type", "oneOf", "anyOf"}, (tool.name, name)
    said = tools["generate"].inputSchema["properties"]
    assert "bold" in said["prompt"]["description"] and "leaning" in said["prompt"]["description"]
    assert said["steps"]["type"] == "integer" and "1 to 100" in said["steps"]["description"]
    assert "unipc" in said["sampler"]["description"]


def test_a_bold_seven_is_drawn(session, small_model):
    asked = {"prompt": "a bold seven", "seed": 11, "steps": 3}
    found = session(lambda session: session.call_tool("generate", asked))
    assert not found.isError
    wanted = Runner(small_model).preview(Request.check(small_model, asked), None).x_t
    assert np.abs(image(found.content[0]) - wanted.astype(int)).max() <= 1  # by ONNX Runtime
    assert "'seed': 11" in found.content[-1].text


def test_what_is_refused_has_a_sentence(session):
    found = session(lambda session: session.call_tool("generate", {"prompt": "a dog"}))
    assert found.isError and "unknown word 'dog'" in found.content[0].text
    found = session(lambda session: session.call_tool("generate", {"lable": "7"}))
    assert found.isError and "lable" in found.content[0].text


def test_a_picture_is_sent_and_drawn_on(session):
    async def ask(session):
        drawn = await session.call_tool("generate", GOOD)
        uri = f"data:image/png;base64,{drawn.content[0].data}"
        return await session.call_tool("draw", {"start_from": uri, "strength": 0, "steps": 1})

    assert image(session(ask).content[0]).shape == (28, 28)
