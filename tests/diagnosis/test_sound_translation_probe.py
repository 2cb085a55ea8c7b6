"""Findings about translation into sounds: silence, clicks and abrupt ends of outputs whose targets have none."""

from pathlib import Path

import numpy as np
import pytest
import torch
from broken_games import CPU
from torch import Tensor, nn
from translation_games import PROGRESS, TRIAL_STEP, Formula, FormulaGenerator

from sounds import write_hits
from zerosum.data.audio.config import AudioDataConfig
from zerosum.data.dataset import Dataset
from zerosum.data.kind import LoadOptions, load_dataset
from zerosum.diagnosis.diagnose import diagnose_history
from zerosum.diagnosis.fault_probe import MAX_CHANCE, faulty_pair_fraction
from zerosum.diagnosis.finding import Finding
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.measures import Signals
from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.diagnosis.signal_catalog import describe_signal
from zerosum.diagnosis.translation_probe import TranslationProbe
from zerosum.diagnosis.translation_reference_set import TranslationReferenceSet
from zerosum.errors import BadInput
from zerosum.game.build import build
from zerosum.game.config import TranslationGameConfig
from zerosum.game.latent import Normal
from zerosum.game.objective import NonSaturating
from zerosum.game.optimizer import Adam
from zerosum.game.parts import GameParts
from zerosum.game.types import DiscriminatorOutput

RATE, LENGTH = 8_000, 1_024
FAULTS = {"silent-samples", "clicks"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hits(tmp_path_factory.mktemp("hits"), per_class=32, seconds=0.3)


def load(folder: Path, degradation: str, held_out: float | None = None) -> Dataset:
    """Pieces of the hits, many of which start and end abruptly."""
    config = AudioDataConfig(
        source=str(folder), degrade=(degradation,), size=16, rate=RATE, seconds=LENGTH / RATE, pieces=True,
        held_out=held_out,
    )  # fmt: skip
    return load_dataset(config, LoadOptions())


class LevelDiscriminator(nn.Module):
    """Scores waveforms by their level."""

    condition_inputs: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, 1))

    def forward(self, sample: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.weight[0] * sample.square().mean((1, 2)))


def probe(dataset: Dataset, formula: Formula) -> Signals:
    parts = GameParts(
        FormulaGenerator(formula), LevelDiscriminator(), Normal(size=2), NonSaturating(), Adam(), dataset.spec, {}, 0.0
    )
    game = build(TranslationGameConfig(), parts)
    return TranslationProbe(ReferenceSet(dataset, 64, 32, CPU), TRIAL_STEP)(game, PROGRESS, with_gradients=False)


def diagnose(signals: Signals) -> dict[str, Finding]:
    """The findings of a log with these signals at each probe."""
    history = LogHistory({"data": {"noun": "sound", "has_inputs": True, "has_targets": True}})
    for number in range(1, 13):
        history.add_row({"examples": 10_000 * number, "round": 1_000 * number} | signals)
    return {finding.name: finding for finding in diagnose_history(history)}


def silent(waves: Tensor) -> Tensor:
    return 1e-4 * waves


def clicking(waves: Tensor) -> Tensor:
    return waves * 0.3 + 0.7 * (torch.arange(LENGTH) == LENGTH // 2)


def breaking_off(waves: Tensor) -> Tensor:
    """A tone after the hit, which is there to its end."""
    places = torch.arange(LENGTH)
    return waves * torch.linspace(1, 0, LENGTH) + 0.5 * torch.sin(places / 4) * (places > LENGTH // 2)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [(silent, {"silent-samples"}), (clicking, {"clicks"}), (breaking_off, {"clicks"}), (torch.clone, set())],
    ids=["silence", "clicks", "ends", "none"],
)
def test_faults_of_outputs_are_found(folder: Path, formula: Formula, expected: set[str]) -> None:
    signals = probe(load(folder, "lowpass"), formula)
    assert all(describe_signal(name) for name in signals)
    found = diagnose(signals)
    assert FAULTS & found.keys() == expected
    assert all(found[name].title.startswith("Outputs") for name in expected)


def test_outputs_of_an_algorithm_are_no_images_and_have_no_faults(folder: Path) -> None:
    """Sounds of the algorithm of Griffin and Lim are compared as spectrograms, without colors or pixels."""
    dataset = load(folder, "mel")
    signals = probe(dataset, lambda inputs: dataset.baseline(inputs, (1, LENGTH)))
    assert "monitor/l1_over_mean_image_l1" in signals
    assert not [name for name in signals if "checkerboard" in name or "correlation" in name]
    assert not FAULTS & diagnose(signals).keys()


def test_pairs_that_are_alike_are_faulty_as_rarely_as_stated() -> None:
    rng, errors = np.random.default_rng(0), 0
    for _ in range(4_000):
        shared = rng.exponential(size=64)
        errors += faulty_pair_fraction(*(shared + rng.exponential(3, size=64) for _ in range(2))) > 0
    assert errors / 4_000 <= 3 * MAX_CHANCE
    assert faulty_pair_fraction(np.full(32, 0.9), np.zeros(32)) == 0, "up to 1 is no fault"
    assert faulty_pair_fraction(np.full(5, 9.0), np.zeros(5)) == 0, "too few to tell"
    assert faulty_pair_fraction(np.repeat([9.0, 0.0], 32), np.zeros(64)) == 0.5


def test_too_few_held_out_sounds_are_named_as_such(folder: Path) -> None:
    dataset = load(folder, "mel", held_out=0.0)
    with pytest.raises(BadInput, match="0 held-out sounds: the monitor needs at least 2; add sounds to the dataset"):
        TranslationReferenceSet(ReferenceSet(dataset, 64, 32, CPU))
