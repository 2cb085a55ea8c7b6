"""Copies between samples, real images and training images: exact ones, and ones that were compressed or brightened."""

import io
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.multiprocessing.spawn import spawn

from zerosum.data.codec import Items
from zerosum.data.content_hash import hash_text
from zerosum.data.dataset import Dataset
from zerosum.data.images.load import load_source
from zerosum.evaluation import evaluator, request
from zerosum.evaluation.features.pixels import PixelFeatures
from zerosum.evaluation.kinds.base import EVALUATION_KINDS
from zerosum.evaluation.overlap import Contents, Overlap, RecordingSet, SearchedSet, find_overlap
from zerosum.evaluation.request import EvaluationOptions, EvaluationTask
from zerosum.evaluation.sample_sets import GeneratedSet, RealSet
from zerosum.reporter import SilentReporter

N = 200
OPTIONS = EvaluationOptions("pixels", N, 0, float("inf"), "held-out", 1_000, 5, "files")
IMAGES = EVALUATION_KINDS.find("images")


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """The bundled digits at 28 pixels."""
    return load_source("digits", 28, 1, "resize")


def part(digits: Dataset, start: int, count: int) -> Dataset:
    """A dataset of some of the training images."""
    rows = digits.train[start : start + count]
    return replace(
        digits, values=digits.items(rows), labels=digits.labels[rows], content_hashes=digits.content_hashes[rows],
        train=np.arange(count), held_out=np.arange(0),
    )  # fmt: skip


def overlaps_of(task: EvaluationTask) -> dict[tuple[str, str], Overlap]:
    with evaluator.open_feature_extractor(PixelFeatures(), task.real.dataset, torch.device("cpu")) as extractor:
        result, _ = evaluator.run_evaluation(task, OPTIONS, extractor, None, SilentReporter())
    return {(overlap.first, overlap.second): overlap for overlap in result.overlaps}


def generated(images: Items) -> GeneratedSet:
    return GeneratedSet(lambda start, count: images[start : start + count], len(images), "the samples")


def test_different_images_do_not_overlap(digits: Dataset) -> None:
    fakes, reals, train = (part(digits, start, 300) for start in (0, 300, 600))
    overlaps = overlaps_of(request.build_folders_task(fakes, reals, train, OPTIONS)[0])
    assert set(overlaps) == {("generated", "real"), ("generated", "train"), ("real", "train")}
    assert all(overlap.is_empty for overlap in overlaps.values())


@pytest.mark.parametrize(
    ("starts", "pair"),
    [
        ((0, 100, 600), ("generated", "real")),
        ((0, 600, 100), ("generated", "train")),
        ((600, 0, 100), ("real", "train")),
    ],
)
def test_shared_images_are_counted(digits: Dataset, starts: tuple[int, int, int], pair: tuple[str, str]) -> None:
    fakes, reals, train = (part(digits, start, 300) for start in starts)
    options = replace(OPTIONS, num_samples=300)
    overlaps = overlaps_of(request.build_folders_task(fakes, reals, train, options)[0])
    assert {name: overlap.copies for name, overlap in overlaps.items() if overlap.copies} == {pair: 200}


def test_both_halves_of_the_real_images_are_searched(digits: Dataset) -> None:
    """Also the images that neither the scores nor the floor use."""
    fakes, reals = part(digits, 0, 60), part(digits, 0, 600)
    overlaps = overlaps_of(request.build_folders_task(fakes, reals, None, OPTIONS)[0])
    assert [(overlap.copies, overlap.searched) for overlap in overlaps.values()] == [(60, 600)]


def save_as_jpeg(images: Items, quality: int) -> Items:
    files = [io.BytesIO() for _ in images]
    for image, file in zip(images, files, strict=True):
        Image.fromarray(image[..., 0]).save(file, "jpeg", quality=quality)
    return np.stack([np.asarray(Image.open(file)) for file in files])[..., None]


