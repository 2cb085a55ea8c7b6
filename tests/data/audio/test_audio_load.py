"""Loading folders of sounds, good and bad."""

import shutil
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from pydantic import ValidationError

from sounds import hit, noise, write_hits
from zerosum.data import cache
from zerosum.data.audio import ingest
from zerosum.data.audio.config import AudioDataConfig
from zerosum.data.audio.kind import AUDIO
from zerosum.data.audio.mono import MonoSound, SoundSource, read_mono
from zerosum.data.audio.sound_file import SoundReader, UnreadableSound
from zerosum.data.audio.sources import claim_sounds
from zerosum.data.audio.summary import AudioSummary
from zerosum.data.dataset import Dataset
from zerosum.data.kind import LoadOptions, claimed_kind, load_dataset
from zerosum.errors import BadInput
from zerosum.workflows.inspect import inspect_dataset

TINY: dict[str, object] = {"size": 16, "rate": 8_000, "seconds": 0.128}


def load(folder: Path, **settings: object) -> Dataset:
    data = AudioDataConfig.model_validate({"source": str(folder), **TINY, **settings})
    return load_dataset(data, LoadOptions())


def summary_of(dataset: Dataset) -> AudioSummary:
    assert isinstance(dataset.summary, AudioSummary)
    return dataset.summary


@pytest.fixture(scope="module")
def hits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hits(tmp_path_factory.mktemp("hits"), per_class=12)


def test_folders_are_classes_and_samples_are_spectrograms(hits: Path) -> None:
    dataset = load(hits)
    assert dataset.classes == ("kick", "tick")
    assert len(dataset.train) + len(dataset.held_out) == 24
    samples = dataset.samples(dataset.train)
    assert isinstance(samples, torch.Tensor)
    assert samples.shape[1:] == (1, 16, 16)
    items = dataset.items(dataset.train)
    assert items.shape[1] == 1024
    encoded = dataset.codec.encode_sounds(items)  # type: ignore[attr-defined]  # the codec of this kind
    assert (encoded - samples).abs().max() < 0.05
    kicks, ticks = (samples[torch.from_numpy(dataset.labels[dataset.train] == label)].mean(0)[0] for label in (0, 1))
    assert kicks[12:].mean() > ticks[12:].mean()  # low bands are at the bottom
    assert ticks[:12].mean() > kicks[:12].mean()


def test_a_second_start_reads_the_cache(hits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(hits)
    monkeypatch.setattr("zerosum.data.audio.ingest.SoundReader", None)
    assert load(hits).fingerprint == first.fingerprint
    assert load(hits).summary.as_dict() == first.summary.as_dict()


def test_bad_files_are_counted_and_named(tmp_path: Path) -> None:
    write_hits(tmp_path)
    shutil.copy(tmp_path / "kick/kit0-0.wav", tmp_path / "kick/copy.wav")
    (tmp_path / "kick/words.wav").write_text("these are words")
    (tmp_path / "kick/empty.wav").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("notes")
    soundfile.write(tmp_path / "kick/nan.wav", np.full(500, np.nan), 8_000, subtype="FLOAT")
    soundfile.write(tmp_path / "kick/silent.wav", np.zeros(500), 8_000)
    stereo = np.stack([(9 * hit(9_600, 99, 96_000)).clip(-1, 1)] * 2, 1)
    soundfile.write(tmp_path / "kick/fine.flac", stereo, 96_000, subtype="PCM_24")
    summary = summary_of(load(tmp_path))
    assert (summary.count, summary.files, summary.duplicates, summary.clipped) == (18, 23, 1, 1)
    assert [name for name, _ in summary.unreadable] == ["kick/empty.wav", "kick/nan.wav", "kick/words.wav"]
    assert summary.silent == ["kick/silent.wav"]
    assert summary.rates == {"8000 Hz": 17, "96000 Hz": 1}
    text = "\n".join(summary.lines())
    for part in ("mono 17, stereo 1", "FLAC PCM_24 1", "kick/copy.wav = kick/kit0-0.wav", "1 sound is clipped"):
        assert part in text
    assert AudioSummary.from_dict(summary.as_dict()) == summary


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("few", "has only 3 distinct sounds that can be used: add sounds; at least 16 are needed"),
        ("silent", "all 20 sounds in .* are silent"),
        ("words", "no sound sampled in .* can be read"),
        ("text", r"contains 1 file \(.txt 1\) but no sounds"),
        ("nothing", "is empty: add sounds"),
    ],
)
def test_folders_that_cannot_be_used(tmp_path: Path, content: str, message: str) -> None:
    for number in range({"few": 3, "silent": 20, "words": 2}.get(content, 0)):
        sound = hit(2_000, number, 8_000) * (content == "few")
        soundfile.write(tmp_path / f"{number}.wav", sound, 8_000)
        if content == "words":
            (tmp_path / f"{number}.wav").write_text("words")
    if content == "text":
        (tmp_path / "a.txt").write_text("words")
    data = AudioDataConfig.model_validate({"source": str(tmp_path), **TINY})
    with pytest.raises(BadInput, match=message):
        AUDIO.load(data, LoadOptions(), AUDIO.inspect(data))


