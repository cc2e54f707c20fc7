"""The HTTP endpoint, as scripts call it."""

import numpy as np
import pytest
from gradio_client import Client
from PIL import Image

from demo.requests import FIRST_SEED
from ldm_core import read_settings

from .actions import STEPS, generate, pixels


@pytest.fixture(scope="module")
def client(server, tmp_path_factory):
    return Client(server, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 20.5}, "Steps must be a whole number"),
        ({"steps": True}, "Steps must be a whole number"),
        ({"steps": 101}, "from 1 to 100, not 101"),
        ({"guidance_scale": None}, "Guidance scale must be a number from 0 to 10, not empty"),
        ({"guidance_scale": "NaN"}, "Guidance scale must be a number"),
        ({"sampler": "magic"}, "Sampler must be one of"),
        ({"sampler": ["ddim"]}, "Sampler must be one of"),
        ({"label": "x" * 100_000}, "Label must be one of"),
        ({"seed": -1}, "Seed must be a whole number"),
    ],
)
def test_http_refuses_with_a_message(client, values, message):
    with pytest.raises(Exception, match=message):
        client.predict(api_name="/generate", **values)


def test_http_draws_what_the_page_draws(client, open_page):
    page = open_page()
    generate(page)
    png, gif, settings = client.predict(label="7", seed=FIRST_SEED, api_name="/generate")
    assert (np.asarray(Image.open(png)) == pixels(page.get_attribute(".x_t", "src"))).all()
    assert Image.open(gif).n_frames == STEPS + 1
    for file in (png, gif):
        assert read_settings(file).items() >= settings.items()
    again = client.predict(api_name="/generate", **settings)
    assert np.array_equal(np.asarray(Image.open(again[0])), np.asarray(Image.open(png)))
