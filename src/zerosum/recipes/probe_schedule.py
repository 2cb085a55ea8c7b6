"""Choose how often a run is probed and how much each probe measures, so that short runs are probed often enough."""

from __future__ import annotations

from typing import NamedTuple

from zerosum.recipes.defaults import examination_interval, last_examination
from zerosum.recipes.recipe import Diagnostics, Recipe
from zerosum.settings import Decision

PROBE_MIN_SECONDS = 20.0
"""Runs shorter than this are not probed during training unless the user asks for it."""
PROBE_TIME_FRACTION = 0.05
"""Probes take at most this fraction of the run's time, by estimate."""
MAX_TIME_FRACTION = 0.1
"""Probes that turn out to take more than this fraction of the run's time are left out."""
MIN_PROBES, MAX_PROBES = 10, 60
"""There are at least and at most this many probes, where `MAX_TIME_FRACTION` allows it."""
PROBE_MIN_EXAMPLES = 16
"""A probe needs at least this many training examples, and as many held-out ones."""
SECONDS_PER_PROBE, START_SECONDS_PER_SAMPLE = 0.03, 0.008
"""Time of a probe that does not depend on the networks (a copy of the game, distances of samples), and of the features
of the real examples, which are computed once."""
ROUNDS_PER_BATCH, ROUNDS_PER_COPY, ROUNDS_PER_GRADIENTS, ROUNDS_PER_DUALITY_GAP = 0.8, 0.2, 2.2, 15.0
"""Measured time of a probe's parts, in rounds of training: each batch is scored once and generated twice; gradients are
those of the scores at samples, and of a trial round; the duality gap trains ten best responses of each player."""


class ProbeDetail(NamedTuple):
    """How much the probes of a run measure."""

    samples: int
    """Samples per probe."""
    gradients_every: int
    """Probes between two measurements of gradients."""
    duality_gap_every: int
    """Probes between two estimates of the duality gap."""

    def rounds(self, batch_size: int) -> float:
        """Return the mean time of a probe, in rounds of training."""
        batches = self.samples / batch_size
        rare = ROUNDS_PER_GRADIENTS / self.gradients_every
        if self.duality_gap_every <= MAX_PROBES:
            rare += ROUNDS_PER_DUALITY_GAP / self.duality_gap_every
        return ROUNDS_PER_BATCH * batches + ROUNDS_PER_COPY + rare

    def affordable_count(self, fraction: float, seconds: float, seconds_per_round: float, batch_size: int) -> int:
        """Return how many probes take this fraction of a run.

        Args:
            fraction: the fraction.
            seconds: the duration of the run.
            seconds_per_round: the duration of a round.
            batch_size: examples in a round.
        """
        available = fraction * seconds - START_SECONDS_PER_SAMPLE * self.samples
        count = int(available / (SECONDS_PER_PROBE + self.rounds(batch_size) * seconds_per_round))
        return max(0, min(MAX_PROBES, count))


NEVER = MAX_PROBES + 1
DETAILS = (
    ProbeDetail(128, 1, 4), ProbeDetail(128, 1, 8), ProbeDetail(64, 1, 8), ProbeDetail(64, 2, 12),
    ProbeDetail(64, 3, NEVER), ProbeDetail(32, 3, NEVER), ProbeDetail(16, 4, NEVER), ProbeDetail(16, 10, NEVER),
)  # fmt: skip
"""From the most to the least detailed probes; a run has the first of which `MIN_PROBES` are affordable."""


def choose_probe_schedule(
    recipe: Recipe, seconds_per_round: float, smallest_split: int
) -> tuple[Recipe, list[Decision]]:
    """Choose the interval of probes and how much they measure, as far as that is open.

    Short runs and small datasets are not probed.

    Args:
        recipe: the settings, with the training length.
        seconds_per_round: the measured time of a round.
        smallest_split: the number of training or held-out examples, whichever is smaller.

    Returns:
        The recipe, and the decisions.
    """
    diagnostics, training = recipe.diagnostics, recipe.training
    tick_examples = training.tick_examples or training.batch_size
    seconds = (training.examples or 0) / training.batch_size * seconds_per_round
    is_requested = diagnostics.every_examples is not None
    probe = (
        diagnostics.probe and smallest_split >= PROBE_MIN_EXAMPLES and (seconds >= PROBE_MIN_SECONDS or is_requested)
    )
    chosen: dict[str, object] = {"probe": probe}
    if probe and not is_requested:
        detail, every_examples = _choose_detail(recipe, seconds, seconds_per_round)
        chosen |= {"every_examples": every_examples} | detail._asdict()
        chosen["max_time_fraction"] = diagnostics.max_time_fraction or MAX_TIME_FRACTION
    elif probe:
        chosen |= _fill_in(diagnostics, DETAILS[0])._asdict()
    every = chosen.get("every_examples", diagnostics.every_examples)
    if isinstance(every, int):
        # a whole number of ticks, since the results of a probe are logged in the row of a tick
        chosen["every_examples"] = max(1, round(every / tick_examples)) * tick_examples
    decisions = []
    if diagnostics.probe and smallest_split < PROBE_MIN_EXAMPLES:
        reason = f"the monitor needs {PROBE_MIN_EXAMPLES} training and held-out examples each, and has {smallest_split}"
        decisions.append(Decision("probes", "none", f"{reason} (`data.held_out` 0.5 holds out more)"))
    return recipe.model_copy(update={"diagnostics": diagnostics.model_copy(update=chosen)}), decisions


def _fill_in(diagnostics: Diagnostics, detail: ProbeDetail) -> ProbeDetail:
    """Return the detail with what the user has set."""
    return ProbeDetail(
        diagnostics.samples or detail.samples,
        diagnostics.gradients_every or detail.gradients_every,
        diagnostics.duality_gap_every or detail.duality_gap_every,
    )


def _choose_detail(recipe: Recipe, seconds: float, seconds_per_round: float) -> tuple[ProbeDetail, int]:
    """Return the most detailed probes of which enough are affordable, and the examples between two of them."""
    training = recipe.training
    tick_examples = training.tick_examples or training.batch_size
    last = last_examination(recipe)
    for detail in [_fill_in(recipe.diagnostics, detail) for detail in DETAILS]:
        count = detail.affordable_count(PROBE_TIME_FRACTION, seconds, seconds_per_round, training.batch_size)
        every_examples = examination_interval(recipe, max(1, count), tick_examples)
        if last // every_examples >= MIN_PROBES:
            return detail, every_examples
    count = detail.affordable_count(MAX_TIME_FRACTION, seconds, seconds_per_round, training.batch_size)
    every_ticks = max(1, last // tick_examples // max(1, min(MIN_PROBES, count)))
    return detail, every_ticks * tick_examples
