"""The folder of samples: their files, a sheet, their classes, and a record of which samples they are."""

from __future__ import annotations

import csv
import glob
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.data.codec import GivenValues
from zerosum.data.generated_files import CLASS_GRID_FILE, GRID_FILE, LABELS_FILE, RECORD_FILE
from zerosum.errors import BadInput
from zerosum.files import file_lock, remove_temporary_files, write_atomically, write_unflushed
from zerosum.media.kind import MEDIA_KINDS, WrittenSamples
from zerosum.reporter import Reporter, TimedProgress
from zerosum.run_folder import Json, RunFolder
from zerosum.workflows.output_paths import first_free, is_taken

if TYPE_CHECKING:
    from zerosum.inference.generator import Generator
    from zerosum.inference.redraw import DrawCounts
    from zerosum.inference.sample_stream import SampleSettings, SampleWriter

SAMPLES_PER_RECORD = 2_000
"""Samples after which the record is written, so that little is generated again after a kill."""
ROWS_PER_BLOCK = 10_000
"""Rows of labels.csv that are in memory together."""
LOCK_FILE = f".{RECORD_FILE}.lock"
"""Locked while the record is read and written, since several processes may fill one folder."""
Ranges = list[tuple[int, int]]
"""[(first, end), ...]: the numbers of samples, in increasing order and with gaps between."""


def _remove_leftovers(folder: Path) -> None:
    """Remove what a killed command left in its folder: a part of a file, and a lock that nobody holds."""
    remove_temporary_files(folder)
    if (folder / LOCK_FILE).exists():
        with suppress(OSError), file_lock(folder / LOCK_FILE):  # it is removed when it is released
            pass


def merge_ranges(ranges: Ranges) -> Ranges:
    """Return ranges in increasing order, with those joined that touch.

    Example:
        >>> merge_ranges([(64, 80), (0, 64), (100, 110)])
        [(0, 80), (100, 110)]
    """
    merged: Ranges = []
    for first, end in sorted(ranges):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((first, end))
    return merged


