"""Input and target images as a kind of data, for image-to-image translation."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from zerosum.data.config import DataConfig
from zerosum.data.degradations.catalog import DOWNSAMPLING_FACTORS
from zerosum.data.images.kind import Images
from zerosum.data.kind import Inspection, LoadOptions
from zerosum.settings import Decision

if TYPE_CHECKING:
    from zerosum.data.dataset import Dataset

MIN_INPUT_SIDE = 8
"""Least side in pixels of an input that is made from its target, for the choice of the size."""
OWN_SETTINGS = (
    "pairs", "input", "target_source", "input_channels", "input_range", "input_dtype", "degrade", "scale_factor",
)  # fmt: skip
"""Settings that no other kind of data has, so that they say which kind is meant."""
CLAIM_OF_TARGET = 0.9
"""How sure it is that data with `target` are pairs: less than that a file of another kind is of this."""


class ImagePairs(Images):
    """Input and target images, paired or unpaired."""

    name: ClassVar[str] = "image-pairs"
    augmentation: ClassVar[str] = "none"
    builtin: ClassVar[tuple[str, ...]] = ()
    pipeline_tag: ClassVar[str] = "image-to-image"

    @property
    def config(self) -> type[DataConfig]:
        """The class of the settings `[data]`."""
        from zerosum.data.image_pairs.config import ImagePairDataConfig

        return ImagePairDataConfig

    def claims(self, table: Mapping[str, object]) -> float:
        """Return 1 for settings that only pairs of images have, and less for one that others have too."""
        if any(name in table for name in OWN_SETTINGS):
            return 1.0
        return CLAIM_OF_TARGET if "target" in table else 0.0

    def inspect(self, data: DataConfig) -> Inspection:
        """Inspect inputs and targets together.

        Raises:
            BadInput: the inputs or the targets cannot be found, or none of them can be read.
        """
        from zerosum.data.image_pairs.config import ImagePairDataConfig
        from zerosum.data.image_pairs.load import inspect_pairs

        assert isinstance(data, ImagePairDataConfig), "the settings are of this kind"
        return inspect_pairs(data)

    def choose_settings(self, table: dict[str, object], inspection: Inspection, on_cpu: bool) -> list[Decision]:
        """Choose size, channels, fit and horizontal flips; inputs that are made smaller keep at least 8 pixels."""
        from zerosum.data.image_pairs.config import ImagePairDataConfig
        from zerosum.data.image_pairs.load import PairInspection
        from zerosum.data.images.defaults import MIN_RECTANGLE_SIDE, choose_image_settings

        assert isinstance(inspection, PairInspection), "this kind made the inspection"
        data, decisions = ImagePairDataConfig.model_validate(table), []
        factor = max(data.factor, inspection.scale_factor)
        if factor > 1:
            table["fit"] = table.get("fit") or "tiles"
        if inspection.scale_factor > 1:
            table["scale_factor"] = factor
            decisions.append(
                Decision("scale", f"by {factor}", f"the targets are {factor} times as large as the inputs")
            )
        factor = max((DOWNSAMPLING_FACTORS.get(name, 1) for name in data.degradations), default=factor)
        min_side = max(MIN_RECTANGLE_SIDE, MIN_INPUT_SIDE * factor)
        return decisions + choose_image_settings(table, inspection, on_cpu, min_side)

    def replaced_settings(self, table: Mapping[str, object], given: Collection[str]) -> Collection[str]:
        """Return the names of the subfolders, where there are two sources; and degradations.

        Degradations are replaced if they only make images smaller and the user names inputs in their place.
        """
        if "target_source" in given and not table.get("degrade"):
            return tuple(name for name in ("input", "target") if name in table and name not in given)
        degradations = table.get("degrade")
        if "degrade" in given or not isinstance(degradations, list) or not {"input", "target_source"} & set(given):
            return ()
        return ("degrade",) if set(degradations) <= DOWNSAMPLING_FACTORS.keys() else ()

    def load(self, data: DataConfig, options: LoadOptions, inspection: Inspection | None = None) -> Dataset:
        """Load inputs and targets, decoded to one size."""
        from zerosum.data.image_pairs.config import ImagePairDataConfig
        from zerosum.data.image_pairs.load import PairInspection, load_pairs

        assert isinstance(data, ImagePairDataConfig), "the settings are of this kind"
        return load_pairs(data, options, inspection if isinstance(inspection, PairInspection) else None)

    def select_test_inputs(self, data: DataConfig, names: Sequence[str]) -> tuple[list[int], list[str]]:
        """Return the images of the test split and, if there are folders of inputs and targets, only the inputs."""
        from zerosum.data.image_pairs.config import ImagePairDataConfig
        from zerosum.data.image_pairs.sources import side_folder
        from zerosum.data.images.splits import Split, select_split

        assert isinstance(data, ImagePairDataConfig), "the settings are of this kind"
        choice = select_split(names, Split.TEST)
        if data.degradations or data.target_source:
            return choice.indices, choice.notes
        folder = side_folder([names[index] for index in choice.indices], data.input)
        notes = [*choice.notes, f"used {folder}, the inputs"] if folder else choice.notes
        return [index for index in choice.indices if names[index].startswith(folder)], notes


IMAGE_PAIRS = ImagePairs()
