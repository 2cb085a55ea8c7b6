"""Signals during training: the first is remembered, the second stops at once, whenever it comes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from zerosum.training.trainer import catch_interrupts

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
SECOND_WITHIN_FIRST = """
import signal, sys
from zerosum.training.trainer import catch_interrupts

for line in range(1, 12):  # the second signal comes before this line of whatever the first one runs
    seen = 0
    def trace(frame, event, argument):
        global seen
        seen += event == "line" and frame.f_code.co_name != "<module>"
        if seen == line:
            seen += 1
            signal.raise_signal(signal.SIGINT)
        return trace
    try:
        with catch_interrupts():
            sys.settrace(trace)
            signal.raise_signal(signal.SIGINT)
            sys.settrace(None)
            if seen >= line:
                raise SystemExit(f"the second signal before line {line} was lost")
            signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        sys.settrace(None)
        print("stopped", flush=True)
"""


@pytest.fixture(autouse=True)
def former_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    after = {number: signal.getsignal(number) for number in NUMBERS}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert after == before


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_signal_is_a_request_and_the_second_stops(number: signal.Signals) -> None:
    reached = []

    def send_two() -> None:
        with catch_interrupts() as request:
            os.kill(os.getpid(), number)
            reached.append(list(request.signals))
            os.kill(os.getpid(), number)
            reached.append([])

    with pytest.raises(KeyboardInterrupt):
        send_two()
    assert reached == [[number]]


def test_an_ignored_hangup_stays_ignored() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with catch_interrupts() as request:
            os.kill(os.getpid(), signal.SIGHUP)
        assert not request.signals
    finally:
        signal.signal(signal.SIGHUP, former)


def test_a_second_signal_while_the_first_is_handled_never_hangs() -> None:
    arguments = [sys.executable, "-c", SECOND_WITHIN_FIRST]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "stopped\n" * 11
