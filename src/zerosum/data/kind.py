"""What a kind of data is on the lowest of its three floors: how data are found, inspected, loaded and encoded.

A kind has one implementation on each floor: here (`DataKind`), in `zerosum.evaluation.kinds` and in `zerosum.media`.
Nothing else names it. An *item* is what the user gave: an image, a point, a row. A *sample* is what networks see: a
tensor or a tree of tensors. In between, an example is stored *raw*, as compactly as possible.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from zerosum.data.codec import Codec
from zerosum.data.config import DEFAULT_HELD_OUT
from zerosum.data.registry import KindRegistry
from zerosum.errors import BadInput
from zerosum.run_folder import Json

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from zerosum.data.config import DataConfig
    from zerosum.data.dataset import Dataset
    from zerosum.data.former_data import FormerData
    from zerosum.game.types import Sample
    from zerosum.settings import Decision

ProgressFn = Callable[[int, int], None]
"""Called with (items done, items in all) while data are read."""
HELD_OUT_FRACTION = DEFAULT_HELD_OUT
"""Fraction of the examples that is held out."""


def ignore_progress(done: int, total: int) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class Inspection:
    """What a quick look at the data has found."""

    source: str
    """The source as the user named it."""
    count: int
    """Number of items, readable or not."""
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences for the user about decisions of the inspection."""
    resolved: object = field(default=None, repr=False, compare=False)
    """What was opened for the inspection, for `DataKind.load`."""


