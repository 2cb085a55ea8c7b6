"""Scripts that read and write sounds without Zerosum: numpy transforms them, and Python's own library writes WAV."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from zerosum.data.audio import codec as codec_module
from zerosum.data.audio import log_mel
from zerosum.data.audio.codec import AudioCodec
from zerosum.data.audio.mono import SILENCE_PEAK
from zerosum.data.audio.sound_file import MAX_RATE
from zerosum.game import mel_filters
from zerosum.game.seeded_rng import RandomStream
from zerosum.media.audio_file import FULL_SCALE
from zerosum.media.script import ScriptPart, load_script
from zerosum.run_folder import Json

_SCRIPTS = Path(__file__).with_name("scripts")
NOTE = (
    "A sample is a log-mel spectrogram (1, bands, frames), the highest band first: -1 is silence and 1 a sine of "
    "amplitude 1, with equal steps in decibels between. `infer.py` finds the power of each frequency and then phases "
    "that fit, by the fast algorithm of Griffin and Lim, with what `config.json` says of the sample."
)
VOCODER_NOTE = (
    "Frames are those of a log-mel spectrogram, the highest band first: -1 is silence and 1 a sine of amplitude 1, in "
    "equal steps of decibels; the last one is given twice. The magnitudes of the model, as natural logarithms, are "
    "factors of those that the bands leave open; phases are in radians. The `infer.py` of an ONNX export brings the "
    "bands of the spectrum to those of the input, in steps that go through a sound, and makes a sound of it, with what "
    "`config.json` says of the sample."
)
CORRECTOR_NOTE = (
    "Frames are those of the compressed spectrum of a sound, the real parts before the imaginary ones. The magnitudes "
    "of the model, as natural logarithms, and its phases in radians are those of a correction, which the `infer.py` of "
    "an ONNX export adds to the sound, with what `config.json` says of the sample."
)
WAV_IMPORTS = ("import math", "import struct", "import wave")


def sample_script(codec: AudioCodec) -> ScriptPart:
    """Return how scripts write samples: as `AudioMedia.write` does."""
    facts: dict[str, Json] = {"sample": sound_facts(codec)}
    source = _join("audio_spectra", "audio_mel", "audio")
    return ScriptPart(source, ("import wave",), facts=facts, words=frozenset({"decoded_by_seed"}), notes=(NOTE,))


def vocoder_script(codec: AudioCodec, numbers: Mapping[str, Json]) -> ScriptPart:
    """Return how scripts make sounds of spectrograms of any length; `numbers` are those of the network."""
    source = _join("audio_spectra", "audio_mel", "audio_wav", "audio_vocoder")
    facts: dict[str, Json] = {"sample": wave_facts(codec) | mel_facts() | {"bands": codec.bands} | dict(numbers)}
    return ScriptPart(source, WAV_IMPORTS, facts=facts, words=frozenset({"spectrograms"}), notes=(VOCODER_NOTE,))


def corrector_script(codec: AudioCodec, numbers: Mapping[str, Json]) -> ScriptPart:
    """Return how scripts correct sounds of any length; `numbers` are those of the network."""
    source = _join("audio_spectra", "audio_wav", "audio_corrector")
    facts: dict[str, Json] = {"sample": wave_facts(codec) | dict(numbers)}
    return ScriptPart(source, WAV_IMPORTS, facts=facts, notes=(CORRECTOR_NOTE,))


def wave_facts(codec: AudioCodec) -> dict[str, Json]:
    """Return what is needed to read and write sounds of any length."""
    level: dict[str, Json] = {"normalize": codec.normalize, "peak": codec_module.PEAK, "silence_peak": SILENCE_PEAK}
    return {"rate": codec.rate, "max_rate": MAX_RATE, **level, "full_scale": FULL_SCALE}


def mel_facts() -> dict[str, Json]:
    """Return what is needed to make log-mel spectrograms."""
    return {
        "lowest_frequency": mel_filters.LOWEST_FREQUENCY,
        "smallest_weight": mel_filters.SMALLEST_WEIGHT,
        "dynamic_range": mel_filters.DYNAMIC_RANGE,
    }


def _join(*names: str) -> str:
    """Return parts of a script, one after the other."""
    return "\n\n".join(load_script(_SCRIPTS / f"{name}.py.txt") for name in names)


def sound_facts(codec: AudioCodec) -> dict[str, Json]:
    """Return what is needed to make sounds of samples."""
    return {
        **codec.settings(),
        **mel_facts(),
        "mel_steps": log_mel.MEL_STEPS,
        "phase_steps": log_mel.PHASE_STEPS,
        "acceleration": log_mel.ACCELERATION,
        "phase_stream": RandomStream.PHASE.value,
        "peak": codec_module.PEAK,
        "max_gain": codec_module.MAX_GAIN,
        "full_scale": FULL_SCALE,
    }
