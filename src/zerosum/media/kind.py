"""What a kind of data is on the highest of its three floors: how its items are drawn and written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from zerosum.data.codec import Codec, GivenValues, Items
from zerosum.data.registry import KindRegistry
from zerosum.errors import BadInput
from zerosum.media.page_texts import PageTexts
from zerosum.media.script import ScriptPart, load_script
from zerosum.run_folder import Json

if TYPE_CHECKING:
    from PIL.Image import Image

    from zerosum.data.config import DataConfig
    from zerosum.data.dataset import Dataset
    from zerosum.media.incomplete import IncompleteFile
    from zerosum.media.raster import Images
    from zerosum.media.signals import SignalFiles
    from zerosum.reporter import Reporter

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class WrittenSamples:
    """The samples of a folder, all of which are written."""

    folder: Path
    first: int
    """The number of the first one."""
    given: GivenValues
    """The values of their condition that were given."""
    load_training: Callable[[], Dataset]
    """Loads the data that the generator was trained on; raises `BadInput` if they are not there any more."""
    reporter: Reporter
    """Receives progress."""
    shown: tuple[str, ...] = ()
    """Names of values that stand below a drawn sample, besides the given ones."""


class MediaKind(ABC):
    """How the items of a kind of data are drawn, written to files, and described in a report."""

    preview_count: ClassVar[int] = 64
    """Number of items in a preview."""
    batch_size: ClassVar[int] = 64
    """Largest number of items that are generated and written at a time."""
    fills_files: ClassVar[bool] = False
    """Whether files hold items of which parts are missing: see `open_incomplete`."""
    has_signals: ClassVar[bool] = False
    """Whether items are signals of any length, which are translated piece by piece: see `signal_files`."""
    has_frames: ClassVar[bool] = False
    """Whether there is an image of each item."""
    is_image: ClassVar[bool] = False
    """Whether an item is an image, so that it can be edited as one, and shown by a web page."""
    sequence_suffix: ClassVar[str] = ""
    """The suffix of a file that holds items one after the other: see `write_sequence`; "" if there is none, and images
    of the items become a video."""
    caution: ClassVar[str] = ""
    """What everybody who gets a model of these data has to know about it; "" if there is nothing special."""

    @abstractmethod
    def draw(self, items: Items, real: Items | None = None, columns: int = 0) -> Image:
        """Draw items as one image.

        Args:
            items: generated items (N, ...).
            real: real items, which may be drawn as a background.
            columns: items in a row, where items are drawn in a grid; 0: about as many as rows.
        """

    @abstractmethod
    def write(self, items: Items, codec: Codec, folder: Path, first: int = 0) -> None:
        """Write items into an existing folder, with all their values.

        Samples come in batches, one call after the other, so that any number of them fits into memory: a kind whose
        items share a file appends to it.

        Args:
            items: items number `first`, `first + 1`, ..., (N, ...).
            codec: the codec that decoded them.
            folder: where the files are written.
            first: the number of the first item.
        """

    def complete(self, samples: WrittenSamples, codec: Codec) -> list[str]:
        """Write what can be said of samples only when all of a folder are there, and return sentences for the user.

        By default nothing is.
        """
        return []

    def write_sequence(self, items: Items, codec: Codec, path: Path) -> None:
        """Write items (N, ...) one after the other into one file, as the steps of a walk; with `sequence_suffix`."""
        raise AssertionError("items of this kind have no file that holds them one after the other")

    def file_name(self, codec: Codec, number: int) -> str:
        """Return the name of the file that `write` makes of item `number` of a codec; "" if the items share a file.

        Items with a file each may be written by several threads at the same time.
        """
        return ""

    def describe_files(self, codec: Codec) -> str:
        """Return what files `write` makes of the items of a codec, or "" for the usual ones of this kind."""
        return ""

    def open_incomplete(self, codec: Codec, path: Path) -> IncompleteFile:
        """Return a file of items of which parts are missing; only where `fills_files`.

        Raises:
            BadInput: it cannot be used.
        """
        raise BadInput(f"{path}: items of this kind of data have no missing parts that could be filled")

    def signal_files(self, data: DataConfig, codec: Codec, degrade: bool) -> SignalFiles:
        """Return how files of signals are read as inputs of a translation and written; only where `has_signals`.

        Args:
            data: the settings of the run's data.
            codec: the codec of the run.
            degrade: whether inputs are degraded first, as in training.
        """
        raise AssertionError("items of this kind are no signals")

    def sample_script(self, codec: Codec) -> ScriptPart:
        """Return how scripts without Zerosum write samples; by default the values of the network, not decoded."""
        source = load_script(Path(__file__).with_name("scripts") / "undecoded.py.txt")
        return ScriptPart(source, facts={"sample": codec.settings()})

    def page_texts(self, codec: Codec) -> PageTexts | None:
        """Return how a web page shows samples as texts; None if it cannot."""
        return None

    def translation_script(self, data: DataConfig, input_shape: Shape, target_shape: Shape) -> ScriptPart:
        """Return how scripts without Zerosum read inputs of a translation and write outputs.

        Args:
            data: the settings of the data, in the direction of the translation.
            input_shape: (Ci, h, w) of inputs in training.
            target_shape: (C, H, W) of outputs in training.

        Raises:
            BadInput: items of this kind are not translated.
        """
        raise BadInput("`run`: translates data for which there are no scripts yet; choose a run of images")

    def signal_script(self, data: DataConfig, codec: Codec, numbers: Mapping[str, Json]) -> ScriptPart:
        """Return how scripts without Zerosum translate signals piece by piece; only where `has_signals`.

        Args:
            data: the settings of the run's data.
            codec: the codec of the run.
            numbers: those of what the network does around the part that is exported.
        """
        raise AssertionError("items of this kind are no signals")

    def frames(self, items: Items) -> Images:
        """Return an image of each item, uint8 (N, H, W, C), for films and contact sheets.

        Raises:
            BadInput: items of this kind are not drawn one by one: `has_frames` is False.
        """
        raise BadInput("samples of this kind of data are not drawn one by one; use a run that was trained on images")

    def describe(self, record: Mapping[str, Json]) -> str:
        """Return a sentence about the form of the items, from `data.json`, or ""."""
        return ""

    def parts(self, record: Mapping[str, Json]) -> tuple[str, list[tuple[str, str]]]:
        """Return what the parts of an item are called, such as "Columns", and the name and content of each.

        They come from `data.json`; by default there are none.
        """
        return "", []

    def facts(self, record: Mapping[str, Json]) -> list[tuple[str, object]]:
        """Return facts about the items with their labels, from `data.json`, for the report."""
        return []


MEDIA_KINDS = KindRegistry[MediaKind](
    {
        "images": "zerosum.media.images:IMAGE_MEDIA",
        "image-pairs": "zerosum.media.image_pairs:IMAGE_PAIR_MEDIA",
        "points": "zerosum.media.points:POINT_MEDIA",
        "tables": "zerosum.media.tables:TABLE_MEDIA",
        "molecules": "zerosum.media.molecules:MOLECULE_MEDIA",
        "audio": "zerosum.media.audio:AUDIO_MEDIA",
    },
    floor="media",
)
"""The media of each kind of data; one line for each."""
