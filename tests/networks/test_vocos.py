"""Test the translators into waveforms: their receptive field, any length, and that they start near their inputs."""

import math

import pytest
import torch
from torch import Tensor, nn

from zerosum.data.audio.log_mel import LogMel
from zerosum.data.audio.wave_codec import WaveCodec
from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec
from zerosum.networks.configs import HiFiGANDiscriminatorConfig, VocosGeneratorConfig
from zerosum.networks.vocos import SpectrogramVocoder, Transform, WaveformCorrector

FORM = LogMel(rate=8_000, bands=16, frames=40, hop=64, window=256)
WAVE = TensorSpec((1, FORM.length), bounded=True, rate=8_000, window=256)
MEL = TensorSpec((16, FORM.frames), bounded=True)


def vocoder(**settings: int) -> SpectrogramVocoder:
    torch.manual_seed(0)
    network = VocosGeneratorConfig(**{"width": 8, "blocks": 1, **settings}).build(0, WAVE, 0, MEL)
    assert isinstance(network, SpectrogramVocoder)
    return network


def corrector() -> WaveformCorrector:
    torch.manual_seed(0)
    network = VocosGeneratorConfig(width=8, blocks=1, hop=64).build(0, WAVE, 0, WAVE)
    assert isinstance(network, WaveformCorrector)
    return network


def sines(count: int = 2) -> Tensor:
    frequencies = 300.0 * torch.arange(1, count + 1)[:, None]
    return 0.5 * torch.sin(2 * math.pi * frequencies * torch.arange(FORM.length) / FORM.rate)


def reach(network: nn.Module, inputs: Tensor, position: int) -> tuple[int, int]:
    """Return the first and the last position of an input that affect a position of the output."""
    inputs = inputs.double().requires_grad_(True)
    network.double()(inputs)[0, 0, position].backward()
    assert inputs.grad is not None
    affected = (inputs.grad[0].abs().amax(0) > 0).nonzero().flatten()
    return int(affected.min()), int(affected.max())


def test_the_inverse_of_the_transform_is_exact() -> None:
    transform = Transform(256, 64)
    assert torch.allclose(transform.waves(transform.spectrum(sines())), sines(), atol=1e-5)


def test_waveforms_of_any_number_of_frames_are_made_per_sample() -> None:
    network, mel = vocoder(), 2 * torch.rand(3, 16, 40, generator=torch.Generator().manual_seed(1)) - 1
    with torch.no_grad():
        assert network(mel).shape == (3, 1, 2560)
        assert network(mel[..., :7]).shape == (3, 1, 448)
        assert torch.allclose(network(mel)[1:2], network(mel[1:2]), rtol=1e-4, atol=1e-4)  # of values up to 3


def test_a_vocoder_that_is_not_trained_has_the_bands_of_its_input() -> None:
    mel = FORM.spectrogram(sines())
    with torch.no_grad():
        distances = [
            (FORM.spectrogram(vocoder(fitting_steps=steps)(mel[:, 0])[:, 0]) - mel).abs().mean() for steps in (0, 4)
        ]
    assert distances[1] < distances[0] < 0.3
    assert distances[1] < 0.1


def test_a_vocoder_has_fewer_steps_in_training() -> None:
    network, mel = vocoder(fitting_steps=6, training_steps=2), FORM.spectrogram(sines())[:, 0]
    reference = vocoder(fitting_steps=2)
    reference.load_state_dict(network.state_dict())
    with torch.no_grad():
        assert torch.equal(network.train()(mel), reference(mel))
        assert not torch.equal(network.eval()(mel), reference(mel))
    assert vocoder(fitting_steps=2, training_steps=32).training_steps == 2


def test_a_vocoder_has_the_window_of_the_spectrograms() -> None:
    """Whatever window the data have: the bands of other spectra would be others."""
    codec = WaveCodec(rate=8_000, bands=16, frames=40, hop=64, window=1024)
    network = VocosGeneratorConfig(width=8, blocks=1).build(0, codec.spec, 0, MEL)
    assert isinstance(network, SpectrogramVocoder)
    assert torch.equal(network.bands.filters, codec.log_mel.filters)
    assert torch.equal(network.transform.hann, codec.log_mel.hann)