@dataclass(frozen=True)
class LoadOptions:
    """How data are loaded, apart from their settings."""

    progress: ProgressFn = ignore_progress
    held_out_fraction: float = HELD_OUT_FRACTION
    """Fraction of the examples that is held out, 0 to 0.5; of data to train on, `load_dataset` sets `data.held_out`."""
    bounded_split: bool = True
    """Whether the number of held-out examples has bounds: see `split_by_content`; not if the user set the fraction."""
    for_evaluation: bool = False
    """The data are only evaluated: a single item is enough."""
    generated: bool = False
    """The items were generated: also those that are invalid, or equal to others, are kept."""
    test_split: bool = False
    """Of data that have been split into files for training and for a test, read those for the test."""
    former: FormerData | None = None
    """What a run keeps of its former data, if these are its data after a change; None for other data."""
    codec: Codec | None = None
    """The codec of the run whose data these are, or from which a run on them starts, if `takes_over_codec`; None: it is
    that of `former`, or is fitted to them."""

    def keep_sides(
        self, content_hashes: NDArray[np.uint64], train: NDArray[np.int64], held_out: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return a split in which contents that a run knows are on their former side; see `FormerSplit.keep`."""
        return self.former.split.keep(content_hashes, train, held_out) if self.former else (train, held_out)


class DataKind(ABC):
    """A kind of data, such as images: the implementation of the lowest floor."""

    name: ClassVar[str]
    """Its name in `data.kind`."""
    noun: ClassVar[str]
    """One item in words, such as "image"; the plural has an s."""
    class_hint: ClassVar[str] = "classes come with the data, and this kind has none"
    """How a user gives classes to these data."""
    variants: ClassVar[tuple[str, ...]] = ()
    """Variants of a recipe file whose networks suit these data, best first; without one of them, the variant of the
    network size is used."""
    traits: ClassVar[tuple[str, ...]] = ()
    """Traits that data of this kind may have: "color", and "positions" of which each means something of its own. A
    recipe file may have variants for them."""
    augmentation: ClassVar[str] = "none"
    """The kind of augmentation before the discriminator where data are scarce, as in `augment.kind`."""
    builtin: ClassVar[tuple[str, ...]] = ()
    """Names of built-in datasets."""
    publishes_items: ClassVar[bool] = False
    """Whether users of Python get samples as items, see `Codec.publish`, and not as tensors, which they decode."""
    takes_over_codec: ClassVar[bool] = False
    """Whether a run that starts from another one encodes its data as that does, such as by its vocabulary; if not, its
    codec is fitted to its own data."""
    extra: ClassVar[str] = ""
    """The extra of the package that has what these data need; "" if none is needed."""
    pipeline_tag: ClassVar[str] = ""
    """The task of its models on the Hugging Face Hub, one of their list; "" if none suits."""

    @property
    @abstractmethod
    def config(self) -> type[DataConfig]:
        """The class of the settings `[data]`."""

    @abstractmethod
    def claims(self, table: Mapping[str, object]) -> float:
        """Return how sure it is, from 0 to 1, that data with these settings (without `kind`) are of this kind."""

    def store(self, source: object) -> Path | None:
        """Store data that a user of Python has in memory as a file, and return its path; None if it is none of these.

        Raises:
            BadInput: they cannot be stored.
        """
        return None

    @abstractmethod
    def inspect(self, data: DataConfig) -> Inspection:
        """Inspect data without reading them all.

        Raises:
            BadInput: the data cannot be used.
        """

    def choose_settings(self, table: dict[str, object], inspection: Inspection, on_cpu: bool) -> list[Decision]:
        """Choose the open settings of `[data]`, add them to the table, and return the decisions with their reasons.

        Raises:
            BadInput: a setting does not suit the data.
        """
        return []

    def find_traits(self, data: DataConfig) -> tuple[str, ...]:
        """Return the traits of data, from the settings of which none are open."""
        return ()

    def replaced_settings(self, table: Mapping[str, object], given: Collection[str]) -> Collection[str]:
        """Return the settings of a recipe file that those of the user replace.

        Args:
            table: the settings of `[data]`.
            given: the names of those that the user gave.
        """
        return ()

    def explain_missing_conditions(self, recipe: str) -> str:
        """Return why data without a condition do not suit a recipe whose networks take one, and what to do.

        It follows the name of the source in a message.
        """
        return (
            f"has no classes, and recipe {recipe} is class-conditional: {self.class_hint}, or choose another `recipe`, "
            "such as auto"
        )

    @abstractmethod
    def load(self, data: DataConfig, options: LoadOptions, inspection: Inspection | None = None) -> Dataset:
        """Load data whose open settings are chosen.

        Args:
            data: the settings.
            options: progress, split and least number of items. If a run goes on with changed data, `keep_sides` keeps
                what it knows on its side of the split; it is refused if a kind does not.
            inspection: the inspection of the same data, if there was one, so that a folder is not listed twice.

        Raises:
            BadInput: the data cannot be used, or a setting is still open.
        """

    def load_like(self, data: DataConfig, dataset: Dataset, options: LoadOptions) -> Dataset:
        """Load other data in the format of a dataset, to compare samples with them.

        Args:
            data: the settings, with the other source.
            dataset: the dataset of the run.
            options: progress and split.

        Raises:
            BadInput: the data cannot be used, or have another format.
        """
        other = load_dataset(data, options)
        if (other.spec, other.input_spec) != (dataset.spec, dataset.input_spec):
            raise BadInput(
                f"`data` {data.source}: these {self.noun}s do not have the form of those that the run was trained on"
            )
        return other

    def select_test_inputs(self, data: DataConfig, names: Sequence[str]) -> tuple[list[int], list[str]]:
        """Return which files of a run's data a translator is to be tested with, and notes about the choice.

        Args:
            data: the settings of the data.
            names: (N,) paths of all files within their source, with slashes.

        Returns:
            The indices of the files in the test split, or of all where there is none, and sentences for the user.
        """
        return list(range(len(names))), []

    def choose_common_settings(self, sources: Mapping[str, str], given: Mapping[str, object]) -> DataConfig:
        """Return settings with which the items of several sources can be compared.

        Args:
            sources: the sources by the argument that names them.
            given: settings that the user gave.

        Raises:
            BadInput: the items cannot be compared.
        """
        argument, source = next(iter(sources.items()))
        raise BadInput(f"`{argument}` {source}: {self.noun}s are not compared by their files; evaluate a run on them")

    def load_comparable(self, data: DataConfig, dataset: Dataset, options: LoadOptions) -> Dataset:
        """Load data in the format of a dataset, to compare both; by default the settings alone give it to them.

        Args:
            data: settings of `choose_common_settings`, with the other source.
            dataset: the dataset, loaded with the same settings.
            options: progress and split.

        Raises:
            BadInput: the data cannot be used, or have another format.
        """
        return load_dataset(data, options)

    def align(self, datasets: Mapping[str, Dataset]) -> Mapping[str, Dataset]:
        """Return datasets by name, of which each was loaded by `load_comparable` for the one before, in one form.

        By default they are in one form already.
        """
        return datasets

    def load_file(self, data: DataConfig, path: Path, codec: Codec) -> Sample:
        """Load the item of a file as a sample (1, ...) of a run.

        Args:
            data: the settings of the run's data.
            path: the file.
            codec: the codec of the run.

        Raises:
            BadInput: the file cannot be read, or items of this kind are not in files of their own.
        """
        raise BadInput(f"{path}: a {self.noun} is not a file of its own; use a run that was trained on images")

    @abstractmethod
    def restore_codec(self, settings: Mapping[str, Json], tensors: Mapping[str, Tensor]) -> Codec:
        """Return the codec that was saved with these settings and tensors."""


DATA_KINDS = KindRegistry[DataKind](
    {
        "images": "zerosum.data.images.kind:IMAGES",
        "image-pairs": "zerosum.data.image_pairs.kind:IMAGE_PAIRS",
        "points": "zerosum.data.points.kind:POINTS",
        "tables": "zerosum.data.tables.kind:TABLES",
        "molecules": "zerosum.data.molecules.kind:MOLECULES",
        "audio": "zerosum.data.audio.kind:AUDIO",
    }
)
"""The kinds of data by name; one line for each."""


def selected_kind(table: Mapping[str, object]) -> str:
    """Return the kind that the settings of `[data]` name or, if they name none, the one that claims them."""
    return str(table.get("kind") or claimed_kind(table))


def claimed_kind(table: Mapping[str, object]) -> str:
    """Return the name of the kind of data that is surest of these settings (those of `[data]`, without `kind`)."""
    return max(DATA_KINDS, key=lambda name: DATA_KINDS.find(name).claims(table))


def store_source(source: object) -> Path:
    """Store data that a user of Python has in memory, of any kind, as a file, and return its path.

    Raises:
        BadInput: no kind of data is that.
    """
    for name in DATA_KINDS:
        if (path := DATA_KINDS.find(name).store(source)) is not None:
            return path
    raise BadInput(f"`source`: give a path, a list of paths or a pandas DataFrame, not {type(source).__name__}")


def load_dataset(data: DataConfig, options: LoadOptions, inspection: Inspection | None = None) -> Dataset:
    """Load data of any kind; see `DataKind.load`. The summary says what an item of this kind is called.

    Of data to train on, the fraction is held out that their settings say.
    """
    if not options.for_evaluation:
        is_default = data.held_out is None
        options = replace(options, held_out_fraction=data.held_out_fraction, bounded_split=is_default)
    kind = DATA_KINDS.find(data.kind)
    dataset = kind.load(data, options, inspection)
    return replace(dataset, summary=replace(dataset.summary, noun=kind.noun))


def builtin_datasets() -> list[str]:
    """Return the names of the built-in datasets of all kinds."""
    return [name for kind in DATA_KINDS for name in DATA_KINDS.find(kind).builtin]
