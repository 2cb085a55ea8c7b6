"""ONNX Runtime Web, which runs the networks of a page, read from the user's copy of its package.

It is 14 MB, so it is not part of this package. Only files of known content are used: they become part of a page that
others open.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from zerosum.errors import BadInput

LIBRARY_FILE, WASM_FILE = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
"""The files of the package that a page needs: the JavaScript library, and what it runs."""
FOLDERS = ("", "dist", "package/dist", "node_modules/onnxruntime-web/dist")
"""Where the files are in a folder that the user names: itself, the package, an unpacked archive, an installation."""
MAX_FILE_BYTES = 40_000_000


class FileHashes(NamedTuple):
    """SHA-256 of the files of a version."""

    library: str
    wasm: str


KNOWN_VERSIONS: Mapping[str, FileHashes] = MappingProxyType(
    {
        "1.30.0": FileHashes(
            "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
            "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
        )
    }
)
"""The versions that pages were tested with, the newest first."""
NEWEST = next(iter(KNOWN_VERSIONS))
HOW_TO_GET = f"run `npm pack onnxruntime-web@{NEWEST}` and give onnxruntime-web-{NEWEST}.tgz as `ort`"


@dataclass(frozen=True)
class WebRuntime:
    """The files of ONNX Runtime Web that a page needs."""

    version: str
    library: bytes
    """The JavaScript library."""
    wasm: bytes
    """The WebAssembly module that it runs."""


def read_runtime(path: Path | None) -> WebRuntime:
    """Read ONNX Runtime Web from its package.

    Args:
        path: the archive that `npm pack` downloads, or a folder in which it was unpacked or installed.

    Raises:
        BadInput: `path` is None, there are no such files, or their content is not that of a known version.

    Example:
        >>> runtime = read_runtime(Path("onnxruntime-web-1.30.0.tgz"))  # doctest: +SKIP
        >>> read_runtime(None)
        Traceback (most recent call last):
            ...
        zerosum.errors.BadInput: `ort` is missing: a page needs ONNX Runtime Web ...
    """
    if path is None:
        raise BadInput(f"`ort` is missing: a page needs ONNX Runtime Web (MIT license, 14 MB); {HOW_TO_GET}")
    read_file = _archive_reader(path) if path.is_file() else _folder_reader(path)
    return _check_version(path, read_file(LIBRARY_FILE), read_file(WASM_FILE))


def _check_version(path: Path, library: bytes, wasm: bytes) -> WebRuntime:
    hashes = FileHashes(hashlib.sha256(library).hexdigest(), hashlib.sha256(wasm).hexdigest())
    for version, known in KNOWN_VERSIONS.items():
        if hashes == known:
            return WebRuntime(version, library, wasm)
    raise BadInput(
        f"`ort` {path}: the SHA-256 of {LIBRARY_FILE} and {WASM_FILE} are not those of a known version of ONNX Runtime "
        f"Web ({', '.join(KNOWN_VERSIONS)}), so they are not used; {HOW_TO_GET}"
    )


def _folder_reader(path: Path) -> Callable[[str], bytes]:
    folder = next((path / name for name in FOLDERS if (path / name / LIBRARY_FILE).is_file()), path)

    def read(name: str) -> bytes:
        try:
            with (folder / name).open("rb") as file:
                return file.read(MAX_FILE_BYTES)
        except OSError as error:
            raise _missing(path, name) from error

    return read


def _archive_reader(path: Path) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        try:
            with tarfile.open(path) as archive:
                content = archive.extractfile(f"package/dist/{name}")
                return content.read(MAX_FILE_BYTES) if content else b""
        except (OSError, tarfile.TarError, KeyError, EOFError) as error:
            raise _missing(path, name) from error

    return read


def _missing(path: Path, name: str) -> BadInput:
    return BadInput(f"`ort` {path}: there is no {name} of ONNX Runtime Web; {HOW_TO_GET}")
