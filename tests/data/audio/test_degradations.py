"""Degradations of sounds against closed forms, and the dataset of translation into sounds."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from sounds import write_hits
from zerosum.data.audio.codec import SpectrogramCodec
from zerosum.data.audio.config import AudioDataConfig
from zerosum.data.audio.degradations import (
    CUTOFF_RANGE,
    NOISE_RANGE,
    TELEPHONE_BAND,
    SoundDegradations,
    check_degradations,
)
from zerosum.data.audio.degraded import DegradedSounds
from zerosum.data.audio.kind import AUDIO
from zerosum.data.audio.log_mel import LogMel
from zerosum.data.audio.wave_codec import WaveCodec
from zerosum.data.kind import LoadOptions, load_dataset
from zerosum.errors import BadInput

FORM = LogMel(rate=16_000, bands=32, frames=16, hop=256, window=1024)
SEEDS = torch.arange(5, dtype=torch.int64)


def sine(frequency: float, amplitude: float = 0.5) -> torch.Tensor:
    times = torch.arange(FORM.length) / FORM.rate
    return (amplitude * torch.sin(2 * math.pi * frequency * times)).expand(len(SEEDS), 1, -1)


def degrade(waves: torch.Tensor, *names: str) -> torch.Tensor:
    return SoundDegradations(names, FORM)(waves, SEEDS[: len(waves)])


def power(waves: torch.Tensor) -> torch.Tensor:
    return waves[:, 0, 512:-512].square().mean(1)


def test_noise_has_the_ratio_that_its_seed_draws() -> None:
    clean = sine(440)
    noise = degrade(clean, "noise") - clean
    ratios = 10 * (power(clean) / power(noise)).log10()
    assert (ratios > NOISE_RANGE[0] - 1).all()
    assert (ratios < NOISE_RANGE[1] + 1).all()
    assert ratios.std() > 1, "the seeds draw different levels"


def test_a_lowpass_keeps_low_frequencies_and_removes_high_ones() -> None:
    nyquist = FORM.rate / 2
    low, high = sine(CUTOFF_RANGE[0] * nyquist * 0.9), sine(CUTOFF_RANGE[1] * nyquist * 1.2)
    assert torch.allclose(power(degrade(low, "lowpass")), power(low), rtol=0.01)
    assert (power(degrade(high, "lowpass")) < 1e-4 * power(high)).all()


def test_a_telephone_keeps_its_band_in_few_levels() -> None:
    within, above, below = sine(1000), sine(TELEPHONE_BAND[1] * 1.3), sine(100)
    assert torch.allclose(power(degrade(within, "telephone")), power(within), rtol=0.05)
    for outside in (above, below):
        assert (power(degrade(outside, "telephone")) < 1e-3 * power(outside)).all()
    assert len(degrade(within, "telephone")[0].unique()) <= 255


def test_an_input_depends_on_its_own_target_and_seed_alone() -> None:
    waves = torch.rand(5, 1, FORM.length, generator=torch.Generator().manual_seed(0)) - 0.5
    for name in ("noise", "lowpass", "telephone", "mel"):
        together, alone = degrade(waves, name), SoundDegradations((name,), FORM)(waves[3:4], SEEDS[3:4])
        assert torch.allclose(together[3:4], alone, atol=1e-5), name


def test_a_spectrogram_is_that_of_the_degraded_sound() -> None:
    waves = sine(440)
    mel = degrade(waves, "lowpass", "mel")
    assert mel.shape == (5, 32, 16)
    assert torch.equal(mel, FORM.spectrogram(degrade(waves, "lowpass")[:, 0])[:, 0])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("nois",), "did you mean noise"),
        (("noise", "noise"), "twice"),
        (("lowpass", "telephone"), "both remove"),
        (("mel", "noise"), "name 'mel' last"),
    ],
)
def test_impossible_degradations_are_refused(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        check_degradations(names)
    with pytest.raises(ValidationError, match=r"data\.degrade"):
        AudioDataConfig(degrade=names)


def test_settings_of_the_other_form_are_refused() -> None:
    with pytest.raises(ValidationError, match="crop"):
        AudioDataConfig(crop=8)
    with pytest.raises(ValidationError, match="time_shift"):
        AudioDataConfig(degrade=("mel",), time_shift=1)


# ---------------------------------------------------------------------- the dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hits(tmp_path_factory.mktemp("hits"), per_class=12)


def load(folder: Path, *names: str, crop: int = 4) -> DegradedSounds:
    data = AudioDataConfig(source=str(folder), size=16, rate=8_000, seconds=0.128, degrade=names, crop=crop)
    dataset = load_dataset(data, LoadOptions())
    assert isinstance(dataset, DegradedSounds)
    return dataset


def test_batches_are_parts_of_the_sounds_with_their_inputs(folder: Path) -> None:
    dataset = load(folder, "mel")
    assert dataset.spec.shape == (1, 1024)
    assert dataset.input_spec.shape == (16, 16)
    rows, seed = dataset.train[:5], torch.arange(5)
    batch = dataset.make_batch([dataset.fetch(0, rows)], seed)
    real, inputs = batch["real"], batch["inputs"]
    assert isinstance(real, torch.Tensor)
    assert isinstance(inputs, torch.Tensor)
    assert (real.shape, inputs.shape) == ((5, 1, 256), (5, 16, 4))
    whole = load(folder, "mel", crop=0).make_batch([dataset.fetch(0, rows)], seed)
    for index in range(5):
        starts = [s for s in range(13) if torch.equal(whole["real"][index, :, 64 * s : 64 * s + 256], real[index])]  # type: ignore[index]
        assert starts
    form = replace(dataset.codec.log_mel, frames=4)  # type: ignore[attr-defined]
    torch.testing.assert_close(inputs, form.spectrogram(real[:, 0])[:, 0])  # of what is around a part, nothing


def test_inputs_that_are_sounds_are_cut_as_their_targets(folder: Path) -> None:
    dataset = load(folder, "telephone")
    batch = dataset.make_batch([dataset.fetch(0, dataset.train[:4])], torch.arange(4))
    real, inputs = batch["real"], batch["inputs"]
    assert isinstance(real, torch.Tensor)
    assert isinstance(inputs, torch.Tensor)
    assert real.shape == inputs.shape == (4, 1, 256)
    again = dataset.make_batch([dataset.fetch(0, dataset.train[:4])], torch.arange(4))
    assert torch.equal(again["inputs"], inputs)  # type: ignore[arg-type]


def test_held_out_inputs_are_always_the_same(folder: Path) -> None:
    first, second = (load(folder, "noise").inputs(np.arange(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(load(folder, "noise").inputs(np.array([2])), first[2:])
    assert load(folder, "noise").fingerprint != load(folder, "telephone").fingerprint


def test_the_codec_writes_and_compares_waveforms(folder: Path) -> None:
    codec = load(folder, "mel").codec
    assert isinstance(codec, WaveCodec)
    assert AUDIO.restore_codec(codec.settings(), {}) == codec
    waves = torch.tensor([[[math.nan, 2.0] * 512]])
    assert codec.decode(waves, torch.zeros(1, dtype=torch.int64)).max() == 1
    assert codec.compared(waves).shape == (1, 1, 16, 16)
    assert codec.embed(waves).shape == (1, 64)
    assert codec.compared(waves[..., :256]).shape == (1, 1, 16, 4), "parts of sounds have fewer frames"


def test_the_dataset_knows_what_an_input_is(folder: Path) -> None:
    """Neither is guessed: a spectrogram of one band has the axes of a waveform, (N, 1, W), and is none."""
    dataset = load(folder, "mel")
    mel = dataset.inputs(np.arange(2))
    assert torch.equal(dataset.compared_inputs(mel), mel[:, None])
    assert dataset.compared_inputs(mel[:, :1]).shape == (2, 1, 1, 16)
    assert dataset.baseline(mel[:, :, :8], (1, 1024)).shape == (2, 1, 512)
    guess = dataset.baseline(mel, (1, 1024))
    assert (dataset.codec.compared(guess) - mel[:, None]).abs().mean() < 0.1
    sounds = load(folder, "noise")
    inputs = sounds.inputs(np.arange(2))
    assert sounds.baseline(inputs, (1, 1024)) is inputs
    assert torch.equal(sounds.compared_inputs(inputs), sounds.codec.compared(inputs))
    assert (dataset.baseline_name, sounds.baseline_name) == ("Griffin-Lim", "input")


def test_samples_of_either_form_are_restored_from_saved_settings() -> None:
    """Settings as runs have saved them so far."""
    saved = {"rate": 8_000, "bands": 16, "frames": 16, "hop": 64, "window": 256, "normalize": True}
    spectrograms, waves = AUDIO.restore_codec(saved, {}), AUDIO.restore_codec({**saved, "form": "wave"}, {})
    assert (type(spectrograms), spectrograms.settings()) == (SpectrogramCodec, saved)
    assert (type(waves), waves.settings()) == (WaveCodec, {**saved, "form": "wave"})
    assert SpectrogramCodec.of(waves) == spectrograms
