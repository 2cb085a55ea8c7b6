"""What an examination makes of pictures that were made from others: each sense gives signals by name.

See `signals.SIGNALS`. Where a game goes both ways, each sense speaks of the way that is worse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.diagnosis.measures import Signals
from zerosum.evaluation.metrics.thumbnails import NEIGHBOURS, Crowd, echo, looks, shrunk, spread

LEVEL = 1 / 127.5
"""The step between two bytes of a picture: what is smaller cannot be seen."""
FLAT = 0.01
"""Brightness or colour that deviates by less correlates with nothing."""
MEANT = 16
"""Pictures from which the correlation of their means says something."""
WINDOW = 16
"""Pixels a side of the windows in which grids are looked for."""
GRIDDED = 32
"""Pictures in which they are, at most."""


class Way(NamedTuple):
    """Questions one way, what was made of them, and what was wanted; float32 on the CPU."""

    given: Tensor
    """(N, Ci, h, w)."""
    made: Tensor
    """(N, C, H, W)."""
    wanted: Tensor
    """(N, C, H, W); the answers, or others of their kind."""
    answers: Tensor
    """(N, C, H, W) the same as `made`, but that all are made with one seed."""


def worst(found: Sequence[Signals], by: str, high: bool = False) -> Signals:
    """The signals of the way on which this one is lowest, or highest; nothing where no way has it."""
    having = [signals for signals in found if by in signals]
    return (max if high else min)(having, key=lambda signals: signals[by], default={})


def over(above: Tensor, below: Tensor) -> float:
    """The mean size of one difference over that of another; not a number where that cannot be seen."""
    size = float(below.abs().mean())
    return float(above.abs().mean()) / size if size >= LEVEL else math.nan


def nearness(way: Way, truth: bool) -> Signals:
    """How near what is made is to what was given, and to the truth where that is known."""
    made, wanted = way.made, way.wanted
    found = {}
    if way.given.shape == made.shape:
        apart = wanted - way.given
        found["exam/likeness"] = over(made - way.given, apart)
        if truth:
            found["exam/l1"] = over(made - wanted, apart)
    if truth:
        found["exam/error"] = over(made - wanted, wanted - wanted.mean(0))
    return _known(found)


def answer(way: Way) -> Signals:
    """How much pictures vary with what they are made from, and how many have a near copy among them."""
    rows, wanted = looks(way.answers), looks(way.wanted)
    apart = spread(wanted)
    if apart <= 1e-6:  # wanted pictures that are all alike: one answer for all is right
        return {}
    found = {"exam/answer": spread(rows) / apart}
    if len(rows) > NEIGHBOURS + 1:
        found["exam/echo"] = echo(Crowd.of(rows), Crowd.of(wanted))
    return found


def tone(way: Way, truth: bool) -> Signals:
    """How brightness and colour follow the truth's, or where that is not known those of what was given; -1 to 1."""
    beside = way.wanted if truth else way.given
    if beside.shape != way.made.shape:
        return {}
    made, right = shrunk(way.made), shrunk(beside)
    found = _followed("tone", made.mean(1, keepdim=True), right.mean(1, keepdim=True))
    if made.shape[1] == len("RGB"):
        found |= _followed("hue", _opponents(made), _opponents(right))
    return _known(found)


def _followed(name: str, made: Tensor, right: Tensor) -> Signals:
    """How (N, C, h, w) correlate within pictures, and their means (N, C) between them."""
    means = [each.mean((2, 3), keepdim=True) for each in (made, right)]
    found = {f"exam/{name}": _correlation(made - means[0], right - means[1])}
    if len(made) >= MEANT:
        found[f"exam/{name}_between"] = _correlation(*(each - each.mean(0) for each in means))
    return found


def _opponents(pictures: Tensor) -> Tensor:
    """(N, 2, h, w) red against green and blue against both, of RGB pictures."""
    red, green, blue = pictures.unbind(1)
    return torch.stack([red - green, blue - (red + green) / 2], 1)


def _correlation(one: Tensor, other: Tensor) -> float:
    """Of centred numbers; not a number where either hardly deviates."""
    sizes = [float(each.square().mean().sqrt()) for each in (one, other)]
    return float((one * other).mean()) / (sizes[0] * sizes[1]) if min(sizes) >= FLAT else math.nan


def grid(way: Way) -> Signals:
    """How far the spectrum stands out where grids of 2 and 4 pixels are, and how strong such grids are.

    Upsampling that treats neighbouring pixels unlike leaves them (Odena, Dumoulin and Olah 2016, "Deconvolution and
    Checkerboard Artifacts", doi:10.23915/distill.00003).
    """
    if min(way.made.shape[-2:]) < WINDOW:
        return {}
    (peak, ripple), (real_peak, real_ripple) = (_peaks(pictures[:GRIDDED]) for pictures in (way.made, way.wanted))
    found = {"exam/grid": peak, "exam/grid_real": real_peak}
    return found | {"exam/ripple": ripple, "exam/ripple_real": real_ripple}


def _peaks(pictures: Tensor) -> tuple[float, float]:
    """Power at a grid's frequencies over that at their neighbours', the highest; the grids' root mean square.

    Natural spectra are smooth, a grid is a line in them: windows of 16 pixels hold it whole, wherever it is in a
    picture and however strong. What cannot be seen in bytes is no peak.
    """
    windows = pictures.unfold(2, WINDOW, WINDOW).unfold(3, WINDOW, WINDOW)
    # a pattern weaker than a byte's rounding stands out of nothing
    power = torch.fft.fft2(windows).abs().square().mean((0, 1, 2, 3)) / WINDOW**4 + LEVEL**2 / 12
    down, right = ((power.roll(1, axis) + power.roll(-1, axis)) / 2 for axis in (0, 1))
    step = WINDOW // 4
    lines = torch.cat([power[::step, step::step].flatten(), power[step::step, 0]])
    beside = torch.cat([right[::step, step::step].flatten(), down[step::step, 0]])
    return float((lines / beside).max()), float((lines - beside).clamp_min(0).sum().sqrt())


def cycle(given: Tensor, again: Tensor, roughly: Tensor) -> Signals:
    """How far pictures (N, C, H, W) are from themselves, there and back again; and back from a rougher copy."""
    usual = given - given.mean(0)
    return _known({"exam/cycle": over(again - given, usual), "exam/cycle_noisy": over(roughly - given, usual)})


def _known(found: Signals) -> Signals:
    return {name: value for name, value in found.items() if math.isfinite(value)}
