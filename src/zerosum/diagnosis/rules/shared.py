"""How the samples stand, which many rules look at: far from the data, and no nearer lately.

A game that has just begun looks as bad as one that is lost: the discriminator tells everything, samples are all alike
and nobody's neighbour. What tells them apart is whether samples come nearer.
"""

from zerosum.diagnosis.rules.engine import Criterion
from zerosum.diagnosis.rules.signals import minimum, ratio, signal, stall_ratio

POOR_COVERAGE = Criterion(
    "coverage against real examples'",
    minimum(ratio("monitor/ema_coverage", "monitor/coverage_floor"), ratio("monitor/coverage", "monitor/coverage_floor")),
    0.25, 0.4, "samples come near {value:.0%} of the held-out examples that real ones come near", consecutive=3,
)  # fmt: skip
NOT_IMPROVING = Criterion(
    "how much nearer to the data samples came",
    minimum(stall_ratio("monitor/energy_distance"), stall_ratio("monitor/ema_energy_distance")),
    0.93, 0.85, "samples no longer come nearer to the data: lately {value:.2f} of the least distance before",
)  # fmt: skip
FAR_FROM_DATA = Criterion(
    "distance from the data",
    minimum(signal("monitor/energy_distance"), signal("monitor/ema_energy_distance")),
    0.03, 0.015, "samples as a whole are {value:.3f} from the data, in terms of the distance between two", consecutive=3,
)  # fmt: skip
