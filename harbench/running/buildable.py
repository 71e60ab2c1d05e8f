"""Whether a configuration can be built here, found out before memory and time are spent on it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

import psutil
import torch
from torch import nn
from torch.nn.modules import module as hooks

from harbench.errors import HarbenchError, one_line
from harbench.method import InputShape, Method
from harbench.options import differences, format_spec

T = TypeVar("T")
# Layers and parameters; the largest network here has some hundreds.
PARTS = 20_000
# Weights, gradients and the optimiser's two moments, four bytes each.
BYTES = 16
# Of the machine's memory; activations and data need the rest.
SHARE = 0.5
SECONDS = 60.0


def require_buildable(method: Method, shape: InputShape) -> None:
    """Raise HarbenchError where options make a network too large, too slow to build, or impossible.

    Unusual options are tried without memory first. Code that fails with its default options, too,
    raises what it raises. torch's random numbers are left as they were.
    """
    if unusual(method):
        with torch.random.fork_rng(), torch.device("meta"):
            try:
                with within(method):
                    method.build(shape)
            except HarbenchError:
                raise
            except Exception:  # much code needs values, which this device has not
                pass

    def build(tried: Method) -> nn.Module | None:
        with torch.random.fork_rng(), within(tried):
            return tried.build(shape)

    mended(method, build)


def unusual(method: Method) -> str:
    """The options that differ from the defaults, as a label has them; "" where none does."""
    changed = differences(method.config, type(method).Config())
    return format_spec(method.name, changed) if changed else ""


def mended(method: Method, call: Callable[[Method], T]) -> T:
    """What `call` gives for the method; HarbenchError where only the options are at fault."""
    try:
        return call(method)
    except HarbenchError:
        raise
    except Exception as error:
        options = unusual(method)
        if options:
            call(type(method)(type(method).Config()))
            raise HarbenchError(
                f"{options} cannot be built: {one_line(error)}. With its default options the "
                "method can."
            ) from error
        raise


@contextmanager
def within(method: Method) -> Iterator[None]:
    """Raise HarbenchError once what is built inside outgrows this machine, or takes too long."""
    name = unusual(method) or method.name
    room = SHARE * psutil.virtual_memory().total
    parts, numbers = 0, 0

    def count() -> None:
        nonlocal parts
        parts += 1
        if parts > PARTS:
            raise HarbenchError(
                f"{name} has more than {PARTS:,} layers and parameters. Choose smaller values."
            )

    def parameter(_module: nn.Module, _name: str, added: torch.Tensor | None) -> None:
        nonlocal numbers
        numbers += added.numel() if added is not None else 0
        count()
        if numbers * BYTES > room:
            raise HarbenchError(
                f"{name} is too large: {numbers:,} parameters or more need "
                f"{numbers * BYTES / 2**30:,.0f} GiB to be trained, and {SHARE:.0%} of this "
                f"machine's memory is {room / 2**30:,.0f} GiB. Choose smaller values."
            )

    def submodule(_module: nn.Module, _name: str, _added: nn.Module | None) -> None:
        count()

    counters = (
        hooks.register_module_parameter_registration_hook(parameter),
        hooks.register_module_module_registration_hook(submodule),
    )
    try:
        with limited(f"{name} takes more than {SECONDS:.0f} seconds to build."):
            yield
    finally:
        for counter in counters:
            counter.remove()


@contextmanager
def limited(words: str) -> Iterator[None]:
    """Raise HarbenchError after `SECONDS`, where the system can interrupt: in the main thread."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise HarbenchError(f"{words} Choose smaller values.")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
