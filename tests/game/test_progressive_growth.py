"""Growth against its closed form: where phases begin and end, exactly."""

from fractions import Fraction
from math import floor

import pytest
from pydantic import ValidationError

from zerosum.game.progressive_growth import GrowthSchedule
from zerosum.game.schedule import Progress


def at(growth: GrowthSchedule, images: int, levels: int) -> float:
    return growth(Progress(0, images), levels)


def closed(images: int, begin: int, end: int, first: int, last: int) -> float:
    """In exact fractions: 2 (last - first) phases, the odd ones steady."""
    place = min(max(Fraction(images - begin, end - begin), Fraction(0)), Fraction(1)) * 2 * (last - first)
    grown = floor(place / 2)
    return float(first + grown + max(place - 2 * grown - 1, Fraction(0)))


@pytest.mark.parametrize("first", [0, 1, 8])
@pytest.mark.parametrize("levels", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("moments", [(0, 600), (100, 700), (7, 8), (3, 1000), (0, 12_800_000)])
def test_it_is_its_closed_form_and_never_shrinks(moments: tuple[int, int], levels: int, first: int) -> None:
    begin, end = moments
    growth, last = GrowthSchedule(start_level=first, examples=moments), levels - 1
    step = max(1, (end - begin) // 997)
    times = [0, begin, *range(begin, end + 3 * step, step), end - 1, end, end + 1, 10 * end]
    values = [at(growth, images, levels) for images in sorted(times)]
    assert values == sorted(values)
    assert values[0] == min(first, last)
    assert values[-1] == last
    for images, value in zip(sorted(times), values, strict=True):
        assert value == pytest.approx(closed(images, begin, end, min(first, last), last), abs=1e-12)


def test_phases_of_a_known_run() -> None:
    """From 8 x 8 to 32 x 32 pixels in 400 images: steady, fade, steady, fade, of 100 each."""
    growth = GrowthSchedule(start_level=1, examples=(100, 500))
    known = {0: 1, 100: 1, 150: 1, 200: 1, 225: 1.25, 300: 2, 350: 2, 400: 2, 450: 2.5, 499: 2.99, 500: 3, 9_999: 3}
    assert {images: at(growth, images, 4) for images in known} == known


def test_whole_numbers_are_exact_where_nothing_is_faded_in() -> None:
    """1024 x 1024 pixels as the paper grows to them: 800,000 images a phase."""
    growth = GrowthSchedule(examples=(0, 16 * 800_000))
    for level in range(8):
        for images in (0, 1, 399_999, 800_000):
            assert at(growth, level * 1_600_000 + images, 9) == level
        assert level < at(growth, level * 1_600_000 + 800_001, 9) < level + 1
        assert level < at(growth, level * 1_600_000 + 1_599_999, 9) < level + 1
    assert at(growth, 12_800_000, 9) == 8


def test_one_level_has_nothing_to_grow() -> None:
    growth = GrowthSchedule(examples=(10, 20))
    assert [at(growth, images, 1) for images in (0, 10, 15, 20, 30)] == [0] * 5


def test_it_knows_only_the_images_seen() -> None:
    """So a resumed run goes on where it was, whatever the rounds and the order of asking."""
    growth = GrowthSchedule(examples=(0, 1000))
    forward = [growth(Progress(images // 7, images), 5) for images in range(0, 1100, 13)]
    again = GrowthSchedule.model_validate(growth.model_dump())
    backward = [again(Progress(0, images), 5) for images in reversed(range(0, 1100, 13))]
    assert forward == backward[::-1]


def test_a_share_of_the_run_becomes_images() -> None:
    growth = GrowthSchedule(start_level=1).resolve(1_000)
    assert growth == GrowthSchedule(start_level=1, examples=(0, 600))
    assert growth.resolve(5_000) == growth
    assert GrowthSchedule(fraction=(0.1, 0.5)).resolve(2_000).examples == (200, 1_000)
    assert GrowthSchedule(fraction=(0.1, 0.5)).resolve(0).examples == (
        0,
        1,
    )  # too short a run has grown at its first round's end
    assert GrowthSchedule.model_validate(growth.model_dump(mode="json")) == growth
    assert GrowthSchedule.model_validate(GrowthSchedule().model_dump(mode="json")) == GrowthSchedule()


@pytest.mark.parametrize(
    "wrong",
    [
        {"images": (5, 5)},
        {"share": (0.6, 0.2)},
        {"images": (0, 100), "share": (0.0, 0.6)},
        {"share": (0.0, 0.0)},
        {"images": (0, 0), "share": (0.0, 0.0)},
    ],
)
def test_moments_are_checked(wrong: dict[str, tuple[float, float]]) -> None:
    with pytest.raises(ValidationError, match=r"give either images = \[from, to\] or share = \[from, to\]"):
        GrowthSchedule(**wrong)
    with pytest.raises(ValidationError):
        GrowthSchedule(start_level=9)