def test_silence_stays_silent() -> None:
    with torch.no_grad():
        assert vocoder()(torch.full((1, 16, 40), -1.0)).abs().max() < 1e-3


@pytest.mark.parametrize("steps", [0, 1])
def test_a_vocoder_sees_no_more_frames_than_it_says(steps: int) -> None:
    network = vocoder(fitting_steps=steps)
    mel = 2 * torch.rand(1, 16, 60, generator=torch.Generator().manual_seed(1)) - 1
    for position in (30 * 64, 30 * 64 + 63):
        first, last = reach(network, mel, position)
        assert max(30 - first, last - 30) <= network.receptive_field_radius
    assert max(30 - first, last - 30) >= network.receptive_field_radius - 2, "and not many fewer"


def test_a_corrector_sees_no_more_of_a_waveform_than_it_says() -> None:
    network, position = corrector(), 1500
    first, last = reach(network, torch.rand(1, 1, 3000, generator=torch.Generator().manual_seed(1)) - 0.5, position)
    assert max(position - first, last - position) <= network.receptive_field_radius
    assert (network.size_multiple, network.condition_inputs) == (64, ())


def test_a_corrector_takes_any_length() -> None:
    network = corrector()
    with torch.no_grad():
        for length in (64, 1000, 2560):
            assert network(torch.rand(2, 1, length) - 0.5).shape == (2, 1, length)


def test_gradients_are_finite_also_for_silence() -> None:
    network = vocoder()
    mel = torch.cat([torch.full((1, 16, 40), -1.0), FORM.spectrogram(sines(1))[:, 0]])
    network(mel).square().mean().backward()
    assert all(bool(p.grad is not None and p.grad.isfinite().all()) for p in network.parameters())


@pytest.mark.parametrize(
    ("spec", "inputs", "message"),
    [
        (TensorSpec((3, 32, 32), bounded=True), MEL, "needs waveforms"),
        (WAVE, None, "translates"),
        (WAVE, TensorSpec((16, 39), bounded=True), "whole frames"),
        (WAVE, TensorSpec((3, 32, 32), bounded=True), "whole frames"),
    ],
)
def test_other_samples_are_refused(spec: TensorSpec, inputs: TensorSpec | None, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        VocosGeneratorConfig().build(0, spec, 0, inputs)


# ---------------------------------------------------------------------- discriminators

DISCRIMINATOR = HiFiGANDiscriminatorConfig(
    periods=(2, 3), period_widths=(4, 4), windows=(64, 128), window_width=4, window_layers=2
)


def test_each_part_scores_every_sample_alone() -> None:
    torch.manual_seed(0)
    network, waves = DISCRIMINATOR.build(WAVE), torch.rand(3, 1, 1001) - 0.5
    output, alone = network(waves), network(waves[1:2])
    assert output.score.shape[:3] == (3, 1, 1)
    assert torch.allclose(output.score[1:2], alone.score, atol=1e-5)
    assert len(output.feature_maps) == 2 * 2 + 2 * 2
    assert len(network.stages_from_sample()) == 2


def test_a_period_sees_every_pth_number_together() -> None:
    """A change of a number moves scores of its own column of the folded waveform only."""
    torch.manual_seed(0)
    branch = HiFiGANDiscriminatorConfig(periods=(5,), period_widths=(4, 4), windows=()).build(WAVE)
    waves = torch.zeros(1, 1, 200)
    changed = waves.clone()
    changed[0, 0, 100 + 3] = 1
    difference = (branch(changed).score - branch(waves).score).view(-1, 5)
    assert difference[:, 3].abs().sum() > 0
    assert difference[:, [0, 1, 2, 4]].abs().sum() == 0


def test_discriminators_of_other_samples_are_refused() -> None:
    with pytest.raises(BadInput, match="needs waveforms"):
        DISCRIMINATOR.build(TensorSpec((3, 32, 32), bounded=True))
    with pytest.raises(BadInput, match=r"discriminator\.windows"):
        HiFiGANDiscriminatorConfig(windows=(4096,)).build(WAVE)
    with pytest.raises(ValueError, match="both empty"):
        HiFiGANDiscriminatorConfig(periods=(), windows=())
