"""Load a folder of sounds: prepare, hash, cache and split them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zerosum.data.audio.codec import SOUND, SPECTROGRAM
from zerosum.data.audio.config import AudioDataConfig
from zerosum.data.audio.degradations import SoundDegradations
from zerosum.data.audio.degraded import DegradedSounds
from zerosum.data.audio.imports import require_audio_packages
from zerosum.data.audio.ingest import AudioIngest, PreparedSounds
from zerosum.data.audio.prepare import Preparation
from zerosum.data.audio.sources import NOUN, AudioFolder
from zerosum.data.audio.symmetries import Gain, TimeShift, WaveGain
from zerosum.data.dataset import Dataset
from zerosum.data.images.groups import BY_FOLDER, hash_groups, is_pattern
from zerosum.data.images.splits import Split
from zerosum.data.kind import LoadOptions
from zerosum.data.split import split_by_content, split_by_group
from zerosum.data.text import pluralize
from zerosum.errors import BadInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zerosum.data.dataset import Symmetry

MIN_SOUNDS, MIN_SOUNDS_IN_PIECES = 16, 4
"""Least numbers of distinct sounds for training."""


def load_sounds(data: AudioDataConfig, options: LoadOptions, folder: AudioFolder | None = None) -> Dataset:
    """Load all sounds of a folder, or read them from the cache.

    Args:
        data: the settings, none of which is open.
        options: progress, split and least number of sounds.
        folder: the folder, if it has been listed.

    Raises:
        BadInput: the folder or a setting cannot be used, or too few distinct sounds can be read.
    """
    require_audio_packages()
    folder = folder or AudioFolder(data.source, Split.TEST if options.test_split else Split.TRAINING, data.label)
    # what is translated is not faded: a network would learn to fade
    preparation = Preparation(data.codec, data.trim, data.pieces, fades=not data.degrade)
    prepared = AudioIngest(folder, preparation, options.generated).load(options.progress)
    _require_enough(folder.display_name, prepared, data.pieces, options.for_evaluation)
    labels = folder.labels[prepared.source_indices]
    train, held_out, notes = _split(data, options, folder, prepared)
    summary = replace(
        prepared.summary, train=len(train), held_out=len(held_out), notes=[*prepared.summary.notes, *notes]
    )
    values = {SOUND: prepared.sound, SPECTROGRAM: prepared.spectrogram}
    parts = values, labels, folder.classes, prepared.content_hashes, train, held_out
    if not data.degrade:
        return Dataset(*parts, summary, data.codec, choose_symmetries(data))
    degrade, note = SoundDegradations(data.degrade, data.codec.log_mel), " then ".join(data.degrade)
    summary.notes.append(f"the inputs are made from the sounds by {note}")
    gain = (WaveGain(data.gain),) if data.gain else ()
    return DegradedSounds(*parts, summary, data.wave_codec, gain, degrade=degrade, crop=data.crop)


def choose_symmetries(data: AudioDataConfig) -> tuple[Symmetry, ...]:
    """Return the symmetries that the settings ask for."""
    shift = TimeShift(data.time_shift, goes_on=data.pieces or not data.trim)
    chosen: tuple[tuple[Symmetry, float], ...] = ((shift, data.time_shift), (Gain(data.gain), data.gain))
    return tuple(symmetry for symmetry, size in chosen if size)


def _require_enough(name: str, prepared: PreparedSounds, pieces: bool, for_evaluation: bool) -> None:
    """Raise if there are too few distinct sounds.

    Raises:
        BadInput: there are.
    """
    distinct = len(np.unique(prepared.content_hashes))
    needed = 1 if for_evaluation else MIN_SOUNDS_IN_PIECES if pieces else MIN_SOUNDS
    if distinct < needed:
        raise BadInput(
            f"{name} has only {pluralize(distinct, 'distinct sound')} that can be used: add sounds; at least {needed} "
            f"are needed, and hundreds for good results{_suggest_pieces(prepared, pieces)}"
        )


def _suggest_pieces(prepared: PreparedSounds, pieces: bool) -> str:
    """Return how long sounds give many examples, where they are not cut into pieces; else nothing."""
    if pieces or not prepared.summary.cut:
        return ""
    return (
        f"; long sounds can be cut into pieces (`data.pieces` true, as in the recipes vocoder and enhance), of which "
        f"{MIN_SOUNDS_IN_PIECES} sounds are enough"
    )


def _split(
    data: AudioDataConfig, options: LoadOptions, folder: AudioFolder, prepared: PreparedSounds
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
    """Return the training and the held-out examples, and sentences for the user.

    Raises:
        BadInput: a sound has no group, or all are in one.
    """
    hashes, fraction = prepared.content_hashes, options.held_out_fraction
    groups, notes = None, []
    if data.groups and fraction:
        groups = hash_groups([folder], data.groups, NOUN)[prepared.source_indices]
        train, held_out = split_by_group(hashes, groups, fraction, "data.groups", bounded=options.bounded_split)
        counts = [pluralize(len(np.unique(groups[rows])), "group") for rows in (train, held_out)]
        notes = [f"split by {_describe_groups(data.groups)}: {counts[0]} to train on, {counts[1]} held out"]
    else:
        train, held_out = split_by_content(hashes, fraction, bounded=options.bounded_split)
    if options.former:
        train, held_out = options.former.split.keep(hashes, train, held_out, groups)
    return train, held_out, notes


def _describe_groups(groups: str) -> str:
    if groups == BY_FOLDER:
        return "folder"
    return f"what {groups} finds in the path" if is_pattern(groups) else f"the column {groups}"
