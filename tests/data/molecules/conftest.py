"""Files of molecules of every format."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

WriteFn = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> WriteFn:
    """Writes a file, zipped if its name says so, in an empty folder."""

    def write_text(name: str, text: str) -> Path:
        path, content = tmp_path / name, text.encode("utf8", errors="surrogateescape")
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write_text
