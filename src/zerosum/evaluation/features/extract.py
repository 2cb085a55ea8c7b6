"""From images to a table of features, a block at a time: over ranks, and kept on disk for real images."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data import cache
from zerosum.evaluation.features.base import FeatureNetwork, FeatureOutput
from zerosum.evaluation.features.registry import validate_output
from zerosum.evaluation.features.table import BLOCK_ROWS, FeatureTable
from zerosum.evaluation.sample_sets import SampleSet, block_row_indices

BATCH_SIZE = 64
"""Images a network sees at once. It is the same whatever the user's batch and the number of ranks, and the last batch
is filled up, so that the same image always gets the same features to the last bit."""
ProgressFn = Callable[[int, int], None]
"""Told how many images have been seen, of how many."""


def ignore_progress(done: int, total: int) -> None:
    """Nobody listens."""


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """What a network saw in a set."""

    features: FeatureTable
    probabilities: FeatureTable | None
    """Class probabilities, where the network has a head."""

    def __len__(self) -> int:
        return len(self.features)

    def head(self, count: int) -> FeatureSet:
        """The first rows alone."""
        return FeatureSet(self.features.head(count), self.probabilities.head(count) if self.probabilities else None)

    def load_into_memory(self) -> FeatureSet:
        """The same, needing no files any more; without chances."""
        return FeatureSet(
            FeatureTable(
                [block.clone().numpy() for block in self.features.blocks()], len(self), self.features.num_columns
            ),
            None,
        )


@dataclass(frozen=True, eq=False)
class FeatureExtractor:
    """A feature network at work: where it computes, and where its findings are kept."""

    network: FeatureNetwork
    device: torch.device
    scratch_folder: Path
    """A folder for the blocks that are not kept; whoever made it removes it."""

    def extract(
        self, sample_set: SampleSet, use_cache: bool = False, progress: ProgressFn = ignore_progress
    ) -> FeatureSet:
        """The features of all items, in their order; every rank gets all of them, having worked out its share.

        Args:
            sample_set: what to look at.
            use_cache: look blocks up in the cache by their content, and put new ones there.
            progress: how far it has come.
        """
        rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        count = -(-len(sample_set) // BLOCK_ROWS)
        found: list[dict[str, Any]] = []
        for first in range(0, count, world):
            mine = self._extract_block(sample_set, first + rank, use_cache) if first + rank < count else None
            found += [
                self._write_to_scratch(block, len(found) + i)
                for i, block in enumerate(_all_gather_blocks(mine))
                if block is not None
            ]
            progress(min((first + world) * BLOCK_ROWS, len(sample_set)), len(sample_set))
        tables = {name: _make_feature_table([block[name] for block in found], len(sample_set)) for name in found[0]}
        return FeatureSet(tables["features"], tables.get("probabilities"))

    def _extract_block(self, sample_set: SampleSet, index: int, use_cache: bool) -> dict[str, Any]:
        """A block's arrays, or the files that hold them."""
        values = sample_set.take(block_row_indices(sample_set, index))
        if not (use_cache and self.network.is_cacheable):
            return self._compute_features(values, sample_set.name)
        key = self._cache_key(values)
        if kept := _load_cached_block(key, len(values)):
            return kept
        seen = self._compute_features(values, sample_set.name)
        try:
            with cache.write_entry(key) as folder:
                for name, array in seen.items():
                    np.save(folder / f"{name}.npy", array)
                about = {"network": self.network.name, "version": self.network.version, "images": len(values)}
                (folder / "features.json").write_text(json.dumps(about), "utf8")
        except cache.CacheWriteError:
            return seen
        return _load_cached_block(key, len(values)) or seen

    def _cache_key(self, values: NDArray[Any]) -> str:
        about = f"{self.network.name} {self.network.version} {self.network.resize_mode} {values.shape} {values.dtype}"
        digest = hashlib.blake2b(about.encode(), digest_size=16)
        digest.update(np.ascontiguousarray(values).data)
        return f"features-{digest.hexdigest()}"

    def _compute_features(self, values: NDArray[Any], name: str) -> dict[str, NDArray[np.float32]]:
        batches = [torch.from_numpy(values[first : first + BATCH_SIZE]) for first in range(0, len(values), BATCH_SIZE)]
        hands = torch.get_num_threads() if self.device.type == "cpu" and self.network.is_cacheable else 1
        with ThreadPoolExecutor(hands, initializer=_use_one_thread if hands > 1 else lambda: None) as pool:
            seen = list(pool.map(self._compute_batch, batches))
        both = {
            "features": [s.features for s in seen],
            "probabilities": [s.probabilities for s in seen if s.probabilities is not None],
        }
        return {name: torch.cat(parts).numpy() for name, parts in both.items() if parts}

    def _compute_batch(self, values: Tensor) -> FeatureOutput:
        n = len(values)
        full = torch.cat([values, values[:1].expand(BATCH_SIZE - n, *values.shape[1:])]) if n < BATCH_SIZE else values
        full = full.to(self.device)
        images = full.permute(0, 3, 1, 2).float().div(127.5).sub(1) if full.dim() == 4 else full.float()
        with torch.autocast(self.device.type, enabled=False):
            seen = validate_output(self.network(images), BATCH_SIZE, self.network.name)
        chances = None if seen.probabilities is None else seen.probabilities[:n].float().cpu()
        return FeatureOutput(seen.features[:n].float().cpu(), chances)

    def _write_to_scratch(self, block: dict[str, Any], index: int) -> dict[str, Any]:
        """The block's arrays as files of the scratch folder, where no one else makes room."""
        placed = {}
        for name, array in block.items():
            placed[name] = _next_block_path(self.scratch_folder, name)
            if isinstance(array, Path):
                _link_or_copy(array, placed[name])
            else:
                np.save(placed[name], array)
        return placed


