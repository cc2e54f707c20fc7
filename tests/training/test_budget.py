from ldm_core.training import budget
from ldm_core.training.budget import SpeedTest, completes_a_part, steps_that_fit


def test_progress_comes_ten_times_and_at_the_end():
    steps = [step for step in range(1, 26) if completes_a_part(step, 25)]
    assert steps == [3, 5, 8, 10, 13, 15, 18, 20, 23, 25]
    assert [step for step in range(1, 4) if completes_a_part(step, 3)] == [1, 2, 3]


def test_a_slow_start_does_not_shorten_the_run():
    marks = [100, 105, 106, 107, 108]  # four steps in 8 seconds; the first took 5 of them
    assert steps_that_fit(20, marks) == 4 + 12
    assert steps_that_fit(3, marks) == 4


def test_the_time_of_the_grids_is_no_time_for_steps(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(budget.time, "perf_counter", lambda: now[0])

    def wait(seconds):
        now[0] += seconds

    test = SpeedTest(60)
    wait(5)  # the first grid
    test.draw_again(lambda: wait(2))
    for _ in range(3):
        wait(1)
        test.end_of_step()
    assert test.steps_that_fit() == 60 - 5 - 2 - 10 * 2