def test_samples_that_are_changed_a_little_are_near_copies(digits: Dataset) -> None:
    """A copy among training or real images; a shift by a pixel makes another image."""
    images = digits.items(digits.train[:N])
    brighter = np.clip(images * 1.05, 0, 255).astype(np.uint8)
    contents = {name: record(digits, values) for name, values in {
        "images": images, "jpeg": save_as_jpeg(images, 75), "brighter": brighter, "shifted": np.roll(images, 1, 2),
        "others": digits.items(digits.train[N : 2 * N]),
    }.items()}  # fmt: skip
    counts = {}
    for name, values in contents.items():
        overlap = find_overlap(SearchedSet("generated", [values]), SearchedSet("real", [contents["images"]]), 4.0)
        counts[name] = (overlap.copies, overlap.near_copies)
    assert counts["images"] == (N, 0)
    assert counts["others"] == (0, 0)
    assert counts["shifted"] == (0, 0)
    for name in ("jpeg", "brighter"):
        copies, near_copies = counts[name]
        assert copies + near_copies > 0.95 * N


def record(digits: Dataset, images: Items) -> Contents:
    recording_set = RecordingSet(generated(images), partial(IMAGES.thumbnails, codec=digits.codec))
    for start in range(0, len(images), 64):
        recording_set.take(np.arange(start, min(start + 64, len(images))))
    return recording_set.contents()


def test_translations_of_pairs_may_come_near_their_targets(digits: Dataset) -> None:
    real = RealSet(digits, digits.held_out[:N], "the targets")
    train = RealSet(digits, digits.train, "the training images")
    near = np.clip(digits.items(real.indices) * 1.05, 0, 255).astype(np.uint8)
    task = EvaluationTask(
        generated(near), real, train.head(N), None, None, "held-out", is_paired=True, train_items=train
    )
    assert overlaps_of(task)["generated", "target"].near_copies is None


def test_texts_are_found_among_all_texts_also_those_that_were_not_read(digits: Dataset) -> None:
    texts = [f"text {number}" for number in range(N)]
    hashes = np.array([hash_text(text) for text in texts], np.uint64)
    train = RealSet(replace(part(digits, 0, N), content_hashes=hashes), np.arange(N), "the training texts")
    samples = RecordingSet(generated(np.array([*texts[:7], "new"])), lambda items: None)
    samples.take(np.arange(8))
    read = Contents(hashes[:2], None, are_content_hashes=True)
    found = find_overlap(SearchedSet("generated", [samples.contents()]), SearchedSet("train", [read], train), 0.0)
    assert (found.copies, found.count, found.searched) == (7, 8, N)


def test_each_overlap_says_what_it_means_and_what_to_do() -> None:
    found = Overlap("generated", "real", 60, 50, 3, 1, "image")
    assert found.describe().startswith(
        "3 of 60 samples are among the real images, and 1 more is nearly equal to one: the scores compare these"
    )
    assert (
        Overlap("real", "train", 60, 50, 0, 2, "image")
        .describe()
        .startswith("2 of 60 real images are nearly equal to training images: scores and floor are too good")
    )
    assert Overlap("generated", "train", 60, 50, 0, None, "point").describe() == (
        "none of 60 samples is a copy of one of 50 training points"
    )
    by_chance = Overlap("generated", "train", 60, 50, 2, None, "row", by_chance=True)
    assert by_chance.describe() == "2 of 60 samples are among the training rows; some rows equal each other by chance"


def record_on_a_rank(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", f"file://{folder}/init", rank=rank, world_size=2)
    recording_set = RecordingSet(generated(np.arange(40, dtype=np.float32).reshape(10, 4)), lambda items: items)
    recording_set.take(np.arange(5 * rank, 5 * rank + 5))
    contents = recording_set.contents()
    assert len(contents) == 10
    assert np.array_equal(contents.thumbnails, np.arange(40).reshape(10, 4))
    torch.distributed.destroy_process_group()


def test_ranks_share_what_they_have_read(tmp_path: Path) -> None:
    spawn(record_on_a_rank, (str(tmp_path),), nprocs=2)
