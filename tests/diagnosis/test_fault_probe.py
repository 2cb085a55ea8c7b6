"""Findings about sounds: silence, clicks, collapse and copies, each on samples made to have it, none on real ones."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sounds import click, hit
from zerosum.data.audio.codec import AudioCodec, SpectrogramCodec
from zerosum.data.audio.config import AudioDataConfig
from zerosum.data.audio.faults import measure_clicks, measure_ends, measure_silence
from zerosum.data.dataset import Dataset
from zerosum.data.kind import LoadOptions, load_dataset
from zerosum.diagnosis.diagnose import diagnose_history
from zerosum.diagnosis.fault_probe import MAX_CHANCE, FaultProbe, chance_of, faulty_fraction
from zerosum.diagnosis.finding import Finding
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.probe import GameProbe
from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.diagnosis.signal_catalog import describe_signal
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.latent import Normal
from zerosum.game.objective import NonSaturating
from zerosum.game.optimizer import Adam
from zerosum.game.parts import GameParts
from zerosum.game.schedule import Progress
from zerosum.game.types import DiscriminatorOutput
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import trial_step

RATE, LENGTH = 8_000, 1_024
FINDINGS = {"silent-samples", "clicks", "mode-collapse", "partial-mode-collapse", "missing-modes", "memorization"}
Change = Callable[[Tensor], Tensor]


@pytest.fixture(scope="module")
def hits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """160 sounds of 0.13 s, a quarter of them held out."""
    import soundfile

    folder, rng = tmp_path_factory.mktemp("hits"), np.random.default_rng(0)
    for number in range(160):
        fading = np.exp(-rng.uniform(0, 30) * np.arange(2_000) / RATE)
        sound = hit(2_000, number, RATE, 10 ** rng.uniform(1.9, 3.4)) * fading
        soundfile.write(folder / f"{number}.wav", sound, RATE)
    config = AudioDataConfig(source=str(folder), size=16, rate=RATE, seconds=LENGTH / RATE)
    return load_dataset(config, LoadOptions(held_out_fraction=0.25))


class Chooser(nn.Module):
    """Generates given samples (M, ...)."""

    def __init__(self, samples: Tensor) -> None:
        super().__init__()
        self.samples, self.weight = samples, nn.Parameter(torch.ones(()))

    def forward(self, latent: Tensor) -> Tensor:
        place = 0.5 * (1 + torch.erf(latent[:, 0] / 2**0.5))  # uniform
        return self.samples[(place * len(self.samples)).long().clamp(0, len(self.samples) - 1)] * self.weight


class Critic(nn.Module):
    """Scores samples by a random plane, or by their distance from those that it has memorized (M, ...)."""

    def __init__(self, memorized: Tensor | None = None) -> None:
        super().__init__()
        self.memorized, self.layer = memorized, nn.Linear(256 if memorized is None else 1, 1)
        if memorized is not None:
            nn.init.constant_(self.layer.weight, -1.0)

    def forward(self, sample: Tensor) -> DiscriminatorOutput:
        features = sample.flatten(1)
        if self.memorized is not None:
            features = torch.cdist(features, self.memorized.flatten(1)).amin(1, keepdim=True)
        return DiscriminatorOutput(self.layer(features)[:, 0])


def make_game(dataset: Dataset, samples: Tensor, critic: Critic) -> AdversarialGame:
    latent, generator = Normal(size=2), Chooser(samples)
    return AdversarialGame(GameParts(generator, critic, latent, NonSaturating(), Adam(), dataset.spec, {}, 0.0))


def diagnose(dataset: Dataset, samples: Tensor, critic: Critic | None = None) -> dict[str, Finding]:
    """The findings of a log with probes of a game with these samples (M, 1, 16, 16)."""
    torch.manual_seed(0)
    reference_set = ReferenceSet(dataset, 32, 32, torch.device("cpu"))
    probe = GameProbe(reference_set, trial_step(Accelerator()))
    signals = probe(make_game(dataset, samples, critic or Critic()), Progress(3, 192), with_gradients=False)
    assert all(describe_signal(name) for name, value in signals.items() if isinstance(value, float))
    history = LogHistory({"data": {"noun": "sound"}})
    for index in range(12):
        history.add_row({"examples": 10_000 * (index + 1), "round": 1_000 * (index + 1)} | signals)
    return {finding.name: finding for finding in diagnose_history(history)}


def spectrograms(dataset: Dataset, rows: np.ndarray) -> Tensor:
    samples = dataset.samples(rows)
    assert isinstance(samples, Tensor)
    return samples.clone()


def silence(samples: Tensor) -> Tensor:
    return torch.where(torch.arange(len(samples))[:, None, None, None] % 3 > 0, samples, -1.0)


def breaking_off(samples: Tensor) -> Tensor:
    samples[:, :, :, -2:] = 0.6
    return samples


def alike(samples: Tensor) -> Tensor:
    return samples[:1] + 0.02 * torch.randn(samples.shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("change", "expected"),
    [(silence, "silent-samples"), (breaking_off, "clicks"), (alike, "mode-collapse")],
    ids=["silence", "clicks", "collapse"],
)  # fmt: skip
def test_each_fault_is_found_and_says_what_to_do(hits: Dataset, change: Change, expected: str) -> None:
    found = diagnose(hits, change(spectrograms(hits, hits.held_out)))
    assert expected in found
    assert found[expected].explanation
    assert {"silent-samples", "clicks"} & found.keys() <= {expected}


def test_copies_of_training_sounds_are_found(hits: Dataset) -> None:
    """Made louder, as training shows them, and by a discriminator that has memorized them too."""
    train, held_out = spectrograms(hits, hits.train), spectrograms(hits, hits.held_out)
    found = diagnose(hits, (train + 0.02).clamp(-1, 1), Critic(train))
    assert found["memorization"].title == "The generator copies training sounds"
    assert "memorization" not in diagnose(hits, held_out, Critic(train))


def test_real_sounds_have_no_finding(hits: Dataset) -> None:
    assert not FINDINGS & diagnose(hits, spectrograms(hits, hits.held_out)).keys()


def test_real_sounds_are_faulty_as_rarely_as_stated() -> None:
    """In place of samples, real sounds exceed the second largest real one as often by chance as `chance_of` says."""
    rng, errors, above = np.random.default_rng(0), 0, 0
    for _ in range(4_000):
        values = 1 + rng.exponential(size=96)
        errors += faulty_fraction(values[:32], values[32:]) > 0
        above += (values[:32] > np.sort(values[32:])[-2]).sum() >= 3
    assert errors / 4_000 <= 3 * MAX_CHANCE
    assert above / 4_000 == pytest.approx(chance_of(3, 32, 64), abs=0.02)
    assert faulty_fraction(np.full(32, 0.9), np.zeros(64)) == 0, "up to 1 is no fault"
    assert faulty_fraction(np.full(32, 9.0), np.array([0.0, 0.0, 20.0])) == 0, "too few real ones to tell"


def test_faults_are_measured_in_sounds() -> None:
    noise = 0.2 * np.random.default_rng(0).standard_normal((1, 8_000)).astype(np.float32)
    quiet_with_click = noise / 4 + click(8_000, 4_000)
    assert measure_clicks(noise, RATE)[0] < 0.5
    assert measure_clicks(quiet_with_click, RATE)[0] > 1
    fading = noise * np.linspace(1, 0, 8_000, dtype=np.float32)
    assert measure_ends(fading, RATE)[0] < 1 < measure_ends(noise, RATE)[0]
    assert measure_silence(noise / 1_000)[0] > 1 > measure_silence(noise)[0]
    assert measure_clicks(np.zeros((2, 64), np.float32), RATE).tolist() == [0, 0]
    codec = SpectrogramCodec(RATE, 16, 16, 64, 256)
    assert codec.measure_faults(np.zeros((0, codec.length), np.float32)).shape == (0, 3)


def test_other_kinds_know_no_faults(hits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AudioCodec, "fault_names", ())
    monkeypatch.delattr(AdversarialGame, "sample")
    game = make_game(hits, torch.zeros(1), Critic())
    assert FaultProbe(ReferenceSet(hits, 32, 32, torch.device("cpu")))(game) == {}
