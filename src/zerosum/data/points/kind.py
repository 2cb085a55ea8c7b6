"""Points of distributions whose density is known, as a kind of data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from zerosum.data.codec import Codec, Items
from zerosum.data.config import DataConfig
from zerosum.data.content_hash import hash_content
from zerosum.data.dataset import Dataset
from zerosum.data.kind import DataKind, Inspection, LoadOptions
from zerosum.data.split import split_by_content
from zerosum.data.summary import DatasetSummary
from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.run_folder import Json


@dataclass(frozen=True)
class PointCodec(Codec):
    """Points (N, F) are samples as they are."""

    dimensions: int
    """F"""

    @property
    def spec(self) -> TensorSpec:
        """F real numbers."""
        return TensorSpec((self.dimensions,))

    def encode(self, raw: Tensor) -> Tensor:  # type: ignore[override]
        """Return points (N, F) float32 unchanged."""
        return raw

    def decode(self, sample: Tensor, seed: Tensor) -> Items:  # type: ignore[override]
        """Return samples (N, F) as points."""
        return np.asarray(sample.detach().float().cpu().numpy())

    def embed(self, sample: Tensor) -> Tensor:  # type: ignore[override]
        """Return the points themselves (N, F)."""
        return sample.detach().float().cpu()

    def settings(self) -> Mapping[str, Json]:
        """Return the number of dimensions."""
        return {"dimensions": self.dimensions}


class Points(DataKind):
    """Two-dimensional points, drawn from a mixture of Gaussians."""

    name: ClassVar[str] = "points"
    noun: ClassVar[str] = "point"
    variants: ClassVar[tuple[str, ...]] = ("points",)
    builtin: ClassVar[tuple[str, ...]] = ("ring", "grid", "spiral")

    @property
    def config(self) -> type[DataConfig]:
        """The class of the settings `[data]`."""
        from zerosum.data.points.config import PointDataConfig

        return PointDataConfig

    def claims(self, table: Mapping[str, object]) -> float:
        """Return 1 for the name of a built-in distribution, unless a file or folder has this name."""
        source = str(table.get("source", ""))
        return 1.0 if source in self.builtin and not Path(source).exists() else 0.0

    def inspect(self, data: DataConfig) -> Inspection:
        """Return the number of points.

        Raises:
            BadInput: there is no such distribution.
        """
        from zerosum.data.points.mixtures import MIXTURES, POINT_COUNT

        if data.source not in MIXTURES:
            raise BadInput(
                f"`data.source` {data.source}: there is no such distribution; choose one of {', '.join(MIXTURES)}"
            )
        return Inspection(data.source, POINT_COUNT)

    def load(self, data: DataConfig, options: LoadOptions, inspection: Inspection | None = None) -> Dataset:
        """Draw the points, which are always the same, and split them."""
        from zerosum.data.points.mixtures import DATA_SEED, MIXTURES, POINT_COUNT

        self.inspect(data)
        values = MIXTURES[data.source].sample(POINT_COUNT, DATA_SEED)
        content_hashes = np.array([hash_content("point", point.tobytes()) for point in values], np.uint64)
        sides = split_by_content(content_hashes, options.held_out_fraction, bounded=options.bounded_split)
        train, held_out = options.keep_sides(content_hashes, *sides)
        summary = DatasetSummary(data.source, self.name, count=len(values), train=len(train), held_out=len(held_out))
        labels = np.zeros(len(values), np.int64)
        codec = PointCodec(values.shape[1])
        return Dataset(values, labels, (), content_hashes, train, held_out, summary, codec)

    def load_like(self, data: DataConfig, dataset: Dataset, options: LoadOptions) -> Dataset:
        """Raise: points are compared with their own distribution only.

        Raises:
            BadInput: always.
        """
        raise BadInput(
            f"`data` {data.source}: this run generates points, which are compared with its own; leave it out"
        )

    def restore_codec(self, settings: Mapping[str, Json], tensors: Mapping[str, Tensor]) -> PointCodec:
        """Return the codec of points with the saved number of dimensions."""
        return PointCodec(int(str(settings["dimensions"])))


POINTS = Points()
