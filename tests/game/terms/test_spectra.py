"""The distances of spectra, as terms."""

import math
from types import SimpleNamespace

import pytest
import torch
from pydantic import ValidationError

from zerosum.game.mel_filters import mel_filters
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.terms.spectra import LogMelDistance, STFTDistance, log_mel

RATE = 8_000


def compare(
    fake: torch.Tensor, real: torch.Tensor, term: type[LogMelDistance | STFTDistance] = LogMelDistance,
    **settings: object,
) -> torch.Tensor:  # fmt: skip
    game = SimpleNamespace(sample_spec=TensorSpec((1, fake.shape[-1]), bounded=True, rate=RATE))
    play = SimpleNamespace(game=game, fake_samples=fake, real_samples=real)
    return term.model_validate(settings)(play)  # type: ignore[arg-type]  # what the term reads of a play


def noise(count: int) -> torch.Tensor:
    return 0.2 * torch.randn(count, 1, 4096, generator=torch.Generator().manual_seed(0))


def test_a_change_of_level_has_its_decibels() -> None:
    """From -1 to 1 are 80 decibels."""
    real = noise(2)
    for windows in ((256,), (256, 1024)):
        distance = compare(0.5 * real, real, windows=windows)
        assert torch.allclose(distance, torch.full((2,), 20 * math.log10(2) / 40), rtol=1e-3)
    assert (compare(real, real) == 0).all()


def test_a_sine_is_in_its_band_at_its_level() -> None:
    wave = torch.sin(2 * math.pi * 1000 * torch.arange(4096) / RATE)[None, None]
    spectrogram = log_mel(wave, 512, RATE)
    assert spectrogram.shape == (1, 32, 33)
    frame = spectrogram[0, :, 16]
    assert frame.argmax() == mel_filters(32, 512, RATE)[:, 64].argmax()
    assert frame.max() > 0.8


def test_it_is_a_term_of_the_generator_alone_with_windows() -> None:
    assert (LogMelDistance().player, LogMelDistance().is_paired) == ("generator", True)
    with pytest.raises(ValidationError):
        LogMelDistance(windows=())


def test_a_louder_sound_has_its_factor_and_its_logarithm() -> None:
    real = noise(2)
    distance = compare(1.5 * real, real, STFTDistance)
    assert torch.allclose(distance, torch.full((2,), 0.5 + math.log(1.5)), rtol=1e-2)
    assert (compare(real, real, STFTDistance) < 1e-4).all()


@pytest.mark.parametrize("term", [LogMelDistance, STFTDistance])
def test_gradients_of_silence_are_finite(term: type[LogMelDistance | STFTDistance]) -> None:
    fake = torch.zeros(1, 1, 2048, requires_grad=True)
    compare(fake, noise(1)[..., :2048], term).sum().backward()
    assert fake.grad is not None
    assert fake.grad.isfinite().all()
