"""The dataset of translation into sounds: its inputs are degraded copies of the targets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from zerosum.data.audio.codec import SOUND
from zerosum.data.audio.degradations import SoundDegradations
from zerosum.data.content_hash import hash_contents
from zerosum.data.dataset import Dataset, as_tensor
from zerosum.game import seeded_rng
from zerosum.game.sample_tree import leaves

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zerosum.data.loader import FetchedPart
    from zerosum.game.sample_spec import TensorSpec
    from zerosum.game.types import Batch

_SEED_HEADER = "given"  # part of the hash: another header would change every degraded input of an evaluation


@dataclass(frozen=True, eq=False, kw_only=True)
class DegradedSounds(Dataset):
    """Waveforms, and inputs that are degraded copies of them."""

    degrade: SoundDegradations
    crop: int = 0
    """Hops of the random part of each sound that is trained on; 0: all of it."""

    @property
    def fingerprint(self) -> str:
        """32 hex digits that change when the sounds, the split or the degradations change."""
        names = " ".join(self.degrade.names)
        return hashlib.blake2b(f"{super().fingerprint} {names}".encode(), digest_size=16).hexdigest()

    @property
    def input_spec(self) -> TensorSpec:
        """A spectrogram (H, W), or a sound (1, T)."""
        return self.degrade.form.spec

    @property
    def has_targets(self) -> bool:
        """True: the target is the sound before its degradation."""
        return True

    @property
    def baseline_name(self) -> str:
        """What `baseline` makes of inputs: sounds of spectrograms, by the algorithm of Griffin and Lim."""
        return self.degrade.form.baseline_name

    def baseline(self, inputs: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return waveforms (N, 1, T) that are made of inputs without a network."""
        return self.degrade.form.as_waves(inputs)

    def compared_inputs(self, inputs: Tensor) -> Tensor:
        """Return the log-mel spectrograms (N, 1, H, W) of inputs."""
        return self.degrade.form.as_spectrograms(inputs)

    def make_batch(self, parts: Sequence[FetchedPart], seed: Tensor) -> Batch:
        """Return parts of the targets as `real` (n, 1, t), and of their degraded copies by `seed` as `inputs`."""
        batch = super().make_batch(parts, seed)
        real, form = as_tensor(batch["real"]), self.degrade.form.log_mel
        if 0 < self.crop < form.frames:
            # before the degradation: an input that knew what is around its part would ask for sound that is not in it
            draws = seeded_rng.uniform(seed, 1, seeded_rng.RandomStream.WINDOW)[:, 0]
            real = cut_windows(real, (draws * (form.frames - self.crop + 1)).long() * form.hop, self.crop * form.hop)
        return batch | {"real": real, "inputs": self.degrade(real, seed)}

    def inputs(self, indices: NDArray[np.int64]) -> Tensor:
        """Return degraded sounds, with a hash of each sound as seed: (n, H, W) or (n, 1, T) float32 in [-1, 1]."""
        raw = self.take(indices)
        assert isinstance(raw, Mapping), "raw sounds are a tree"
        values = leaves(raw[SOUND])[0].numpy().view(np.uint8)
        seeds = hash_contents(_SEED_HEADER, values).view(np.int64) if len(values) else np.zeros(0, np.int64)
        return self.degrade(as_tensor(self.codec.encode(raw)), torch.from_numpy(seeds))


def cut_windows(values: Tensor, starts: Tensor, length: int) -> Tensor:
    """Return a part of each row along the last axis, (N, C, T) to (N, C, length), from its own start (N,) on.

    Example:
        >>> cut_windows(torch.arange(8).view(2, 1, 4), torch.tensor([0, 2]), 2).tolist()
        [[[0, 1]], [[6, 7]]]
    """
    places = starts.to(values.device)[:, None] + torch.arange(length, device=values.device)
    return values.gather(2, places[:, None].expand(-1, values.shape[1], -1))
