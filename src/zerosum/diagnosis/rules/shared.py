"""Criteria that several rules share: samples that are far from the data and no longer improve.

At the beginning of training a game looks like a failed one: the discriminator separates everything and samples are all
alike. The difference is whether the distance of the samples from the data still falls.
"""

from zerosum.diagnosis.rules.engine import Criterion
from zerosum.diagnosis.rules.signals import minimum, ratio, signal, stall_ratio

POOR_COVERAGE = Criterion(
    "coverage relative to the floor",
    minimum(ratio("monitor/ema_coverage", "monitor/coverage_floor"),
            ratio("monitor/coverage", "monitor/coverage_floor")),
    0.25, 0.4, "samples cover {value:.0%} of the held-out examples that real examples cover", consecutive=3,
)  # fmt: skip
NOT_IMPROVING = Criterion(
    "progress of the energy distance",
    minimum(stall_ratio("monitor/energy_distance"), stall_ratio("monitor/ema_energy_distance")),
    0.93, 0.85, "samples no longer approach the data: recently {value:.2f} of the smallest energy distance before",
)  # fmt: skip
FAR_FROM_DATA = Criterion(
    "energy distance from the data",
    minimum(signal("monitor/energy_distance"), signal("monitor/ema_energy_distance")),
    0.03, 0.015, "the energy distance of samples from the data is {value:.3f} of the mean distance of two examples",
    consecutive=3,
)  # fmt: skip