def test_sources_that_are_no_folder(tmp_path: Path) -> None:
    write_hits(tmp_path, 1)
    for source, message in (("kick/kit0-0.wav", "is a single sound"), ("none", "there is no folder")):
        with pytest.raises(BadInput, match=message):
            load(tmp_path / source)


def test_long_sounds_in_pieces_are_on_one_side(tmp_path: Path) -> None:
    write_hits(tmp_path, per_class=4, seconds=0.5)
    dataset = load(tmp_path, pieces=True)
    assert summary_of(dataset).pieces == len(dataset) > 8
    assert not set(dataset.content_hashes[dataset.train]) & set(dataset.content_hashes[dataset.held_out])
    assert "longer than 0.13 s" in "\n".join(load_cut(tmp_path))


def test_of_a_long_sound_only_the_prepared_part_is_in_memory(tmp_path: Path) -> None:
    write_hits(tmp_path, per_class=4)
    load(tmp_path, pieces=True)  # what is imported at first is not counted
    seconds, rate = 100, 48_000
    sound = np.stack((noise(seconds * rate, 0), noise(seconds * rate, 1)), 1)
    soundfile.write(tmp_path / "long.wav", sound, rate)
    tracemalloc.start()
    try:
        dataset = load(tmp_path, pieces=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert summary_of(dataset).pieces > 700
    assert peak < sound.nbytes / 2  # at 8000 Hz and mono it has a twelfth of the numbers, held three times


def test_long_sounds_are_read_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_hits(tmp_path, per_class=8)
    running = threading.Semaphore(1)

    def read_alone(source: SoundSource, rate: int, max_seconds: float) -> MonoSound:
        assert running.acquire(blocking=False), "no other sound is read now"
        time.sleep(0.01)  # so that others would start, if they were let
        running.release()
        return read_mono(source, rate, max_seconds)

    monkeypatch.setattr(ingest, "read_mono", read_alone)
    monkeypatch.setattr(ingest, "physical_memory_bytes", lambda: 1)
    assert len(load(tmp_path, seconds=0.15)) == 16


def test_short_sounds_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_hits(tmp_path, per_class=8)
    pair = threading.Barrier(2, timeout=300)  # the limit is only against hanging

    def read_in_pairs(source: SoundSource, rate: int, max_seconds: float) -> MonoSound:
        pair.wait()
        return read_mono(source, rate, max_seconds)

    monkeypatch.setattr(ingest, "read_mono", read_in_pairs)
    assert len(load(tmp_path, seconds=0.16)) == 16


def test_without_a_cache_the_sounds_are_the_same(hits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = load(hits, pieces=True)

    def refuse(*_: object) -> None:
        raise cache.CacheWriteError("the disk is full")

    monkeypatch.setattr(cache, "load_or_write", refuse)
    held = load(hits, pieces=True)
    assert held.fingerprint == cached.fingerprint
    np.testing.assert_array_equal(held.items(np.arange(len(held))), cached.items(np.arange(len(cached))))
    assert any("the disk is full" in note for note in held.summary.notes)


def load_cut(folder: Path) -> list[str]:
    write_hits(folder, per_class=10, seconds=0.5)
    return load(folder).summary.notes


def test_groups_stay_on_one_side(hits: Path) -> None:
    dataset = load(hits, groups="(kit[0-9])")
    note = next(note for note in dataset.summary.notes if note.startswith("split by"))
    assert "finds in the path: 3 groups to train on, 1 group held out" in note
    assert len(dataset.held_out) == 6
    with pytest.raises(BadInput, match="is not found in the paths of 24 sounds"):
        load(hits, groups="(speaker[0-9])")


def test_classes_of_a_table(tmp_path: Path) -> None:
    rows = ["file,label"]
    for path in sorted(write_hits(tmp_path / "x").rglob("*.wav")):
        path.rename(tmp_path / f"{path.parent.name}-{path.name}")
        rows.append(f"{path.parent.name}-{path.name},{'low' if path.parent.name == 'kick' else 'high'}")
    shutil.rmtree(tmp_path / "x")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    assert load(tmp_path).classes == ("high", "low")
    (tmp_path / "labels.csv").write_text("\n".join(rows[:-1]))
    with pytest.raises(BadInput, match="has no row for 1 of the 16 sounds"):
        load(tmp_path)


def test_sounds_outside_of_class_folders(tmp_path: Path) -> None:
    write_hits(tmp_path)
    shutil.copy(tmp_path / "kick/kit0-0.wav", tmp_path / "loose.wav")
    dataset = load(tmp_path)
    assert dataset.classes == ()
    assert "1 of the sounds are outside the folders kick/, tick/: move every sound" in dataset.summary.notes[0]


def test_settings_are_chosen_from_the_files(hits: Path) -> None:
    data = AudioDataConfig(source=str(hits))
    table = data.model_dump()
    decisions = AUDIO.choose_settings(table, AUDIO.inspect(data), on_cpu=True)
    assert [decision.name for decision in decisions] == ["size", "rate", "seconds"]
    assert (table["size"], table["rate"], table["seconds"]) == (64, 8_000, 1.024)
    for size, rate, hop, window in ((64, 16_000, 256, 1024), (128, 44_100, 345, 2048)):
        codec = AudioDataConfig(size=size, rate=rate, seconds=1.024 if size == 64 else 1.0).codec
        assert (codec.hop, codec.window) == (hop, window)
    with pytest.raises(ValidationError, match="give a length in this range"):
        AudioDataConfig(size=64, rate=16_000, seconds=30)


def test_folders_of_sounds_are_recognized(hits: Path, tmp_path: Path) -> None:
    assert claimed_kind({"source": str(hits)}) == "audio"
    (tmp_path / "a.png").write_bytes(b"")
    assert claimed_kind({"source": str(tmp_path)}) == "images"


def test_silent_sounds_are_kept_if_they_were_generated(tmp_path: Path) -> None:
    for number in range(2):
        soundfile.write(tmp_path / f"{number}.wav", np.zeros(1024), 8_000)
    data = AudioDataConfig.model_validate({"source": str(tmp_path), **TINY})
    dataset = load_dataset(data, LoadOptions(for_evaluation=True, generated=True))
    assert len(dataset) == 2


def test_without_the_extra(hits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(BadInput) as info:
        AUDIO.inspect(AudioDataConfig(source=str(hits)))
    assert str(info.value) == 'sounds need the extra `audio`: pip install "zerosum[audio]"'


def test_sounds_of_formats_that_are_not_read_are_to_be_converted(tmp_path: Path) -> None:
    (tmp_path / "memo.m4a").write_bytes(b"x")
    assert claim_sounds(str(tmp_path)) > 0.5
    with pytest.raises(BadInput, match=r"1 file \(\.m4a 1\) but no sounds: convert them to \.wav or \.flac"):
        load(tmp_path)
    write_hits(tmp_path)
    assert any(note.startswith("ignored .m4a 1: convert them") for note in load(tmp_path).summary.notes)


def test_silence_before_a_sound_is_not_cut_off(tmp_path: Path) -> None:
    """Only what is left out after the onset counts as cut off."""
    for index, path in enumerate(sorted(write_hits(tmp_path, per_class=10, seconds=0.1).rglob("*.wav"))):
        sound, rate = soundfile.read(path)
        soundfile.write(path, np.concatenate((np.zeros(rate + index), sound)), rate)
    assert "are cut there" not in "\n".join(load(tmp_path).summary.notes)


def test_few_long_sounds_may_be_cut_into_pieces(tmp_path: Path) -> None:
    write_hits(tmp_path, per_class=2, seconds=5)
    with pytest.raises(BadInput, match=r"long sounds can be cut into pieces \(`data.pieces` true"):
        load(tmp_path)
    assert len(load(tmp_path, pieces=True)) > 16


def test_a_text_called_mp3_is_no_sound(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_text("no sound at all" * 99, "utf8")
    with pytest.raises(UnreadableSound, match="it is no sound, or damaged"):
        SoundReader(tmp_path / "a.mp3")


def test_the_rate_of_very_low_sounds_is_the_least_one(tmp_path: Path) -> None:
    for index in range(20):
        soundfile.write(tmp_path / f"{index}.wav", noise(1_000, index), 1_000)
    summary = inspect_dataset(tmp_path)
    assert isinstance(summary, AudioSummary)
    assert summary.form.startswith("mono, 2000 Hz")