def _use_one_thread() -> None:
    """One core a batch: 1.3 times as fast on two cores as both on one batch, and the same to the last bit on any."""
    torch.set_num_threads(1)  # of this thread alone


def _next_block_path(folder: Path, name: str) -> Path:
    return folder / f"{name}-{len(list(folder.iterdir())):06d}.npy"


def _link_or_copy(source: Path, destination: Path) -> None:
    """Have the file at another place too; it then stays when the cache lets it go."""
    try:
        os.link(source, destination)
    except OSError:  # another file system
        shutil.copyfile(source, destination)


def _load_cached_block(key: str, num_rows: int) -> dict[str, Any] | None:
    """The block's files in the cache; None where there are none, or they are damaged, and then they are removed."""
    folder = cache.root() / key
    if not (folder / "features.json").exists():
        return None
    cache.touch(folder)
    files = {file.stem: file for file in sorted(folder.glob("*.npy"), reverse=True)}
    try:
        sound = all(len(np.load(file, mmap_mode="r", allow_pickle=False)) == num_rows for file in files.values())
    except (OSError, ValueError, EOFError):
        sound = False
    if sound and "features" in files:
        return files
    shutil.rmtree(folder, ignore_errors=True)
    return None


def _all_gather_blocks(block: dict[str, Any] | None) -> list[dict[str, Any] | None]:
    """Every rank's block, in order of rank; files are read, since another machine may not have them."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return [block]
    read = {n: np.load(a) if isinstance(a, Path) else a for n, a in block.items()} if block else None
    everyone: list[dict[str, Any] | None] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, read)
    return everyone


def _make_feature_table(stored_blocks: list[Any], num_rows: int) -> FeatureTable:
    first = np.load(stored_blocks[0], mmap_mode="r") if isinstance(stored_blocks[0], Path) else stored_blocks[0]
    return FeatureTable(stored_blocks, num_rows, first.shape[1])
