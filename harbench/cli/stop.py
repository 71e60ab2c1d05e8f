"""Ctrl-C and SIGTERM end a command in order, with a line that says how to go on."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """The user, or the system, wants the command to end; nothing but `stoppable` catches it."""


@contextmanager
def stoppable() -> Iterator[None]:
    """End the process with 130 (Ctrl-C) or 143 (SIGTERM), as a shell expects it.

    What is inside unwinds: workers are ended, temporary files removed. A signal that is ignored
    already, as in a background job of a script, stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.getsignal(each) for each in SIGNALS}
    heard = [each for each in SIGNALS if before[each] is not signal.SIG_IGN]

    def stop(number: int, _frame: FrameType | None) -> None:
        # A second one must not disturb the unwinding.
        for each in heard:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    try:
        for each in heard:
            signal.signal(each, stop)
        yield
    except Stopped as stopped:
        print("harbench: interrupted; the same command goes on from here.", file=sys.stderr)
        sys.exit(128 + int(stopped.args[0]))
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
