"""Extract features of sample sets block by block, on one or several ranks, with a cache on disk for real images."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data import cache
from zerosum.data.codec import Items
from zerosum.data.kind import ProgressFn, ignore_progress
from zerosum.evaluation.features.base import FeatureNetwork, FeatureOutput
from zerosum.evaluation.features.custom import validate_output
from zerosum.evaluation.features.table import BLOCK_ROWS, FeatureTable
from zerosum.evaluation.sample_sets import SampleSet, block_row_indices

BATCH_SIZE = 64
"""Items per call of a network. It depends neither on the user's batch size nor on the number of ranks, and the last
batch is padded, so that the same item always gets the same features to the last bit."""
StoredArray: TypeAlias = NDArray[np.float32] | Path
"""An array, or the file that holds it."""
StoredBlock: TypeAlias = Mapping[str, StoredArray]
"""The arrays of a block by name."""


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """The features of a sample set."""

    features: FeatureTable
    probabilities: FeatureTable | None
    """Class probabilities, if the network has a head."""

    def __len__(self) -> int:
        return len(self.features)

    def head(self, count: int) -> FeatureSet:
        """Return the first `count` rows."""
        return FeatureSet(self.features.head(count), self.probabilities.head(count) if self.probabilities else None)

    def load_into_memory(self) -> FeatureSet:
        """Return a copy that needs no files, without class probabilities."""
        return FeatureSet(
            FeatureTable(
                [block.clone().numpy() for block in self.features.blocks()], len(self), self.features.num_columns
            ),
            None,
        )


@dataclass(frozen=True, eq=False)
class FeatureExtractor:
    """A feature network with the device it computes on and the folder its output goes to."""

    network: FeatureNetwork
    network_input: Callable[[Items, torch.device], Tensor]
    """Turns items (N, ...) into what the network takes, on a device."""
    device: torch.device
    scratch_folder: Path
    """Folder for the blocks of features; its creator removes it."""
    input_key: str = ""
    """What `network_input` depends on besides the items, as part of the key of cached features."""

    def extract(
        self, sample_set: SampleSet, use_cache: bool = False, progress: ProgressFn = ignore_progress
    ) -> FeatureSet:
        """Return the features of all items in order; the ranks divide the blocks, and each returns all of them.

        Args:
            sample_set: the items.
            use_cache: look up blocks in the cache by their content, and store new ones.
            progress: called after each block.
        """
        rank, world_size = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        num_blocks = -(-len(sample_set) // BLOCK_ROWS)
        blocks: list[StoredBlock] = []
        for first in range(0, num_blocks, world_size):
            has_block = first + rank < num_blocks
            own_block = self._extract_block(sample_set, first + rank, use_cache) if has_block else None
            blocks += [self._write_to_scratch(block) for block in _all_gather_blocks(own_block) if block is not None]
            progress(min((first + world_size) * BLOCK_ROWS, len(sample_set)), len(sample_set))
        tables = {name: _make_feature_table([block[name] for block in blocks], len(sample_set)) for name in blocks[0]}
        return FeatureSet(tables["features"], tables.get("probabilities"))

    def _extract_block(self, sample_set: SampleSet, index: int, use_cache: bool) -> StoredBlock:
        """Return the arrays of a block by name, or the files that hold them."""
        values = sample_set.take(block_row_indices(sample_set, index))
        if not (use_cache and self.network.is_cacheable):
            return self._compute_features(values)
        key = self._cache_key(values)
        load_block = partial(_load_block, num_rows=len(values))
        if cached := load_block(cache.root() / key):
            return cached
        arrays = self._compute_features(values)
        try:
            with cache.write_entry(key, is_valid=lambda entry: load_block(entry) is not None) as folder:
                for name, array in arrays.items():
                    np.save(folder / f"{name}.npy", array)
                names = {"network": self.network.name, "version": self.network.version}
                metadata = {**names, "items": len(values), "arrays": list(arrays)}
                (folder / "features.json").write_text(json.dumps(metadata), "utf8")
        except cache.CacheWriteError:
            return arrays
        return load_block(cache.root() / key) or arrays

    def _cache_key(self, values: Items) -> str:
        assert not values.dtype.hasobject, "items are arrays of numbers or of strings, whose bytes are their content"
        network = f"{self.network.name} {self.network.version} {self.network.resize_mode}"
        metadata = f"{cache.VERSION} {network} {values.shape} {values.dtype}{self.input_key}"
        digest = hashlib.blake2b(metadata.encode(), digest_size=16)
        digest.update(np.ascontiguousarray(values).data)
        return f"features-{digest.hexdigest()}"

    def _compute_features(self, values: Items) -> dict[str, NDArray[np.float32]]:
        batches = [values[first : first + BATCH_SIZE] for first in range(0, len(values), BATCH_SIZE)]
        num_threads = torch.get_num_threads() if self.device.type == "cpu" and self.network.is_cacheable else 1
        initializer = _use_one_thread if num_threads > 1 else lambda: None
        with ThreadPoolExecutor(num_threads, initializer=initializer) as executor:
            outputs = list(executor.map(self._compute_batch, batches))
        parts_by_name = {
            "features": [output.features for output in outputs],
            "probabilities": [output.probabilities for output in outputs if output.probabilities is not None],
        }
        return {name: torch.cat(parts).numpy() for name, parts in parts_by_name.items() if parts}

    def _compute_batch(self, items: Items) -> FeatureOutput:
        n = len(items)
        padded = np.concatenate([items, np.repeat(items[:1], BATCH_SIZE - n, axis=0)]) if n < BATCH_SIZE else items
        network_input = self.network_input(padded, self.device)
        with torch.autocast(self.device.type, enabled=False):
            output = validate_output(self.network(network_input), BATCH_SIZE, self.network.name)
        probabilities = None if output.probabilities is None else output.probabilities[:n].float().cpu()
        return FeatureOutput(output.features[:n].float().cpu(), probabilities)

    def _write_to_scratch(self, block: StoredBlock) -> StoredBlock:
        """Store the arrays of a block in the scratch folder, from which no cache pruning removes them."""
        paths = {}
        for name, array in block.items():
            paths[name] = self.scratch_folder / f"{name}-{len(list(self.scratch_folder.iterdir())):06d}.npy"
            if isinstance(array, Path):
                _link_or_copy(array, paths[name])
            else:
                np.save(paths[name], array)
        return paths


def _use_one_thread() -> None:
    """Use one core per batch: on two cores 1.3 times as fast as both on one batch, and bit-identical on any number."""
    torch.set_num_threads(1)  # affects the calling thread only


def _link_or_copy(source: Path, destination: Path) -> None:
    """Link or copy a file, so that it survives when the cache removes the original."""
    try:
        os.link(source, destination)
    except OSError:  # another file system
        shutil.copyfile(source, destination)


def _load_block(folder: Path, num_rows: int) -> StoredBlock | None:
    """Return the files of a cached block by array name; None if there are none, or they are damaged."""
    try:
        names = json.loads((folder / "features.json").read_text("utf8"))["arrays"]
        files = {name: folder / f"{name}.npy" for name in names}
        lengths = {len(np.load(file, mmap_mode="r", allow_pickle=False)) for file in files.values()}
    except (OSError, ValueError, EOFError, TypeError, KeyError):
        return None
    cache.touch(folder)
    return files if lengths == {num_rows} else None


def _all_gather_blocks(block: StoredBlock | None) -> list[StoredBlock | None]:
    """Return the blocks of all ranks, in rank order; files are read first, since other hosts may not have them."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return [block]
    arrays = {n: np.load(a) if isinstance(a, Path) else a for n, a in block.items()} if block else None
    gathered: list[StoredBlock | None] = [None] * dist.get_world_size()
    dist.all_gather_object(gathered, arrays)
    return gathered


def _make_feature_table(stored_blocks: Sequence[StoredArray], num_rows: int) -> FeatureTable:
    first = np.load(stored_blocks[0], mmap_mode="r") if isinstance(stored_blocks[0], Path) else stored_blocks[0]
    return FeatureTable(stored_blocks, num_rows, first.shape[1])
