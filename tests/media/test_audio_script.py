"""Scripts that translate sounds compute what the networks compute, and read what the run reads."""

import json
import math
import struct
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from sounds import hit, noise
from zerosum.data.audio.resampling import resample
from zerosum.data.audio.wave_codec import WaveCodec
from zerosum.game.sample_spec import TensorSpec
from zerosum.media.audio_script import corrector_script, vocoder_script
from zerosum.media.script import ScriptPart
from zerosum.networks.configs import VocosGeneratorConfig
from zerosum.networks.vocos import SpectralTranslator

CODEC = WaveCodec(rate=8_000, bands=16, frames=40, hop=64, window=256)
Function = Callable[..., NDArray[np.floating]]


class Refused(Exception):
    """What a script ends with."""


def stop(message: str) -> None:
    raise Refused(message)


def functions_of(part: ScriptPart) -> dict[str, Function]:
    names = {"np": np, "math": math, "struct": struct, "wave": wave, "stop": stop}
    names["CONFIG"] = json.loads(json.dumps(dict(part.facts)))
    exec(part.source, names)
    return names  # type: ignore[return-value]


def build(inputs: TensorSpec, **settings: int) -> SpectralTranslator:
    torch.manual_seed(0)
    network = VocosGeneratorConfig(**{"width": 8, "blocks": 1, "hop": 48, **settings}).build(0, CODEC.spec, 0, inputs)
    assert isinstance(network, SpectralTranslator)
    for parameter in network.double().parameters():
        parameter.requires_grad_(False).mul_(3)  # so that magnitudes and phases are not nearly constant
    return network


def spectra_of(network: SpectralTranslator) -> Function:
    return lambda frames: network.backbone(torch.from_numpy(frames.copy())).numpy()


def sounds(length: int = CODEC.length) -> NDArray[np.float32]:
    return np.stack([hit(length, seed, CODEC.rate) + noise(length, seed, 0.01) for seed in range(2)])


@pytest.fixture(scope="module")
def script() -> dict[str, Function]:
    network = build(TensorSpec((CODEC.bands, CODEC.frames), bounded=True))
    return functions_of(vocoder_script(CODEC, network.numbers))


@pytest.mark.parametrize("steps", [0, 3, 9])
def test_a_script_fits_a_spectrum_as_the_vocoder_does(steps: int) -> None:
    network = build(TensorSpec((CODEC.bands, CODEC.frames), bounded=True), fitting_steps=steps)
    mel = CODEC.log_mel.spectrogram(torch.from_numpy(sounds()))[:, 0].double()
    found = functions_of(vocoder_script(CODEC, network.numbers))["compute"](spectra_of(network), mel.numpy())
    expected = network(mel)[:, 0].numpy()
    assert np.abs(expected).max() > 0.1
    assert np.abs(found - expected).max() < 1e-4, "filters of the network are rounded to float32"


@pytest.mark.parametrize("length", [64, 1_001, 2_560])
def test_a_script_corrects_sounds_as_the_network_does(length: int) -> None:
    network, waves = build(CODEC.spec), sounds(length).astype(np.float64)
    found = functions_of(corrector_script(CODEC, network.numbers))["compute"](spectra_of(network), waves)
    expected = network(torch.from_numpy(waves)[:, None])[:, 0].numpy()
    assert np.abs(expected - waves).max() > 1e-3
    assert np.abs(found - expected).max() < 1e-6


@pytest.mark.parametrize(("start", "end"), [(0, 40), (0, 3), (17, 30), (36, 40)])
def test_parts_of_spectrograms_are_those_of_the_whole(script: dict[str, Function], start: int, end: int) -> None:
    whole = CODEC.log_mel.spectrogram(torch.from_numpy(sounds()))[:, 0].numpy()
    assert np.abs(script["log_mel"](sounds(), start, end) - whole[..., start:end]).max() < 1e-4


@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_wav_files_are_read(script: dict[str, Function], tmp_path: Path, form: str, subtype: str) -> None:
    soundfile.write(tmp_path / "a.wav", sounds(501).T, 11_025, subtype=subtype, format=form)
    found, rate = script["read_wav"](tmp_path / "a.wav")
    assert rate == 11_025
    assert np.array_equal(found, soundfile.read(tmp_path / "a.wav", dtype="float32")[0].T)


def test_other_files_are_refused(script: dict[str, Function], tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, sounds(500)[0], 8_000, subtype="ULAW")
    with pytest.raises(Refused, match="another format than PCM and floats"):
        script["read_wav"](path)
    soundfile.write(path, np.array([0, np.nan]), 8_000, subtype="FLOAT")
    with pytest.raises(Refused, match="not finite"):
        script["read_wav"](path)
    soundfile.write(path, np.zeros(0), 8_000)
    with pytest.raises(Refused, match="length 0"):
        script["read_wav"](path)
    for content in (b"", b"RIFF", b"no sound at all" * 9):
        path.write_bytes(content)
        with pytest.raises(Refused, match="is no WAV file"):
            script["read_wav"](path)


@pytest.mark.parametrize("rate", [4_000, 8_000, 11_025, 44_100])
def test_rates_are_changed_as_in_the_run(script: dict[str, Function], rate: int) -> None:
    sound = sounds(3_001)[0]
    found, expected = script["resample"](sound, rate), resample(sound, rate, CODEC.rate)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5
