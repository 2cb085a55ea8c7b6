"""Figures of an evaluation: samples next to their nearest training items, and real items of missing modes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from zerosum.data.codec import Items
from zerosum.evaluation.kinds.base import EVALUATION_KINDS
from zerosum.evaluation.request import EvaluationTask
from zerosum.evaluation.result import EvaluationResult
from zerosum.evaluation.sample_sets import RealSet, SampleSet
from zerosum.media import contact_sheet
from zerosum.media.contact_sheet import CaptionedRow
from zerosum.media.kind import MEDIA_KINDS
from zerosum.media.raster import Images, save_image

SAMPLES_SHOWN = 8
"""Samples in each half of a contact sheet of nearest neighbors."""
MAX_COMPARED = 5_000
"""Samples and real items that are drawn as a whole."""
FramesFn = Callable[[Items], Images]
"""Draws an image of each item."""


def save_figures(result: EvaluationResult, task: EvaluationTask, folder: Path) -> list[Path]:
    """Draw the nearest training items of samples, and real items of the missing modes, into an empty folder.

    Returns:
        The files written; none for data whose items are not drawn.
    """
    media, codec = MEDIA_KINDS.find(task.real.dataset.summary.kind), task.real.dataset.codec
    if not media.has_frames:
        return _save_comparisons(task, folder)

    def frames(items: Items) -> Images:
        return media.frames(codec.preview(items))

    paths = []
    if result.memorization and task.train:
        contact_sheet.save_contact_sheet(
            _neighbor_rows(result, task.generated, task.train, frames), folder / "neighbors.png", columns=2
        )
        paths.append(folder / "neighbors.png")
    if result.modes and result.modes.all_samples.missing:
        contact_sheet.save_contact_sheet(_missing_mode_rows(result, task.real, frames), folder / "missing_modes.png")
        paths.append(folder / "missing_modes.png")
    return paths


def _save_comparisons(task: EvaluationTask, folder: Path) -> list[Path]:
    """Draw samples and real items as a whole, as their kind does; return the files written."""
    dataset = task.real.dataset
    generated, real = (items.take(np.arange(min(len(items), MAX_COMPARED))) for items in (task.generated, task.real))
    figures = EVALUATION_KINDS.find(dataset.summary.kind).draw_figures(generated, real, dataset.codec)
    paths = [folder / f"{name}.png" for name in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        save_image(figure, path)
    return paths


def _neighbor_rows(
    result: EvaluationResult, generated: SampleSet, train: RealSet, frames: FramesFn
) -> list[CaptionedRow]:
    """Return rows of a sample and its three nearest training items.

    The left column holds the first samples, the right one the samples nearest to a training item.
    """
    memorization = result.memorization
    assert memorization is not None
    nearest = np.argsort(memorization.neighbor_distances[:, 0], kind="stable")[:SAMPLES_SHOWN]
    typical = float(np.median(memorization.held_out_distances))
    columns = []
    for title, rows in (("sample", np.arange(min(SAMPLES_SHOWN, len(generated)))), ("nearest", np.sort(nearest))):
        ratios = memorization.neighbor_distances[rows, 0] / max(typical, 1e-12)
        captions = [f"{title} {row}: {ratio:.2f} of the median" for row, ratio in zip(rows, ratios, strict=True)]
        neighbors = frames(train.take(memorization.neighbor_indices[rows].reshape(-1)))
        columns.append(
            contact_sheet.nearest_neighbor_rows(
                frames(generated.take(rows)), neighbors.reshape(len(rows), -1, *neighbors.shape[1:]), captions
            )
        )
    return [row for pair in zip(*columns, strict=True) for row in pair]


def _missing_mode_rows(
    result: EvaluationResult, real: RealSet, frames: FramesFn, max_rows: int = 8
) -> list[CaptionedRow]:
    modes, noun = result.modes, real.dataset.summary.noun
    assert modes is not None
    return [
        CaptionedRow(
            f"{mode.num_real} such real {noun}s, {mode.num_generated} samples where {mode.expected:.0f} are expected",
            frames(real.take(modes.example_rows[mode.mode])),
        )
        for mode in modes.all_samples.missing[:max_rows]
    ]
