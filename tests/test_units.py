"""Durations are formatted readably, and close to their value."""

import re

import pytest

from zerosum.units import MAX_COUNT, format_seconds, parse_count


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(45, "45 s"), (267, "4 min 30 s"), (300, "5 min"), (599, "10 min"), (1000, "17 min"), (5400, "1 h 30 min")],
)
def test_format_seconds(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_formatted_durations_are_within_six_percent() -> None:
    """An estimate of 4 min 27 s must not be printed as 4 min."""
    seconds_per_unit = {"s": 1, "min": 60, "h": 3600, "days": 86400}
    for seconds in range(20, 400_000, 37):
        parts = re.findall(r"([\d.]+) (s|min|h|days)", format_seconds(seconds))
        assert sum(float(number) * seconds_per_unit[unit] for number, unit in parts) == pytest.approx(
            seconds, rel=0.056
        )


def test_counts_are_bounded() -> None:
    assert parse_count("1.5M") == 1_500_000
    for text in (str(MAX_COUNT + 1), "9" * 5000):
        with pytest.raises(ValueError, match="too large"):
            parse_count(text)
