"""The growth schedule against its closed form: phases begin and end at exact numbers of examples."""

from fractions import Fraction
from math import floor

import pytest
from pydantic import ValidationError

from zerosum.game.growth_schedule import GrowthSchedule
from zerosum.game.schedule import Progress


def growth_at(schedule: GrowthSchedule, examples: int, levels: int) -> float:
    return schedule(Progress(0, examples), levels)


def exact_growth(examples: int, start: int, end: int, first_level: int, last_level: int) -> float:
    """Compute the growth in exact fractions: 2 (last - first) phases, alternately constant and fading in."""
    completed = min(max(Fraction(examples - start, end - start), Fraction(0)), Fraction(1))
    phase = completed * 2 * (last_level - first_level)
    added_levels = floor(phase / 2)
    return float(first_level + added_levels + max(phase - 2 * added_levels - 1, Fraction(0)))


@pytest.mark.parametrize("start_level", [0, 1, 8])
@pytest.mark.parametrize("levels", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("interval", [(0, 600), (100, 700), (7, 8), (3, 1000), (0, 12_800_000)])
def test_growth_matches_its_closed_form_and_never_shrinks(
    interval: tuple[int, int], levels: int, start_level: int
) -> None:
    start, end = interval
    schedule, last = GrowthSchedule(start_level=start_level, examples=interval), levels - 1
    first = min(start_level, last)
    step = max(1, (end - start) // 997)
    times = sorted([0, start, *range(start, end + 3 * step, step), end - 1, end, end + 1, 10 * end])
    values = [growth_at(schedule, examples, levels) for examples in times]
    assert values == sorted(values)
    assert values[0] == first
    assert values[-1] == last
    for examples, value in zip(times, values, strict=True):
        assert value == pytest.approx(exact_growth(examples, start, end, first, last), abs=1e-12)


def test_phases_of_a_known_run() -> None:
    """From 8 x 8 to 32 x 32 pixels in 400 examples: constant, fade, constant, fade, of 100 examples each."""
    schedule = GrowthSchedule(start_level=1, examples=(100, 500))
    known = {0: 1, 100: 1, 150: 1, 200: 1, 225: 1.25, 300: 2, 350: 2, 400: 2, 450: 2.5, 499: 2.99, 500: 3, 9_999: 3}
    assert {examples: growth_at(schedule, examples, 4) for examples in known} == known


def test_growth_is_an_exact_integer_while_nothing_is_faded_in() -> None:
    """The paper's schedule to 1024 x 1024 pixels: 800,000 images per phase."""
    schedule = GrowthSchedule(examples=(0, 16 * 800_000))
    for level in range(8):
        for examples in (0, 1, 399_999, 800_000):
            assert growth_at(schedule, level * 1_600_000 + examples, 9) == level
        assert level < growth_at(schedule, level * 1_600_000 + 800_001, 9) < level + 1
        assert level < growth_at(schedule, level * 1_600_000 + 1_599_999, 9) < level + 1
    assert growth_at(schedule, 12_800_000, 9) == 8


def test_networks_with_one_level_do_not_grow() -> None:
    schedule = GrowthSchedule(examples=(10, 20))
    assert [growth_at(schedule, examples, 1) for examples in (0, 10, 15, 20, 30)] == [0] * 5


def test_growth_depends_on_the_number_of_examples_only() -> None:
    """A resumed run continues at the same growth, whatever the round and the order of calls."""
    schedule = GrowthSchedule(examples=(0, 1000))
    forward = [schedule(Progress(examples // 7, examples), 5) for examples in range(0, 1100, 13)]
    restored = GrowthSchedule.model_validate(schedule.model_dump())
    backward = [restored(Progress(0, examples), 5) for examples in reversed(range(0, 1100, 13))]
    assert forward == backward[::-1]


def test_fraction_of_the_run_is_resolved_to_examples() -> None:
    schedule = GrowthSchedule(start_level=1).resolve(1_000)
    assert schedule == GrowthSchedule(start_level=1, examples=(0, 600))
    assert schedule.resolve(5_000) == schedule
    assert GrowthSchedule(fraction=(0.1, 0.5)).resolve(2_000).examples == (200, 1_000)
    # in a run that is too short, growth is complete after the first round
    assert GrowthSchedule(fraction=(0.1, 0.5)).resolve(0).examples == (0, 1)
    assert GrowthSchedule.model_validate(schedule.model_dump(mode="json")) == schedule
    assert GrowthSchedule.model_validate(GrowthSchedule().model_dump(mode="json")) == GrowthSchedule()


@pytest.mark.parametrize(
    "interval",
    [
        {"examples": (5, 5)},
        {"fraction": (0.6, 0.2)},
        {"examples": (0, 100), "fraction": (0.0, 0.6)},
        {"fraction": (0.0, 0.0)},
        {"examples": (0, 0), "fraction": (0.0, 0.0)},
    ],
)
def test_invalid_intervals_are_refused(interval: dict[str, tuple[float, float]]) -> None:
    with pytest.raises(ValidationError, match="either `examples` or `fraction`"):
        GrowthSchedule(**interval)


def test_start_level_is_bounded() -> None:
    with pytest.raises(ValidationError, match="start_level"):
        GrowthSchedule(start_level=9)
