"""Progress with the time that is left."""

import pytest

from zerosum import reporter
from zerosum.reporter import SilentReporter, TimedProgress


class ListReporter(SilentReporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def progress(self, done: int, total: int, description: str) -> None:
        self.lines.append(f"{description}: {done} of {total}")


def test_the_time_that_is_left_is_that_of_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([0.0, 1.0, 10.0, 20.0, 100.0, 100.0, 110.0])
    monkeypatch.setattr(reporter.time, "monotonic", lambda: next(seconds))
    own = ListReporter()
    progress = TimedProgress(own, "reading")
    for done in (10, 50, 100):  # at 1, 10 and 20 seconds
        progress(done, 100)
    for done in (1, 5):  # at 100 and 110 seconds: another step, which has just begun
        progress(done, 10)
    assert own.lines == [
        "reading: 10 of 100", "reading (10 s left): 50 of 100", "reading: 100 of 100",
        "reading: 1 of 10", "reading (10 s left): 5 of 10",
    ]  # fmt: skip