@dataclass(frozen=True)
class SampleFolder:
    """A folder of samples of one generator with the same settings."""

    path: Path
    run: Path
    generator: Generator
    settings: SampleSettings
    is_new: bool
    """Whether there is no such folder yet."""

    @classmethod
    def open(
        cls, into: str | Path | None, default: Path, run: Path, generator: Generator, settings: SampleSettings
    ) -> SampleFolder:
        """Return the folder `into`, or by default a new one; nothing is written yet.

        Raises:
            BadInput: the folder holds something else than such samples.
        """
        path = Path(into) if into else first_free(default, lambda candidate: [candidate])
        for earlier in [path, *default.parent.glob(f"{glob.escape(default.name)}*/")]:
            _remove_leftovers(earlier)
        folder = cls(path, run, generator, settings, not path.exists())
        if is_taken(path):
            folder._check_record()
        return folder

    def fill(self, first: int, count: int, reporter: Reporter) -> None:
        """Write `count` samples from number `first` on; after an interruption, those so far stay, as whole files.

        Raises:
            BadInput: some of these samples are there already, or another process has made the folder meanwhile.
            OSError: a file cannot be written.
        """
        from zerosum.inference.sample_stream import SampleWriter

        self._check_free(first, first + count)
        has_record = (self.path / RECORD_FILE).exists()
        self._create()
        writer = SampleWriter(self.generator, self.settings, self.path, first)
        try:
            writer.write(count, _Recorder(self, writer, TimedProgress(reporter, "generating samples")))
        except BaseException:
            if writer.end > first:
                self._complete(writer, first)
                reporter.message(self._describe_rest(first, writer.end, first + count))
            elif not has_record:
                self._remove_record()
            raise
        self._complete(writer, first)
        if self.generator.codec.may_be_invalid:
            reporter.message(writer.counts.describe())
        self._describe_samples(first, reporter)
        if description := MEDIA_KINDS.find(self.generator.kind).describe_files(self.generator.codec):
            reporter.message(f"samples are written as {description}")

    def record(self, ranges: Ranges) -> None:
        """Write the record with more samples than it has; other processes may add theirs at the same time."""
        with self._lock():
            self._add(ranges)

    def _lock(self) -> AbstractContextManager[None]:
        return file_lock(self.path / LOCK_FILE)

    def _add(self, ranges: Ranges, counts: DrawCounts | None = None) -> None:
        """Write the record with more samples than it has, while it is locked, and how many of them were valid."""
        merged = merge_ranges([*self._ranges(), *ranges])
        record: dict[str, Json] = {**self._description(), "samples": merged}
        if self.generator.codec.may_be_invalid and counts:
            record["first_draws"], record["valid_first_draws"] = counts.drawn, counts.valid
        text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
        write_unflushed(self.path / RECORD_FILE, text.encode())

    def _create(self) -> None:
        """Create the folder, or take one that holds no more than such samples, and mark it by the record."""
        try:
            self.path.mkdir(parents=True, exist_ok=not self.is_new)
        except FileExistsError as error:
            raise BadInput(
                f"{self.path}: was filled by another process meanwhile; name another folder with `into`"
            ) from error
        self.record([])

    def _remove_record(self) -> None:
        """Remove the record that this command has made, and the folder if that is new: no sample is there.

        If other files are there, such as those of a batch that could not be written, all stay as they are. So the
        command can be repeated, and no file is lost that is not of this command.
        """
        with self._lock():
            others = {file.name for file in self.path.iterdir()} - {RECORD_FILE, LOCK_FILE}
            if not others and not self._ranges():
                (self.path / RECORD_FILE).unlink()
        if self.is_new:
            with suppress(OSError):  # it is not empty
                self.path.rmdir()

    def _complete(self, writer: SampleWriter, first: int) -> None:
        """Write what describes the samples: the record, their classes, and the sheets of the first ones."""
        from zerosum.inference.writers import write_class_grid
        from zerosum.media.raster import save_image

        media, settings = MEDIA_KINDS.find(self.generator.kind), self.settings
        with self._lock():
            self._add([(first, writer.end)], writer.counts)
            if self.generator.classes and media.file_name(self.generator.codec, 0):
                write_atomically(self.path / LABELS_FILE, self._write_labels)
        if not media.is_image:
            return
        if not (self.path / GRID_FILE).exists():
            save_image(media.draw(writer.sheet()), self.path / GRID_FILE)
        is_mixed = bool(self.generator.classes) and settings.label is None and not settings.given
        if is_mixed and not (self.path / CLASS_GRID_FILE).exists():
            write_class_grid(self.generator, self.path, settings.seed, settings.truncation)

    def _describe_samples(self, first: int, reporter: Reporter) -> None:
        """Let the kind of data write what it says of samples, for which it may need the training data."""
        from zerosum.workflows.run_data import read_training_data

        given = self.settings.given if isinstance(self.settings.given, Mapping) else {}
        load = partial(read_training_data, self.run, reporter)
        samples = WrittenSamples(self.path, first, given, load, reporter)
        for sentence in MEDIA_KINDS.find(self.generator.kind).complete(samples, self.generator.codec):
            reporter.message(sentence)

    def _write_labels(self, path: Path) -> None:
        """Write the table of labels, from which `zerosum train` reads the classes."""
        with path.open("w", encoding="utf8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("file", "label"))
            for first, end in self._ranges():
                for start in range(first, end, ROWS_PER_BLOCK):
                    writer.writerows(self._label_rows(start, min(end, start + ROWS_PER_BLOCK)))

    def _label_rows(self, first: int, end: int) -> Iterator[tuple[str, str]]:
        labels = self.settings.labels(self.generator, first, end - first)
        assert labels is not None, "the generator has classes"
        media = MEDIA_KINDS.find(self.generator.kind)
        for number, label in enumerate(labels.tolist(), first):
            yield media.file_name(self.generator.codec, number), self.generator.classes[label]

    def _description(self) -> dict[str, Json]:
        """Return what all samples of the folder have in common."""
        settings = self.settings
        label = None if settings.label is None else self.generator.classes[self.generator.class_index(settings.label)]
        description: dict[str, Json] = {
            "run": str(self.run.resolve() if self.run.exists() else self.run),
            "checkpoint": self.generator.checkpoint,
            "seed": settings.seed,
            "truncation": None if math.isinf(settings.truncation) else settings.truncation,
            "class": label,
            "classes_in_turn": settings.classes_in_turn,
            "condition": name_conditions(settings.given),
        }
        options: dict[str, Json] = {"where": settings.where, "temperature": self.generator.temperature}
        return description | {name: value for name, value in options.items() if value not in ("", None)}

    def _ranges(self) -> Ranges:
        """Return the numbers of the samples that are there, according to the record.

        Raises:
            BadInput: the record is damaged.
        """
        try:
            return [(int(first), int(end)) for first, end in RunFolder(self.path).read_json(RECORD_FILE)["samples"]]
        except KeyError:
            return []
        except (TypeError, ValueError) as error:
            raise BadInput(f"{self.path / RECORD_FILE} cannot be read ({error}); name a new folder") from error

    def _check_record(self) -> None:
        """Raise unless samples can be added to the folder, which is not empty.

        Raises:
            BadInput: it holds no samples, or others, or in a file that cannot be continued.
        """
        problem = "exists and is not empty; name a new folder, since nothing is overwritten"
        is_known = self.path.is_dir() and (self.path / RECORD_FILE).is_file()
        if not is_known or not MEDIA_KINDS.find(self.generator.kind).file_name(self.generator.codec, 0):
            raise BadInput(f"`into` {self.path}: {problem}")
        record = RunFolder(self.path).read_json(RECORD_FILE)
        for name, value in {"temperature": None, **self._description()}.items():
            if record.get(name) != value:
                raise BadInput(
                    f"`into` {self.path}: holds samples with {name} {record.get(name)}, and these have {name} {value}; "
                    "name a new folder, since samples of different settings are not mixed"
                )

    def _check_free(self, first: int, end: int) -> None:
        """Raise if some samples from number `first` to `end` are there already."""
        for known_first, known_end in self._ranges():
            if first < known_end and known_first < end:
                raise BadInput(
                    f"`into` {self.path}: holds samples {known_first:,} to {known_end - 1:,} already; go on with "
                    f"`first` {known_end}, or name a new folder"
                )

    def _describe_rest(self, first: int, end: int, wanted: int) -> str:
        """Return a sentence that says how the other samples are written: with the same seed, class and so on."""
        written = f"stopped: {self.path} holds samples {first:,} to {end - 1:,}"
        if self.settings.where:
            return f"{written}; samples that are filtered are written from the first on, so start again for more"
        rest = f"`first` {end}" + ("" if self.settings.classes_in_turn else f", `num_samples` {wanted - end}")
        if not MEDIA_KINDS.find(self.generator.kind).file_name(self.generator.codec, 0):
            return f"{written}; write the others into another folder with {rest} and the other options as here"
        return f"{written}; go on with {rest}, `into` {self.path} and the other options as here"


class _Recorder:
    """Reports progress, and writes the record from time to time."""

    def __init__(self, folder: SampleFolder, writer: SampleWriter, progress: TimedProgress) -> None:
        self._folder, self._writer, self._progress = folder, writer, progress
        self._first = self._recorded = writer.end

    def __call__(self, done: int, total: int) -> None:
        if self._writer.end - self._recorded >= SAMPLES_PER_RECORD:
            self._recorded = self._writer.end
            self._folder.record([(self._first, self._recorded)])
        self._progress(done, total)


def name_conditions(condition: Sequence[float] | GivenValues) -> str:
    """Return the part of a file name that names conditions: "0.5+-1", "age=40+height=1.7"; "" for none."""
    if isinstance(condition, Mapping):
        return "+".join(f"{name}={value}" for name, value in condition.items())
    return "+".join(f"{value:g}" for value in condition)
