"""Published weights of feature networks: download, check and cache them, and run inference deterministically."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import torch

from zerosum.data import cache
from zerosum.errors import BadInput
from zerosum.networks.pretrained import sha256_digest

TIMEOUT_SECONDS = 20.0
"""Seconds without an answer after which a download fails."""
ProgressFn = Callable[[int, int], None]
"""Called with the bytes downloaded so far and their total number (0: not known)."""
_CHUNK_BYTES = 2**20


def ignore_progress(done: int, total: int) -> None:
    """Do nothing."""


def download_weights(
    url: str,
    sha256_prefix: str,
    filename: str,
    progress: ProgressFn = ignore_progress,
    field: str = "features",
) -> Path:
    """Return a file of weights in the cache folder; download it the first time.

    It is written under a temporary name and renamed once it is complete, so several processes may download at once.

    Args:
        url: where it is published.
        sha256_prefix: first hex digits of the SHA-256 of its content.
        filename: its name in the folder `weights` of the cache.
        progress: called after each chunk.
        field: the argument or setting that chose the network, for messages.

    Raises:
        BadInput: the download fails, or its hash does not match.
    """
    path = cache.root() / "weights" / filename
    if path.is_file() and sha256_digest(path).startswith(sha256_prefix):
        return path
    hint = f"download it by hand to {path}, or choose `{field}` lite0, which needs no download"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _download(url, path, progress)
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise BadInput(f"{url} cannot be downloaded ({reason}); {hint}") from error
    if not (digest := sha256_digest(temporary)).startswith(sha256_prefix):
        temporary.unlink()
        raise BadInput(
            f"{url}: SHA-256 mismatch: the downloaded file begins with {digest[:8]}, not {sha256_prefix[:8]}; {hint}"
        )
    temporary.replace(path)
    return path


@contextmanager
def deterministic_inference() -> Iterator[None]:
    """Run without gradients, and on a GPU deterministically and in full float32.

    TensorFloat-32, which PyTorch allows in convolutions by default, keeps only 10 bits of each number.
    """
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield


def _download(url: str, path: Path, progress: ProgressFn) -> Path:
    """Download to a temporary file in the folder of `path` and return it; remove it on failure."""
    temporary = path.with_name(f".fetching-{os.getpid()}-{path.name}")
    try:
        with temporary.open("wb") as file, urlopen(url, timeout=TIMEOUT_SECONDS) as response:
            total, done = int(response.headers.get("Content-Length") or 0), 0
            while chunk := response.read(_CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                progress(done, total)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:  # also on Ctrl-C; the exception is raised again
        temporary.unlink(missing_ok=True)
        raise
    return temporary
