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
from zerosum.evaluation.features.base import FeatureNetwork, Seen
from zerosum.evaluation.features.registry import checked
from zerosum.evaluation.features.table import BLOCK, Table
from zerosum.evaluation.sample_sets import Items, block_rows

BATCH = 64
"""Images a network sees at once. It is the same whatever the user's batch and the number of ranks, and the last batch
is filled up, so that the same image always gets the same features to the last bit."""
Progress = Callable[[int, int], None]
"""Told how many images have been seen, of how many."""


def quiet(done: int, total: int) -> None:
    """Nobody listens."""


@dataclass(frozen=True, eq=False)
class Observed:
    """What a network saw in a set."""

    features: Table
    chances: Table | None
    """Class probabilities, where the network has a head."""

    def __len__(self) -> int:
        return len(self.features)

    def head(self, rows: int) -> Observed:
        """The first rows alone."""
        return Observed(self.features.head(rows), self.chances.head(rows) if self.chances else None)

    def in_memory(self) -> Observed:
        """The same, needing no files any more; without chances."""
        return Observed(
            Table([block.clone().numpy() for block in self.features.blocks()], len(self), self.features.width), None
        )


@dataclass(frozen=True, eq=False)
class Observer:
    """A feature network at work: where it computes, and where its findings are kept."""

    network: FeatureNetwork
    device: torch.device
    scratch: Path
    """A folder for the blocks that are not kept; whoever made it removes it."""

    def see(self, items: Items, keep: bool = False, progress: Progress = quiet) -> Observed:
        """The features of all items, in their order; every rank gets all of them, having worked out its share.

        Args:
            items: what to look at.
            keep: look blocks up in the cache by their content, and put new ones there.
            progress: how far it has come.
        """
        rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        count = -(-len(items) // BLOCK)
        found: list[dict[str, Any]] = []
        for first in range(0, count, world):
            mine = self._block(items, first + rank, keep) if first + rank < count else None
            found += [self._put(block, len(found) + i) for i, block in enumerate(_shared(mine)) if block is not None]
            progress(min((first + world) * BLOCK, len(items)), len(items))
        tables = {name: _table([block[name] for block in found], len(items)) for name in found[0]}
        return Observed(tables["features"], tables.get("chances"))

    def _block(self, items: Items, index: int, keep: bool) -> dict[str, Any]:
        """A block's arrays, or the files that hold them."""
        values = items.take(block_rows(items, index))
        if not (keep and self.network.steady):
            return self._look(values, items.name)
        key = self._key(values)
        if kept := _kept(key, len(values)):
            return kept
        seen = self._look(values, items.name)
        try:
            with cache.writing(key) as folder:
                for name, array in seen.items():
                    np.save(folder / f"{name}.npy", array)
                about = {"network": self.network.name, "version": self.network.version, "images": len(values)}
                (folder / "features.json").write_text(json.dumps(about), "utf8")
        except cache.CannotWrite:
            return seen
        return _kept(key, len(values)) or seen

    def _key(self, values: NDArray[Any]) -> str:
        about = f"{self.network.name} {self.network.version} {self.network.resize} {values.shape} {values.dtype}"
        digest = hashlib.blake2b(about.encode(), digest_size=16)
        digest.update(np.ascontiguousarray(values).data)
        return f"features-{digest.hexdigest()}"

    def _look(self, values: NDArray[Any], name: str) -> dict[str, NDArray[np.float32]]:
        batches = [torch.from_numpy(values[first : first + BATCH]) for first in range(0, len(values), BATCH)]
        hands = torch.get_num_threads() if self.device.type == "cpu" and self.network.steady else 1
        with ThreadPoolExecutor(hands, initializer=_alone if hands > 1 else lambda: None) as pool:
            seen = list(pool.map(self._batch, batches))
        both = {"features": [s.features for s in seen], "chances": [s.chances for s in seen if s.chances is not None]}
        return {name: torch.cat(parts).numpy() for name, parts in both.items() if parts}

    def _batch(self, values: Tensor) -> Seen:
        n = len(values)
        full = torch.cat([values, values[:1].expand(BATCH - n, *values.shape[1:])]) if n < BATCH else values
        full = full.to(self.device)
        images = full.permute(0, 3, 1, 2).float().div(127.5).sub(1) if full.dim() == 4 else full.float()
        with torch.autocast(self.device.type, enabled=False):
            seen = checked(self.network(images), BATCH, self.network.name)
        chances = None if seen.chances is None else seen.chances[:n].float().cpu()
        return Seen(seen.features[:n].float().cpu(), chances)

    def _put(self, block: dict[str, Any], index: int) -> dict[str, Any]:
        """The block's arrays as files of the scratch folder, where no one else makes room."""
        placed = {}
        for name, array in block.items():
            placed[name] = _new_file(self.scratch, name)
            if isinstance(array, Path):
                _linked(array, placed[name])
            else:
                np.save(placed[name], array)
        return placed


def _alone() -> None:
    """One core a batch: 1.3 times as fast on two cores as both on one batch, and the same to the last bit on any."""
    torch.set_num_threads(1)  # of this thread alone


def _new_file(folder: Path, name: str) -> Path:
    return folder / f"{name}-{len(list(folder.iterdir())):06d}.npy"


def _linked(file: Path, place: Path) -> None:
    """Have the file at another place too; it then stays when the cache lets it go."""
    try:
        os.link(file, place)
    except OSError:  # another file system
        shutil.copyfile(file, place)


def _kept(key: str, rows: int) -> dict[str, Any] | None:
    """The block's files in the cache; None where there are none, or they are damaged, and then they are removed."""
    folder = cache.root() / key
    if not (folder / "features.json").exists():
        return None
    cache.touch(folder)
    files = {file.stem: file for file in sorted(folder.glob("*.npy"), reverse=True)}
    try:
        sound = all(len(np.load(file, mmap_mode="r", allow_pickle=False)) == rows for file in files.values())
    except (OSError, ValueError, EOFError):
        sound = False
    if sound and "features" in files:
        return files
    shutil.rmtree(folder, ignore_errors=True)
    return None


def _shared(mine: dict[str, Any] | None) -> list[dict[str, Any] | None]:
    """Every rank's block, in order of rank; files are read, since another machine may not have them."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return [mine]
    read = {n: np.load(a) if isinstance(a, Path) else a for n, a in mine.items()} if mine else None
    everyone: list[dict[str, Any] | None] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, read)
    return everyone


def _table(parts: list[Any], rows: int) -> Table:
    first = np.load(parts[0], mmap_mode="r") if isinstance(parts[0], Path) else parts[0]
    return Table(parts, rows, first.shape[1])
