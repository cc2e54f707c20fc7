"""Ctrl-C as a wish that training reads between two steps, where its state is whole."""

import signal
import threading


class CtrlC:
    """A context in which the first Ctrl-C sets `pressed` instead of raising KeyboardInterrupt.

    A second Ctrl-C ends the program at once. With `ignores_repeats` it does nothing, and goes on
    doing nothing after the context: torchrun repeats to each process the signal that the terminal
    has already sent to all of them, and the repetition may come while a checkpoint is written.
    """

    def __init__(self, ignores_repeats: bool):
        self.ignores_repeats, self.pressed, self.handler_before = ignores_repeats, False, None

    def __enter__(self) -> "CtrlC":
        # Python sets signal handlers in its main thread only; a handler of someone else's stays.
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self.handler_before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *error) -> None:
        if self.handler_before:
            ignored = self.pressed and self.ignores_repeats
            signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else self.handler_before)

    def _press(self, *_) -> None:
        if self.pressed and not self.ignores_repeats:
            raise KeyboardInterrupt
        self.pressed = True
