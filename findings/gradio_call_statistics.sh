#!/usr/bin/env bash
# After each call Gradio makes a pandas table of all calls so far (of the last 10,000), for statistics that
# only its page of monitoring shows, whether or not anybody opens it. So each call costs the server a little
# more than the one before. GRADIO_ANALYTICS_ENABLED=False, which stops what Gradio sends about itself, does
# not stop it; GRADIO_ANALYTICS_CACHE_FREQUENCY, the number of calls from one table to the next, does.
# Seen: 20 calls make 20 tables, of 1, 2, ..., 20 rows; none with a cache frequency of 1000.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet gradio==6.31.0 gradio_client==2.7.2 pandas==3.1.1
cd "$folder"
cat > calls.py <<'PY'
import sys

import gradio as gr
import pandas
from gradio_client import Client

rows = []
make = pandas.DataFrame.__init__


def counted(self, data=None, *arguments, **options):
    if isinstance(data, list) and data and isinstance(data[0], dict) and "process_time" in data[0]:
        rows.append(len(data))
    make(self, data, *arguments, **options)


pandas.DataFrame.__init__ = counted


def double(x: float) -> float:
    return 2 * x


with gr.Blocks() as page:
    gr.api(double)
page.launch(prevent_thread_lock=True, quiet=True)
client = Client(page.local_url, verbose=False)
for i in range(20):
    assert client.predict(i, api_name="/double") == 2 * i
page.close(verbose=False)
print("rows of the tables that 20 calls made:", rows)
assert rows == ([*range(1, 21)] if sys.argv[1] == "1" else []), "it has changed"
PY
export GRADIO_ANALYTICS_ENABLED=False
"$folder/venv/bin/python" calls.py 1
GRADIO_ANALYTICS_CACHE_FREQUENCY=1000 "$folder/venv/bin/python" calls.py 1000
