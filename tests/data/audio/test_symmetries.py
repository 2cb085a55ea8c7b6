"""Symmetries of spectrograms."""

import torch

from zerosum.data.audio.symmetries import Gain, TimeShift
from zerosum.game.mel_filters import DYNAMIC_RANGE

SEED = torch.arange(500)


def test_time_shift_moves_frames_and_lets_silence_in() -> None:
    images = torch.full((500, 1, 4, 8), -1.0)
    images[..., 3] = 0.5
    shifted = TimeShift(2)(images, SEED)
    places = shifted[:, 0, 0].argmax(1)
    assert sorted(set(places.tolist())) == [3, 4, 5]
    assert torch.equal(shifted.sum(), images.sum())  # nothing else
    edge = torch.full((500, 1, 4, 8), 0.5)
    assert (TimeShift(2)(edge, SEED) == -1).any()


def test_an_onset_is_never_cut_off() -> None:
    images = torch.full((500, 1, 4, 8), -1.0)
    images[..., 0] = 0.5
    assert ((TimeShift(2)(images, SEED) == 0.5).sum((1, 2, 3)) == 4).all()


def test_pieces_are_shifted_to_either_side() -> None:
    images = torch.full((500, 1, 4, 8), -1.0)
    images[..., 3] = 0.5
    places = TimeShift(2, goes_on=True)(images, SEED)[:, 0, 0].argmax(1)
    assert sorted(set(places.tolist())) == [1, 2, 3, 4, 5]
    edge = torch.full((500, 1, 4, 8), 0.5)
    assert torch.equal(TimeShift(2, goes_on=True)(edge, SEED), edge)


def test_gain_changes_the_level_and_not_silence() -> None:
    images = torch.full((500, 1, 4, 8), 0.0)
    images[..., 0] = -1.0
    changed = Gain(2.0)(images, SEED)
    decibels = changed[:, 0, 0, 1] * DYNAMIC_RANGE / 2
    assert -2.01 < decibels.min() < -1.9
    assert 1.9 < decibels.max() < 2.01
    assert (changed[..., 0] == -1).all()


def test_symmetries_derive_from_the_seed_of_each_sample() -> None:
    images = torch.rand(500, 1, 4, 8)
    for symmetry in (TimeShift(2), Gain(2.0)):
        assert torch.equal(symmetry(images, SEED)[7:9], symmetry(images[7:9], SEED[7:9]))
