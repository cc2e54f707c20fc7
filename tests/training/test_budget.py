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


def test_a_machine_that_slows_down_is_noticed_early(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(budget.time, "perf_counter", lambda: now[0])
    test = SpeedTest(100)
    for _ in range(50):
        now[0] += 0.125
        test.end_of_step()
    total = test.steps_that_fit()
    assert total == 800
    assert test.slowdown(69) is None

    def after(steps, seconds_each):
        now[0] = 6.25 + steps * seconds_each
        return test.late(50 + steps, total)

    assert after(19, 1.0) is None  # too early to tell
    assert after(20, 1.0) == 6.25 + 750
    assert after(300, 0.15) is None  # a fifth slower: the reserve is there for that
    assert after(300, 0.25) == 6.25 + 187.5
    assert test.slowdown(350) == 2
    test.watch_from(350)
    now[0] += 20 * 0.125
    assert test.slowdown(370) == 1  # by what has come since
