"""What a probe says of samples as items: how many are valid, different and copied, their properties, and wishes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from broken_games import CPU, is_identical, snapshot
from torch import Tensor, nn

from zerosum.data.dataset import Dataset
from zerosum.data.kind import LoadOptions, load_dataset
from zerosum.data.molecules.config import MoleculeDataConfig
from zerosum.diagnosis.diagnose import diagnose_history
from zerosum.diagnosis.finding import Finding
from zerosum.diagnosis.item_measures import (
    AskedProperty,
    KnownCounts,
    PropertyValues,
    asked_signals,
    expected_different,
    name_ignored,
    name_shifted,
    shift_properties,
)
from zerosum.diagnosis.item_probe import ItemProbe
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.diagnosis.signal_catalog import describe_signal
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.latent import Normal
from zerosum.game.objective import NonSaturating
from zerosum.game.optimizer import Adam
from zerosum.game.parts import GameParts
from zerosum.game.types import DiscriminatorOutput, Sample

PROPERTY = "logp"


@pytest.fixture(scope="module")
def chains(chain_file: Path) -> Dataset:
    return load_dataset(MoleculeDataConfig(source=str(chain_file), properties=(PROPERTY,)), LoadOptions())


class Chooser(nn.Module):
    """Generates rows of given ones (M, L); if it listens, the lower ones where a low value is given."""

    condition_inputs = ("condition",)

    def __init__(self, rows: Tensor, listens: bool) -> None:
        super().__init__()
        self.rows, self.listens, self.weight = rows, listens, nn.Parameter(torch.ones(()))

    def forward(self, latent: Tensor, condition: Sample) -> Tensor:
        place = 0.5 * (1 + torch.erf(latent[:, 0] / 2**0.5))  # uniform
        if self.listens:
            values, known = condition["values"][:, 0], condition["known"][:, 0] > 0
            place = torch.where(known, (place + (values > 0).float()) / 2, place)
        chosen = (place * len(self.rows)).long().clamp(0, len(self.rows) - 1)
        return self.rows[chosen] * self.weight


class Critic(nn.Module):
    def __init__(self, length: int) -> None:
        super().__init__()
        self.layer = nn.Linear(length, 1)

    def forward(self, sample: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.layer(sample)[:, 0])


def make_game(dataset: Dataset, rows: np.ndarray | Tensor, listens: bool = False) -> AdversarialGame:
    samples = rows if isinstance(rows, Tensor) else dataset.samples(rows)
    generator, critic = Chooser(samples, listens), Critic(samples.shape[1])
    draw = dataset.codec.draw_conditions
    return AdversarialGame(GameParts(generator, critic, Normal(size=2), NonSaturating(), Adam(), dataset.spec, {}, 0.0,
                                     draw_conditions=draw))  # fmt: skip


def probe(dataset: Dataset, game: AdversarialGame) -> dict[str, float | str]:
    return ItemProbe(ReferenceSet(dataset, 64, 32, CPU))(game)


def ranked(dataset: Dataset) -> np.ndarray:
    """All molecules by logP."""
    scores, rows = dataset.codec.item_scores(), np.arange(len(dataset))
    return rows[np.argsort(scores.score(dataset.items(rows), PROPERTY))]


def test_real_molecules_that_follow_wishes_have_nothing_wrong(chains: Dataset) -> None:
    game = make_game(chains, ranked(chains), listens=True)
    before = snapshot(game)
    signals = probe(chains, game)
    assert is_identical(before, snapshot(game))
    assert signals["monitor/valid"] == 1
    assert signals["monitor/unique"] == pytest.approx(signals["monitor/unique_floor"], abs=0.1)
    assert signals["monitor/copied_fraction"] > 0.6, "most of so few molecules are training ones"
    assert signals["monitor/memorized_fraction"] == 0
    assert signals["monitor/largest_property_shift"] < 0.45
    assert signals["monitor/names_of_shifted_properties"] == ""
    assert 0.4 < signals[f"monitor/given_slope/{PROPERTY}"] < 1.2
    assert all(describe_signal(name) for name, value in signals.items() if isinstance(value, float))
    assert signals == probe(chains, game), "its seeds are its own"


def test_copies_repeats_and_other_properties_are_told_apart(chains: Dataset) -> None:
    copies = probe(chains, make_game(chains, chains.train))
    assert copies["monitor/memorized_fraction"] > 0.3
    assert copies["monitor/largest_property_shift"] < 0.45
    assert copies[f"monitor/given_slope/{PROPERTY}"] == pytest.approx(0, abs=1e-6), "the same seeds, whatever is asked"
    assert str(copies["monitor/names_of_ignored_properties"]).startswith("logp (")
    repeats = probe(chains, make_game(chains, chains.held_out[:2]))
    assert repeats["monitor/unique"] < 0.05 < repeats["monitor/unique_floor"]
    low = probe(chains, make_game(chains, ranked(chains)[:40]))
    assert low["monitor/property_shift/logp"] < -0.8
    assert "logp (" in str(low["monitor/names_of_shifted_properties"])
    assert low["monitor/memorized_fraction"] == 0


def test_of_invalid_samples_nothing_else_is_said(chains: Dataset) -> None:
    broken = torch.zeros_like(chains.samples(chains.train))
    assert probe(chains, make_game(chains, broken)) == {"monitor/valid": 0.0, "monitor/names_of_ignored_properties": ""}


def test_other_kinds_cost_nothing(chains: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    game = make_game(chains, chains.train)
    assert ItemProbe(ReferenceSet(chains, 64, 32, CPU)).measure_reconstruction(game) == {}
    monkeypatch.setattr(type(chains.codec), "may_be_invalid", False)
    monkeypatch.delattr(AdversarialGame, "sample")
    assert probe(chains, game) == {}


# ---------------------------------------------------------------------- measures


def test_few_draws_of_many_items_differ() -> None:
    rng = np.random.default_rng(0)
    drawn = np.mean([len(set(rng.integers(0, 150, 128).tolist())) / 128 for _ in range(200)])
    assert expected_different(128, 150) == pytest.approx(drawn, abs=0.01)


def test_copies_count_only_beyond_what_held_out_items_allow() -> None:
    assert KnownCounts(200, 60, 6, 9_000, 1_000).memorized_fraction == 0, "as often as held-out ones"
    assert KnownCounts(200, 60, 0, 9_000, 1_000).memorized_fraction == pytest.approx(0.15, abs=0.01)
    assert KnownCounts(200, 200, 0, 10**6, 1_000).memorized_fraction == 0, "too few held-out ones to tell"


def test_shifts_are_in_deviations_and_named_by_size() -> None:
    real = {"a": PropertyValues(1.0, 2.0), "b": PropertyValues(0.9, 0.5), "c": PropertyValues(0.0, 1.0)}
    shifts = shift_properties("abc", np.array([[5.0, 0.0, np.nan], [3.0, 1.0, np.nan]]), real)
    assert shifts == {"a": (4.0, 1.5), "b": (0.5, pytest.approx(-0.8))}
    assert name_shifted(shifts, real) == "a (4 on average, real 1), b (0.5 on average, real 0.9)"


def test_an_ignored_property_is_named() -> None:
    asked = [AskedProperty("a", (0.0, 2.0), (0.1, 1.9)), AskedProperty("b", (1.0, 3.0), (2.0, 2.2))]
    assert asked_signals(asked)["monitor/least_given_slope"] == pytest.approx(0.1)
    assert asked_signals(asked)["monitor/largest_given_slope"] == pytest.approx(0.9)
    assert name_ignored(asked) == "b (2 and 2.2 on average where 1 and 3 were asked for)"


# ---------------------------------------------------------------------- rules

HEALTHY = {
    "valid": 0.97, "unique": 1.0, "unique_floor": 1.0, "memorized_fraction": 0.0, "largest_property_shift": 0.2,
    "least_given_slope": 0.9,
}  # fmt: skip


def find(probes: int = 4, at: float = 1.0, facts: dict[str, object] | None = None, **signals: object) -> list[Finding]:
    """Return the findings of a log at this fraction of a run, with these signals in its last probes."""
    usual = {"data": {"noun": "molecule"}, "settings": {"training": {"examples": 12_000}}}
    history = LogHistory(usual | (facts or {}))
    for index in range(round(12 * at)):
        changed = signals if index >= round(12 * at) - probes else {}
        row = {f"monitor/{name}": value for name, value in (HEALTHY | changed).items()}
        history.add_row({"examples": 1_000 * (index + 1), "round": 100 * (index + 1)} | row)
    return diagnose_history(history)


def summarize(found: list[Finding]) -> dict[str, str]:
    return {finding.name: finding.severity.value for finding in found}


def test_healthy_samples_have_no_finding() -> None:
    assert find() == []


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        ({"valid": 0.85}, {"invalid-samples": "mild"}),
        ({"valid": 0.45}, {"invalid-samples": "severe"}),
        ({"unique": 0.8}, {"repeated-samples": "mild"}),
        ({"unique": 0.3}, {"repeated-samples": "severe"}),
        ({"unique": 0.45, "unique_floor": 0.48}, {}),
        ({"largest_property_shift": 0.7}, {"shifted-properties": "mild"}),
        ({"largest_property_shift": 2.0}, {"shifted-properties": "severe"}),
        ({"least_given_slope": 0.1}, {"given-ignored": "mild"}),
        ({"memorized_fraction": 0.5}, {"memorization": "mild"}),
        ({"exact_reconstructions": 0.4}, {"poor-reconstruction": "mild"}),
        ({"exact_reconstructions": 0.9}, {}),
    ],
)  # fmt: skip
def test_each_finding_has_its_signal(signals: dict[str, object], expected: dict[str, str]) -> None:
    found = find(**signals)
    assert summarize(found) == expected
    assert all("molecule" in finding.title + finding.explanation for finding in found)
    assert summarize(find(probes=1, **signals)).keys() <= {"poor-reconstruction"}, "one probe is chance"


def test_early_in_the_training_invalid_samples_are_a_note() -> None:
    assert summarize(find(at=0.4, valid=0.2)) == {"invalid-samples": "note"}
    assert find(at=0.4, valid=0.6, largest_property_shift=2.0, least_given_slope=0.0) == []


def test_findings_name_properties_and_settings() -> None:
    names = {"names_of_shifted_properties": "sa (4 on average, real 2.4)",
             "names_of_ignored_properties": "qed (0.8 and 0.8 on average where 0.7 and 0.9 were asked)"}  # fmt: skip
    found = {finding.name: finding for finding in find(largest_property_shift=1.0, least_given_slope=0.0, **names)}
    assert found["shifted-properties"].explanation.endswith("They differ in sa (4 on average, real 2.4).")
    assert "Ignored: qed (0.8 and 0.8" in found["given-ignored"].explanation
    settings = {"autoencoder": {"code_size": 8}, "game": {"autoencoder": {"noise": 4.0, "examples": 900}}}
    facts: dict[str, object] = {"data": {"noun": "molecule"}, "defaults": {"autoencoder": {"code_size": 64}}}
    facts["settings"] = {"training": {"examples": 12_000}} | settings
    (invalid,) = find(valid=0.6, facts=facts)
    assert [(change.setting, change.value) for change in invalid.recommendations] == [("autoencoder.code_size", 64)]
    facts["defaults"] = settings
    copied, rebuilt = find(memorized_fraction=0.4, facts=facts) + find(exact_reconstructions=0.1, facts=facts)
    changed = [(change.setting, change.value) for found in (copied, rebuilt) for change in found.recommendations]
    assert changed == [("game.autoencoder.noise", 6.0), ("game.autoencoder.noise", 2.8)]


def test_the_autoencoder_is_held_to_account_at_the_end_of_its_stage() -> None:
    for stage in ({"examples": 20_000}, {"fraction": 0.99}):
        facts = {"settings": {"training": {"examples": 40_000}, "game": {"autoencoder": stage}}}
        assert find(facts=facts, exact_reconstructions=0.1) == []
