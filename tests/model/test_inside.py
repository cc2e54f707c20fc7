"""What is off equals its formula, here made by hooks, and what is read is what the modules had."""

from contextlib import contextmanager

import pytest
import torch

from ldm_core.config import UNetConfig
from ldm_core.model.inside import (
    Inside,
    check_off,
    check_read,
    gates,
    gates_on,
    readings,
    stages,
    switches,
)
from ldm_core.model.unet import UNet
from ldm_core.training.run import model_config

from ..conftest import SMALL, randomised

CONFIG = SMALL.unet
PARTS = {"down.0": "down.0", "down.1": "down.1", "mid": "mid_1", "up.0": "up.0", "up.1": "up.1"}


@pytest.fixture(scope="module")
def unet() -> UNet:
    torch.manual_seed(0)
    return randomised(UNet(CONFIG))


def inputs(images: int = 3):
    generator = torch.Generator().manual_seed(1)
    x_t = torch.randn(images, 4, 8, 8, generator=generator)
    context = torch.randn(images, 5, 64, generator=generator)
    return x_t, torch.rand(images, generator=generator), context


@contextmanager
def hooked(unet: UNet, name: str):
    """The formula of a switch, put into the modules from outside."""
    kind, _, place = name.partition(".")
    if kind == "time":
        times = torch.arange(1001, dtype=torch.float64) / 1000
        mean = unet.embed(times.float()).double().mean(dim=0, keepdim=True).float()
        hook = unet.time_embedding.register_forward_hook(lambda *_: mean)
    elif kind == "skip":
        half = CONFIG.channels[int(place)]

        def without(_, args):
            joined = args[0].clone()
            joined[:, half:] = 0
            return joined, *args[1:]

        hook = unet.up[int(place)].register_forward_pre_hook(without)
    else:
        attention = unet.get_submodule(f"{PARTS[place]}.transformer.{kind}")
        hook = attention.register_forward_hook(lambda _, args, output: torch.zeros_like(output))
    yield
    hook.remove()


def test_names_come_from_the_configuration():
    small = UNetConfig(channels=(16,))
    assert stages(small) == ("down.0", "mid", "up.0")
    assert switches(small)[:3] == ("time", "guidance", "skip.0")
    assert switches(small)[3:6] == tuple(f"self_attention.{s}" for s in stages(small))
    assert set(gates(small)) == set(switches(small)) - {"guidance"}
    assert len(switches(UNetConfig())) == 14
    middle = UNetConfig(middle_only=True)
    assert switches(middle)[-2:] == ("self_attention.mid", "cross_attention.mid")
    assert len(switches(middle)) == 6
    assert check_read("attention", middle) == ("attention.self.mid", "attention.cross.mid")
    assert len(check_read("features", middle)) == 5
    assert model_config(("circle", "square")).unet == middle  # what is trained


@pytest.mark.parametrize("name", gates(CONFIG))
def test_a_switch_is_its_formula_for_the_images_that_have_it_off(unet, name):
    x_t, t, context = inputs()
    on = torch.ones(3, len(gates(CONFIG)))
    on[1] = gates_on((name,), CONFIG, 1)
    inside = Inside(CONFIG, on, unet.mean_embedding())
    found, whole = unet(x_t, t, context, inside), unet(x_t, t, context)
    with hooked(unet, name):
        expected = unet(x_t, t, context)
    torch.testing.assert_close(found[1], expected[1], atol=1e-5, rtol=1e-5)
    assert torch.equal(found[[0, 2]], whole[[0, 2]])
    assert (found[1] - whole[1]).abs().max() > 1e-3  # or the test would say nothing


def test_readings_are_what_the_modules_had(unet):
    seen, names = {}, readings(CONFIG)[:-2]
    hooks = []
    for stage, part in PARTS.items():
        keep = lambda name: lambda _, args, output: seen.__setitem__(name, output)
        of = unet.get_submodule
        hooks += [
            of(part).register_forward_hook(keep(f"features.{stage}")),
            *(
                of(f"{part}.transformer.{kind}_attention.softmax").register_forward_hook(
                    keep(f"attention.{kind}.{stage}")
                )
                for kind in ("self", "cross")
            ),
        ]
    inside = Inside(CONFIG, names=names)
    read = unet(*inputs(), inside)
    for hook in hooks:
        hook.remove()
    assert seen.keys() == inside.found.keys() == set(names)
    assert all(torch.equal(inside.found[name], seen[name]) for name in names)
    assert torch.equal(read, unet(*inputs()))
    assert inside.found["attention.cross.down.0"].shape == (3, 2, 64, 5)
    assert inside.found["attention.self.mid"].shape == (3, 4, 16, 16)
    for name in names[:10]:
        rows = inside.found[name].sum(dim=-1)
        torch.testing.assert_close(rows, torch.ones_like(rows))


def test_a_name_stands_for_all_that_begin_with_it():
    cross = check_read(("attention.cross",), CONFIG)
    assert cross == tuple(f"attention.cross.{stage}" for stage in stages(CONFIG))
    assert check_read("prediction", CONFIG) == ("prediction.cond", "prediction.null")
    assert check_read(("features.mid", "features"), CONFIG)[0] == "features.mid"
    assert len(check_read(("features.mid", "features"), CONFIG)) == 5


@pytest.mark.parametrize("name", ["", "attention.cros", "features.down.2", 3])
def test_what_cannot_be_read_is_refused_with_the_list(name):
    with pytest.raises(ValueError, match="cannot be read; read takes attention.self.down.0, "):
        check_read((name,), CONFIG)


def test_an_unknown_switch_is_refused_with_the_list():
    with pytest.raises(ValueError, match=r"no switch 'skip.2'; off takes time, guidance, skip.0"):
        check_off(("time", "skip.2"), CONFIG)
