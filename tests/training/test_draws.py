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
    def draw(*key):
        seed, step, stream = key
        generator = generator_at(seed, step, torch.device("cpu"), stream)
        return torch.randn(4, generator=generator).tolist()

    assert draw(0, 5, 0) == draw(0, 5, 0)
    keys = [(0, 5, 0), (0, 6, 0), (1, 5, 0), (0, 5, 1)]
    assert len({tuple(draw(*key)) for key in keys}) == 4


def test_chance_is_a_function_of_seed_step_and_stream():
    keys = [(0, 5, 0), (0, 6, 0), (1, 5, 0), (0, 5, 1)]
    assert chance_at(0, 5, 0).random() == chance_at(0, 5, 0).random()
    assert len({chance_at(*key).random() for key in keys}) == 4
