"""ONNX Runtime Web: where it is found, and that only known files are used."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from zerosum.errors import BadInput
from zerosum.inference.web import runtime
from zerosum.inference.web.runtime import LIBRARY_FILE, WASM_FILE, FileHashes, read_runtime

FILES = {LIBRARY_FILE: b"export const library = 1;", WASM_FILE: b"\0asm\1\0\0\0"}


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the files of these tests be those of a version."""
    hashes = FileHashes(*(hashlib.sha256(content).hexdigest() for content in FILES.values()))
    monkeypatch.setattr(runtime, "KNOWN_VERSIONS", {"9.9.9": hashes})


def write_package(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


def write_archive(file: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(file, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"package/dist/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("inner", ["", "dist", "package/dist", "node_modules/onnxruntime-web/dist"])
def test_read_from_a_folder(inner: str, tmp_path: Path) -> None:
    write_package(tmp_path / "ort" / inner)
    found = read_runtime(tmp_path / "ort")
    assert (found.version, found.library, found.wasm) == ("9.9.9", FILES[LIBRARY_FILE], FILES[WASM_FILE])


@pytest.mark.usefixtures("known")
def test_read_from_the_archive_of_npm_pack(tmp_path: Path) -> None:
    found = read_runtime(write_archive(tmp_path / "ort.tgz", FILES))
    assert (found.version, found.wasm) == ("9.9.9", FILES[WASM_FILE])


def test_files_of_other_content_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"`ort` .*SHA-256.*npm pack onnxruntime-web@"):
        read_runtime(write_package(tmp_path / "ort"))


@pytest.mark.usefixtures("known")
def test_one_changed_byte_is_refused(tmp_path: Path) -> None:
    folder = write_package(tmp_path / "ort")
    (folder / WASM_FILE).write_bytes(FILES[WASM_FILE] + b"\0")
    with pytest.raises(BadInput, match="SHA-256"):
        read_runtime(folder)


def test_without_the_package_the_message_says_how_to_get_it() -> None:
    with pytest.raises(BadInput, match=r"`ort` is missing.*npm pack onnxruntime-web@1\.30\.0"):
        read_runtime(None)


@pytest.mark.parametrize("kind", ["nothing there", "an empty folder", "no archive", "an archive of something else"])
def test_what_is_no_package(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "ort"
    if kind == "an empty folder":
        path.mkdir()
    elif kind == "no archive":
        path.write_bytes(b"text")
    elif kind == "an archive of something else":
        write_archive(path, {"README.md": b"text"})
    with pytest.raises(BadInput, match=rf"there is no {LIBRARY_FILE}"):
        read_runtime(path)
