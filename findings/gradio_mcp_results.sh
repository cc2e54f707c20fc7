#!/usr/bin/env bash
# A Gradio function that returns two values is one tool of Gradio's MCP server, but what the tool answers
# depends on whether the client asks for news of its progress. With a progress token, the values are two
# contents; without one, they are a single text, that of a Python list, so that a picture among them is
# lost. `call_tool` of the MCP SDK sends a token only if it gets a progress_callback. A function with one
# value answers the same either way.
# Seen: two values become ["['one', 'two']"] without a callback, ['one', 'two'] with one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "gradio[mcp]==6.31.0" mcp==1.30.0
cd "$folder"
GRADIO_ANALYTICS_ENABLED=False "$folder/venv/bin/python" - <<'PY'
import asyncio

import gradio as gr
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client


def single() -> str:
    return "one"


def several() -> tuple[str, str]:
    return "one", "two"


with gr.Blocks() as page:
    gr.api(single)
    gr.api(several)
page.launch(mcp_server=True, prevent_thread_lock=True, quiet=True)


async def answers(name, **options):
    url = f"{page.local_url}gradio_api/mcp/"
    async with streamable_http_client(url) as (read, write, _), ClientSession(read, write) as session:
        await session.initialize()
        return [c.text for c in (await session.call_tool(name, {}, **options)).content]


async def heard(progress, total, message):
    pass


for name in ("single", "several"):
    without, asking = (
        asyncio.run(answers(name)),
        asyncio.run(answers(name, progress_callback=heard)),
    )
    print(name, without, asking)
    assert asking == {"single": ["one"], "several": ["one", "two"]}[name]
    assert without == {"single": ["one"], "several": ["['one', 'two']"]}[name], "it has changed"
page.close(verbose=False)
PY
