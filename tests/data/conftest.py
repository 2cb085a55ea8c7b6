"""Folders of small distinct images, and a separate cache for each test."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakeImages = Callable[..., list[Path]]


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ZEROSUM_CACHE_GB", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def make_images() -> MakeImages:
    """make_images(folder, n, size=(w, h), mode=, suffix=, seed=): write n distinct images."""

    def write_images(
        folder: Path,
        n: int,
        size: tuple[int, int] = (9, 7),
        mode: str = "RGB",
        suffix: str = ".png",
        seed: int = 0,
    ) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(seed)
        paths = [folder / f"{index}{suffix}" for index in range(n)]
        for path in paths:
            pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
            Image.fromarray(pixels).convert(mode).save(path)
        return paths

    return write_images
