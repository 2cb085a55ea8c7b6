"""Odd archives and arrays, as lists of a description, a file name and its bytes."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from benchmarks.faults.fixtures import make_image
from benchmarks.faults.image_files import File, encode

MARKER = "pickle-was-run"
"""Name of the file that the pickled arrays make in the working directory when they are unpickled."""


class Bomb:
    """Writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Return the call that unpickling makes."""
        return (os.mkdir, (MARKER,))


def _images(count: int = 30, side: int = 16) -> list[bytes]:
    return [encode(make_image(np.random.default_rng(seed), side), "PNG") for seed in range(count)]


def make_zip(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def archives() -> Iterator[File]:
    """Yield archives."""
    images = _images()
    for what, pattern in {
        "plain": "{}.png", "with ./": "./{}.png", "with ..": "../{}.png", "absolute": "/tmp-absolute/{}.png",
        "backslashes": "set\\{}.png", "double slashes": "a//{}.png", "all hidden": ".hidden/{}.png",
        "all in __MACOSX": "__MACOSX/._{}.png", "control characters": "a\x1b[31m\n{}.png", "not ASCII": "あ{}.png",
        "deep": "/".join(["d"] * 300) + "/{}.png", "long names": "n" * 300 + "{}.png", "drive": "C:/x/{}.png",
        "trailing dots": "a./{} .png", "no suffix": "{}", "train and test": "train/{}.png",
    }.items():  # fmt: skip
        yield f"zip {what}", "odd.zip", make_zip({pattern.format(i): image for i, image in enumerate(images)})
    good = make_zip({f"{i}.png": image for i, image in enumerate(images)})
    yield "zip cut", "odd.zip", good[: len(good) // 2]
    yield "zip without its directory's end", "odd.zip", good[:-10]
    flipped = bytearray(good)
    flipped[len(good) // 3] ^= 4
    yield "zip with a flipped bit", "odd.zip", bytes(flipped)
    encrypted = bytearray(good)
    for position in _positions(good, b"PK\x01\x02"):
        encrypted[position + 8] |= 1
    yield "zip encrypted", "odd.zip", bytes(encrypted)
    strange = bytearray(good)
    for position in _positions(good, b"PK\x01\x02"):
        strange[position + 10] = 99
    yield "zip of an unknown method", "odd.zip", bytes(strange)
    yield "zip behind a program", "odd.zip", b"#!/bin/sh\n" * 100 + good
    yield "zip empty", "odd.zip", make_zip({})
    yield "zip of folders", "odd.zip", make_zip({"a/": b"", "b/": b""})
    yield "zip of texts", "odd.zip", make_zip({"a.txt": b"x"})
    yield "zip bomb of one member", "odd.zip", make_zip({"0.png": bytes(300_000_000)})
    yield "zip of a zip", "odd.zip", make_zip({"inner.zip": good})
    yield "zip of bzip2", "odd.zip", make_zip({f"{i}.png": image for i, image in enumerate(images)}, zipfile.ZIP_BZIP2)
    yield "zip of lzma", "odd.zip", make_zip({f"{i}.png": image for i, image in enumerate(images)}, zipfile.ZIP_LZMA)
    yield "zip with one bad image", "odd.zip", make_zip({"bad.png": b"x", "a.png": images[0]} | dict(_numbered(images)))
    table = {"dataset.json": b'{"labels": null}', "labels.csv": b"\xff\xfe,\n"}
    yield "zip with damaged tables", "odd.zip", make_zip(table | dict(_numbered(images)))
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a.png"))
    yield "tar named zip", "odd.zip", file.getvalue()
    yield "tar.gz", "odd.tar.gz", file.getvalue()
    yield "text named zip", "odd.zip", b"no archive"
    yield "empty file named zip", "odd.zip", b""


def _numbered(images: list[bytes]) -> Iterator[tuple[str, bytes]]:
    return ((f"{index}.png", image) for index, image in enumerate(images))


def _positions(content: bytes, what: bytes) -> Iterator[int]:
    position = content.find(what)
    while position >= 0:
        yield position
        position = content.find(what, position + 1)


def _npy(array: np.ndarray, allow_pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


def _npz(**arrays: np.ndarray) -> bytes:
    return make_zip({f"{name}.npy": _npy(array) for name, array in arrays.items()})


def _header(text: str, content: bytes = bytes(1000)) -> bytes:
    header = text.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def arrays() -> Iterator[File]:
    """Yield arrays of odd types, shapes and values."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    for what, array in {
        "of bytes": images, "channels first": images.transpose(0, 3, 1, 2), "gray": images[..., 0],
        "of bool": images > 127, "of int64": images.astype(np.int64), "negative": images.astype(np.int16) - 300,
        "of uint16": images.astype(np.uint16) * 257, "of float16": (images / 255).astype(np.float16),
        "of float64": images / 255, "with NaN": np.where(images > 250, np.nan, images / 255),
        "with infinity": np.where(images > 250, np.inf, images / 255), "all NaN": np.full(images.shape, np.nan),
        "constant": np.zeros_like(images), "complex": images.astype(np.complex64), "of words": np.array(["a", "b"]),
        "structured": np.zeros(40, [("a", "u1"), ("b", "f4")]), "big-endian": images.astype(">i4"),
        "Fortran order": np.asfortranarray(images), "0-d": np.array(3), "1-d": np.arange(50), "2-d": images[0, :, :, 0],
        "one image": images[0], "5-d": images[None], "empty": images[:0], "no pixels": images[:, :0],
        "one pixel": images[:, :1, :1], "2 channels": images[..., :2], "7 channels": np.repeat(images, 3, -1)[..., :7],
        "one item": images[:1], "wide": rng.integers(0, 255, (20, 4, 400), dtype=np.uint8),
        "of dates": np.array(["2020-01-01"] * 30, "datetime64"), "of 1e300": images * 1e300,
    }.items():  # fmt: skip
        yield f"npy {what}", "odd.npy", _npy(array)
    yield "npy of objects", "odd.npy", _npy(np.array([Bomb()] * 3, dtype=object), allow_pickle=True)
    yield "pickle named npy", "odd.npy", pickle.dumps(Bomb())
    good = _npy(images)
    for fraction in (0.001, 0.01, 0.5, 0.999):
        yield f"npy cut at {fraction:.1%}", "odd.npy", good[: int(fraction * len(good))]
    for what, shape in {"huge": f"({10**12}, 16, 16, 3)", "negative": "(-1, 16, 16, 3)", "of text": "'a'",
                        "of a call": "__import__('os').mkdir('x')"}.items():  # fmt: skip
        yield (
            f"npy header {what}",
            "odd.npy",
            _header(f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"),
        )
    yield "npy of version 9", "odd.npy", good[:6] + b"\x09" + good[7:]
    yield "npy with a long end", "odd.npy", good + bytes(10_000)
    yield "empty npy", "odd.npy", b""
    labels = rng.integers(0, 3, 40)
    for what, values in {
        "whole": labels, "few": labels[:9], "of fractions": labels + 0.5, "negative": labels - 5,
        "one-hot": np.eye(3)[labels],
        "of words": np.array(["<b>", "\x1b[31m"] * 20), "huge": labels * 10**15, "of NaN": np.full(40, np.nan),
    }.items():  # fmt: skip
        yield f"npz with labels {what}", "odd.npz", _npz(images=images, labels=values)
    yield "npz of labels only", "odd.npz", _npz(labels=labels)
    yield "npz of two arrays", "odd.npz", _npz(a=images, b=images)
    yield "npz of x_train", "odd.npz", _npz(x_train=images, y_train=labels)
    yield "npz of nothing", "odd.npz", _npz()
    yield "npz cut", "odd.npz", _npz(images=images)[:3000]
    yield "npz with a bad member", "odd.npz", make_zip({"images.npy": b"\x93NUMPY nothing"})
    yield "npz bomb", "odd.npz", make_zip({"images.npy": _header(
        f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({10**9}, 1, 1), }}", bytes(10**9))})  # fmt: skip
    yield (
        "npz of objects",
        "odd.npz",
        make_zip({"images.npy": _npy(np.array([Bomb()], dtype=object), allow_pickle=True)}),
    )


def all_files() -> list[tuple[str, str, bytes]]:
    """Return all odd archives and arrays."""
    return [*archives(), *arrays()]


def was_unpickled(folder: Path) -> bool:
    """Return whether a command that ran in this folder has unpickled an object."""
    return (folder / MARKER).exists() or (folder / "x").exists()
