import torch

from ldm_core.training.draws import batch_at, chance_at, generator_at


def test_every_epoch_sees_every_example_once_in_a_new_order():
    size, batch = 10, 4
    drawn = torch.cat([batch_at(step, size, batch, seed=0) for step in range(5)])
    first, second = drawn[:size], drawn[size:]
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(size))
    assert first.tolist() != second.tolist()
    assert torch.equal(batch_at(2, size, batch, seed=0), drawn[8:12])
    assert not torch.equal(batch_at(0, size, size, seed=1), first)


def test_draws_are_functions_of_seed_step_and_stream():
    def number(seed, step, stream):
        return torch.rand(1, generator=generator_at(seed, step, torch.device("cpu"), stream)).item()

    for draw in (number, lambda *key: chance_at(*key).random()):
        assert draw(0, 5, 0) == draw(0, 5, 0)
        assert len({draw(0, 5, 0), draw(0, 6, 0), draw(1, 5, 0), draw(0, 5, 1)}) == 4
