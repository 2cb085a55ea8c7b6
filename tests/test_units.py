"""How lengths of time are said."""

import re

import pytest

from zerosum.units import format_seconds


@pytest.mark.parametrize(
    ("value", "said"),
    [(45, "45 s"), (267, "4 min 30 s"), (300, "5 min"), (599, "10 min"), (1000, "17 min"), (5400, "1 h 30 min")],
)
def test_times_as_people_say_them(value: float, said: str) -> None:
    assert format_seconds(value) == said


def test_what_is_said_is_within_a_twentieth() -> None:
    """An estimate of 4 min 27 s must not be said as 4 min."""
    worth = {"s": 1, "min": 60, "h": 3600, "days": 86400}
    for value in range(20, 400_000, 37):
        parts = re.findall(r"([\d.]+) (s|min|h|days)", format_seconds(value))
        assert sum(float(number) * worth[unit] for number, unit in parts) == pytest.approx(value, rel=0.056)
