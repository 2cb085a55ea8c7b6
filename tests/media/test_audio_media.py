"""Sounds as media: WAV files, sheets of spectrograms, and the page that plays them."""

import io
import json
import re
import wave
from pathlib import Path

import numpy as np
import pytest
import torch

from zerosum.data.audio.codec import SpectrogramCodec
from zerosum.errors import BadInput
from zerosum.game.seeded_rng import derive_seeds
from zerosum.inference.export import source as export_source
from zerosum.media.audio_file import decode_wav, encode_wav, join_sounds
from zerosum.media.kind import MEDIA_KINDS, WrittenSamples
from zerosum.reporter import SilentReporter

CODEC = SpectrogramCodec(rate=8_000, bands=32, frames=32, hop=64, window=256)


def sounds(count: int = 3) -> np.ndarray:
    time = np.arange(CODEC.length) / CODEC.rate
    pitches = 200 * 2 ** np.arange(count)[:, None]
    return (0.8 * np.sin(2 * np.pi * pitches * time) * np.exp(-6 * time)).astype(np.float32)


def test_files_hold_16_bits_and_are_read_again() -> None:
    content = encode_wav(np.array([0, 0.5, -2, np.nan], np.float32), 8_000)
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth(), file.getnframes()) == (8_000, 1, 2, 4)
    assert decode_wav(content) == pytest.approx([0, 0.5, -1, 0], abs=1 / 32_767)
    with pytest.raises(ValueError, match="RIFF"):
        decode_wav(b"no sound at all, and long enough")


def test_joined_sounds_start_and_end_in_silence() -> None:
    joined = join_sounds(np.ones((2, 1_000), np.float32), 8_000).reshape(2, 1_000)
    assert (joined[:, [0, -1]] == 0).all()
    assert (joined[:, 100:900] == 1).all()


def test_the_page_and_the_sheet_show_the_first_sounds_of_a_folder(tmp_path: Path) -> None:
    media = MEDIA_KINDS.find("audio")
    media.write(sounds(), CODEC, tmp_path, first=0)
    (tmp_path / "labels.csv").write_text("file,label\n00000.wav,low\n00001.wav,high\n00002.wav,high\n")
    (tmp_path / "00002.wav").write_bytes(b"cut")

    def no_training_data() -> None:
        raise BadInput("the folder is gone")

    notes = media.complete(WrittenSamples(tmp_path, 0, {}, no_training_data, SilentReporter()), CODEC)  # type: ignore[arg-type]
    assert "the folder is gone" in notes[0]
    page = (tmp_path / "listen.html").read_text("utf8")
    assert page.count("<audio") == 2, "the damaged file is left out"
    assert re.findall("<h2>(.*?)</h2>", page) == ["high", "low"]
    assert "http" not in page, "the page needs no other file"
    assert (tmp_path / "sheet.png").exists()


def test_spectrograms_are_drawn_in_color() -> None:
    media = MEDIA_KINDS.find("audio")
    frames = media.frames(CODEC.preview(sounds()))
    assert frames.shape == (3, 32, 32, 3)
    loudest = frames.sum(3).mean(2).argmax(1)
    assert loudest[0] > loudest[1] > loudest[2], "higher pitches are further up"
    assert media.draw(CODEC.preview(sounds()), columns=3).width > 3 * 128


def test_scripts_decode_as_the_codec_does(tmp_path: Path) -> None:
    part = MEDIA_KINDS.find("audio").sample_script(CODEC)
    script = (Path(export_source.__file__).with_name("scripts") / "generator.py.txt").read_text("utf8")
    functions = script[script.index("def splitmix64") : script.index("def draw_latents")]
    names = {"np": np, "wave": wave, "CONFIG": json.loads(json.dumps(dict(part.facts)))}
    constants = "GAMMA, SAMPLING = np.uint64(0x9E3779B97F4A7C15), np.uint64(2)\n"
    exec(constants + functions + part.source, names)
    sample, seeds = CODEC.encode_sounds(sounds()), derive_seeds(3, 0, 3)
    expected = np.asarray(CODEC.decode(sample, seeds), np.float32)
    names["write"]({"sample": sample.numpy()}, 5, tmp_path, seeds.numpy().view(np.uint64))
    written = np.stack([decode_wav((tmp_path / f"0000{number}.wav").read_bytes()) for number in (5, 6, 7)])
    assert np.abs(written - expected).max() < 0.02
    assert torch.allclose(CODEC.encode_sounds(written), CODEC.encode_sounds(expected), atol=0.1)
