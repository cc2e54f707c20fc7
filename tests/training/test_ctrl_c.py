import signal
import threading

import pytest

from ldm_core.training.ctrl_c import CtrlC


@pytest.fixture(autouse=True)
def handler():
    yield
    signal.signal(signal.SIGINT, signal.default_int_handler)


def press():
    signal.raise_signal(signal.SIGINT)


def test_the_first_is_a_wish_and_the_second_ends_the_program():
    with CtrlC(ignores_repeats=False) as ctrl_c:
        assert not ctrl_c.pressed
        press()
        assert ctrl_c.pressed
        with pytest.raises(KeyboardInterrupt):
            press()
    with pytest.raises(KeyboardInterrupt):
        press()


def test_repeats_can_be_ignored_also_while_the_checkpoint_is_written():
    with CtrlC(ignores_repeats=True) as ctrl_c:
        press()
        press()
    press()
    assert ctrl_c.pressed


def test_without_a_press_it_leaves_nothing_behind():
    with CtrlC(ignores_repeats=True):
        pass
    with pytest.raises(KeyboardInterrupt):
        press()


def test_another_thread_trains_without_it():
    def use():
        with CtrlC(ignores_repeats=False):
            seen.append(signal.getsignal(signal.SIGINT))

    seen = []
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
