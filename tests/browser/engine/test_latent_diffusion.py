"""latent_diffusion.js: what it refuses, and how it is stopped."""

import pytest

from ldm_core import InputError

from .conftest import MADE_UP, unquoted
from .made_up import about, made_up

REFUSED = [
    ("seven", {}),
    ([], {}),
    ([10], {}),
    ([True], {}),
    (["7", 2.5], {}),
    (["a bold sven with \\ in it"], {}),
    (["one two tree for fife sicks"], {}),
    (["seven eight"], {}),
    (["thin bold"], {}),
    (["a " * 13], {}),
    ([1], {"steps": 0}),
    ([1], {"steps": 2.5}),
    ([1], {"steps": "12"}),
    ([1], {"steps": None}),
    ([1], {"sampler": "a sampler that nobody has ever heard of"}),
    ([1], {"spacing": "it's"}),
    ([1], {"eta": 2}),
    ([1], {"eta": 0.5, "sampler": "unipc"}),
    ([1], {"guidance_scale": 30.5}),
    ([1], {"guidance_scale": True}),
    ([1], {"guidance_rescale": -1}),
    ([1], {"guidance_interval": [0.5]}),
    ([1], {"guidance_interval": [0, 2]}),
    ([1], {"guidance_interval": [0.7, 0.4]}),
    ([1], {"off": ["skip.2"]}),
    ([1], {"off": "time"}),
    ([1], {"strength": 1, "cfg": 2}),
    ([1], {"seeds": [1, 2]}),
    ([1], {"seeds": [-1]}),
    ([1], {"seeds": [2**32]}),
    ([1], {"negative": [2, 3]}),
    ([1], {"negative": 10}),
    ([1], {"negative": "thin", "guidance_scale": 1}),
    ([1], {"style": {"colour": 1}}),
    ([1], {"style": {"lean": 1.5}}),
    ([1], {"style": ["lean"]}),
    (["a bold seven"], {"style": {"stroke": -0.5}}),
    (["a a a a a a a a a a a"], {"style": {"lean": 0.5}}),
]
REFUSE = """({ made_up }, { about, cases }) => cases.map(([asked, options]) => {
  try {
    made_up(about).denoise(asked, options);
  } catch ({ name, message }) {
    return `${name}: ${message}`;
  }
})"""


def test_what_python_refuses_is_refused_at_the_call_in_the_same_words(node):
    found = node(MADE_UP, REFUSE, {"about": about(made_up()), "cases": REFUSED})
    for (asked, options), message in zip(REFUSED, found, strict=True):
        with pytest.raises(InputError) as error:
            made_up().denoise(asked, **options)
        assert unquoted(message) == unquoted(f"InputError: {error.value}")


# Heun's method asks for two predictions in a step, but the last; all prompts are read once, before.
STOP = """async ({ made_up }, { about, how }) => {
  const model = made_up(about), { network } = model, controller = new AbortController();
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => controller.abort();
  const predict = network.predict;
  network.predict = (...given) => {
    if (how === "fourth" && network.asked.length === 4) controller.abort();
    if (how === "message") port2.postMessage(null);
    return predict.apply(network, given);
  };
  if (how === "before") controller.abort();
  const { signal } = controller;
  const options = { sampler: "heun", steps: 20, guidance_scale: 1, seeds: [1], signal };
  let last = -1, name = null;
  try {
    for await (const { index } of model.denoise([7], options)) last = index;
  } catch (error) {
    name = error.name;
  }
  port1.close();
  return { name, last, calls: network.asked.length };
}"""


@pytest.mark.parametrize(
    ("how", "name", "last", "calls"),
    [
        ("never", None, 20, 1 + 39),
        ("before", "AbortError", 0, 0),
        ("fourth", "AbortError", 1, 1 + 4),
        ("message", "AbortError", 0, 1 + 1),  # it is heard although the network never waits
    ],
)
def test_a_signal_stops_within_a_step(node, how, name, last, calls):
    found = node(MADE_UP, STOP, {"about": about(made_up()), "how": how})
    assert found == {"name": name, "last": last, "calls": calls}


def test_seeds_are_drawn_where_none_are_given(node):
    draw = """async ({ made_up }, about) => {
      const first = async () => (await made_up(about).denoise([1, 1]).next()).value.x_t;
      return [await first(), await first()].flatMap((x) => [x.slice(0, 256), x.slice(256)]);
    }"""
    assert len(set(map(tuple, node(MADE_UP, draw, about(made_up()))))) == 4


def test_what_is_no_number_is_no_picture(node):
    decode = """async ({ made_up }, about) => made_up(about)
      .decode(new Float32Array(256).fill(NaN)).catch(({ message }) => message)"""
    message = node(MADE_UP, decode, about(made_up()))
    assert message.startswith("The latents hold NaN or infinity, which are no picture.")
