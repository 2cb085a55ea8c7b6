"""Scripts that write sounds without Zerosum: numpy inverts spectrograms, and Python's own library writes WAV."""

from __future__ import annotations

from pathlib import Path

from zerosum.data.audio import codec as codec_module
from zerosum.data.audio import log_mel
from zerosum.data.audio.codec import AudioCodec
from zerosum.game import mel_filters
from zerosum.game.seeded_rng import RandomStream
from zerosum.media.audio_file import FULL_SCALE
from zerosum.media.script import ScriptPart, load_script
from zerosum.run_folder import Json

_SCRIPT = Path(__file__).with_name("scripts") / "audio.py.txt"
NOTE = (
    "A sample is a log-mel spectrogram (1, bands, frames), the highest band first: -1 is silence and 1 a sine of "
    "amplitude 1, with equal steps in decibels between. `infer.py` finds the power of each frequency and then phases "
    "that fit, by the fast algorithm of Griffin and Lim, with what `config.json` says of the sample."
)


def sample_script(codec: AudioCodec) -> ScriptPart:
    """Return how scripts write samples: as `AudioMedia.write` does."""
    facts: dict[str, Json] = {"sample": sound_facts(codec)}
    return ScriptPart(
        load_script(_SCRIPT), ("import wave",), facts=facts, words=frozenset({"decoded_by_seed"}), notes=(NOTE,)
    )


def sound_facts(codec: AudioCodec) -> dict[str, Json]:
    """Return what is needed to make sounds of samples."""
    return {
        **codec.settings(),
        "lowest_frequency": mel_filters.LOWEST_FREQUENCY,
        "smallest_weight": mel_filters.SMALLEST_WEIGHT,
        "dynamic_range": mel_filters.DYNAMIC_RANGE,
        "mel_steps": log_mel.MEL_STEPS,
        "phase_steps": log_mel.PHASE_STEPS,
        "acceleration": log_mel.ACCELERATION,
        "phase_stream": RandomStream.PHASE.value,
        "peak": codec_module.PEAK,
        "max_gain": codec_module.MAX_GAIN,
        "full_scale": FULL_SCALE,
    }
