"""Published weights: fetched or found, checked, and made ready to be looked through."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import torch

from zerosum.data import cache
from zerosum.errors import BadInput
from zerosum.networks.pretrained import freeze_network, sha256_digest

__all__ = [
    "TIMEOUT_SECONDS",
    "ProgressFn",
    "deterministic_inference",
    "download_weights",
    "freeze_network",
    "ignore_progress",
    "sha256_digest",
]

TIMEOUT_SECONDS = 20.0
"""Seconds without an answer after which a server counts as not there."""
ProgressFn = Callable[[int, int], None]
"""Told how many bytes have come, of how many (0: the server did not say)."""
_CHUNK_BYTES = 2**20  # bytes


def ignore_progress(done: int, total: int) -> None:
    """Nobody listens."""


def download_weights(url: str, sha256_prefix: str, filename: str, progress: ProgressFn = ignore_progress) -> Path:
    """A file of weights in the cache folder, downloaded the first time.

    It is written under a temporary name and renamed once it is whole, so that several processes may ask at once.

    Args:
        url: where it is published.
        sha256_prefix: what the hash of its content begins with, in hex digits.
        filename: what it is called in the folder `weights` of the cache.
        progress: how far the download has come.

    Raises:
        BadInput: it is not there and cannot be downloaded, or what came is another file.
    """
    place = cache.root() / "weights" / filename
    if place.is_file() and sha256_digest(place).startswith(sha256_prefix):
        return place
    by_hand = f"put the file at {place} by hand, or use --features lite0, which needs no download"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        arrived = _download(url, place, progress)
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise BadInput(f"{url} cannot be downloaded ({reason}); {by_hand}") from error
    if not (found := sha256_digest(arrived)).startswith(sha256_prefix):
        arrived.unlink()
        raise BadInput(f"{url}: what came is not the file asked for (its sha256 begins {found[:8]}); {by_hand}")
    arrived.replace(place)
    return place


@contextmanager
def deterministic_inference() -> Iterator[None]:
    """Look without a trace of gradients, and on a GPU in full float32, the same way every time.

    TensorFloat-32, which PyTorch allows in convolutions unless told otherwise, keeps 10 bits of each number only.
    """
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield


def _download(url: str, path: Path, progress: ProgressFn) -> Path:
    """The file under a name of its own beside its place; nothing is left where this fails."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".fetching-")
    try:
        with os.fdopen(handle, "wb") as file, urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            total, done = int(answer.headers.get("Content-Length") or 0), 0
            while piece := answer.read(_CHUNK_BYTES):
                file.write(piece)
                done += len(piece)
                progress(done, total)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:  # Ctrl-C too leaves no part behind; it goes on to the caller
        Path(name).unlink()
        raise
    return Path(name)
