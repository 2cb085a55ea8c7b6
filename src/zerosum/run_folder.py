"""The run folder: the interface between training and everything that reads a run.

Every file is written under a temporary name, flushed and renamed, so that a run can be resumed after a `kill -9` at
any moment.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

import tomli_w

from zerosum.errors import BadInput
from zerosum.files import (
    HOST,
    SYSTEM_FILES,
    append_json_line,
    flush,
    flush_folder,
    is_running,
    quote_path,
    read_json_lines,
    remove_leftovers,
    remove_temporary_files,
    shorten_name,
    temporary_folder,
    write_atomically,
)

Row: TypeAlias = dict[str, Any]
"""A parsed JSON object or TOML table: a row of log.jsonl, scores.jsonl or findings.jsonl, a whole file, or settings
before they are validated. Parsed values enter the program here, and only here, without a type."""
Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
"""A value that is written as JSON or TOML."""
FORMAT_VERSION = 3
"""The version of the run folder's files and keys, in status.json and under [metadata] in recipe.toml. Version 1 wrote
no number; its recipe.toml has a table [made] instead of [metadata]. Version 2 kept the shape and the range of a sample
under [metadata]; since version 3, codec.json and codec.safetensors hold the codec of the data."""
FINDINGS_FILE = "findings.jsonl"
"""What the monitor found during training: a line when a finding appears, and one when it is resolved."""
RECOVERIES_FILE = "recoveries.jsonl"  # the automatic recoveries of the run, one line each
_REWOUND_LOGS = ("log.jsonl", "scores.jsonl", FINDINGS_FILE)
_NUMBER = re.compile(r"[0-9]+")  # other names, such as "00001600-backup", are the user's
START_FILE, SPLIT_FILE = "start.safetensors", "split.safetensors"
_FIRST_FILES = {"codec.json", "codec.safetensors", "data.json", "plan.json", SPLIT_FILE, START_FILE}
_START_PREFIX, _PREVIOUS_BEST = ".starting-", ".best-previous"


class RunState(StrEnum):
    """State of a run, as in status.json; all but `RUNNING` are final."""

    RUNNING = "running"
    """It trains, or its process was killed."""
    DONE = "done"
    """It reached its length or time, or its score no longer improved."""
    INTERRUPTED = "interrupted"
    """Ctrl-C or SIGTERM stopped it; it can be resumed."""
    DIVERGED = "diverged"
    """A loss or a weight is not finite."""
    STOPPED_BY_FINDING = "stopped_by_finding"
    """The monitor stopped it for automatic recovery from a finding."""


def _write_nothing(folder: Path) -> None:
    """Write no further files into a new run folder."""


class RunFolder:
    """One run on disk: its settings, logs, sample grids and checkpoints."""

    def __init__(self, path: Path) -> None:
        """Refer to a folder; nothing is read or created yet."""
        self.path = path
        self._num_damaged_lines: dict[str, int] = {}
        self._damaged_files: set[str] = set()

    @staticmethod
    def check_new(path: Path) -> None:
        """Check that a new run can be created at `path`.

        Raises:
            BadInput: the folder is not empty (nothing is ever overwritten), or it cannot be created.
        """
        try:
            if path.exists() and not (path.is_dir() and _is_empty(path)):
                if (path / "recipe.toml").exists():
                    problem, hint = "already holds a run", f"continue it with `zerosum resume {quote_path(path)}`, or "
                else:
                    problem, hint = "exists and is not empty" if path.is_dir() else "is a file", ""
                raise BadInput(
                    f"{path} {problem}, and nothing is overwritten: {hint}give the new run another folder with `run`"
                )
            parent = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
        except OSError as error:
            raise BadInput(f"`run` {path}: cannot be accessed ({error.strerror}); choose another folder") from error
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            reason = "is not writable" if parent.is_dir() else "is a file"
            raise BadInput(f"`run` {path}: cannot be created because {parent} {reason}; choose another folder")

    @classmethod
    def create(
        cls, path: Path, files: Mapping[str, Mapping[str, Json]], write: Callable[[Path], None] = _write_nothing
    ) -> RunFolder:
        """Create a run folder together with its first files: at any moment it holds a complete run, or none.

        A new folder comes with one rename. A folder that exists, such as a mount point, gets recipe.toml last.

        Args:
            path: the new folder; it may exist if it is empty.
            files: the content of each file by name; names end in .toml or .json.
            write: called with the temporary folder; writes further files of other formats.

        Raises:
            BadInput: the folder is not empty, or it cannot be created.
        """
        cls.check_new(path)
        try:
            parent, prefix = path.parent, f".{shorten_name(path.name)}.zerosum-{HOST}-"
            if path.exists():
                parent, prefix = path, _START_PREFIX
            remove_leftovers(parent, re.escape(prefix) + r"(\d+)")
            with temporary_folder(parent, prefix) as temporary:
                for name, content in files.items():
                    (cls(temporary).write_toml if name.endswith(".toml") else cls(temporary).write_json)(name, content)
                write(temporary)
                for file in temporary.rglob("*"):
                    if file.is_file():
                        flush(file)
                if parent is path:
                    for file in sorted(temporary.iterdir(), key=lambda file: (file.name == "recipe.toml", file.name)):
                        file.replace(path / file.name)
                else:
                    temporary.replace(path)
        except OSError as error:
            raise BadInput(f"`run` {path}: cannot be created ({error.strerror}); choose another folder") from error
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Return the existing run in a folder.

        Raises:
            BadInput: the folder does not exist, holds no run, or was written in another format version.
        """
        try:
            is_run = (path / "recipe.toml").is_file()
        except OSError as error:
            raise BadInput(f"{path} cannot be read ({error.strerror}); grant read access to it") from error
        if not is_run:
            is_model = (path / "config.json").is_file() or str(path).startswith("hf:")
            problem = "is not a run folder (it has no recipe.toml)" if path.exists() else "does not exist"
            problem = "is a model folder, without the data and the log of its run" if is_model else problem
            raise BadInput(f"{path} {problem}; {_name_nearby_runs(path)}")
        folder = cls(path)
        folder._check_format_version()
        return folder

    def _check_format_version(self) -> None:
        """Raise BadInput if the run was written in another format version than `FORMAT_VERSION`."""
        version = self._read_format_version()
        if version != FORMAT_VERSION:
            age = "an older" if isinstance(version, int) and version < FORMAT_VERSION else "a newer"
            raise BadInput(
                f"{self.path} has run folder format {version}, and this release of zerosum reads format "
                f"{FORMAT_VERSION} only: use {age} release for this run, or train it again"
            )

    def _read_format_version(self) -> object:
        """Return the format version of the run; a file that cannot be read, or has no version, is passed over."""
        recipe, status = Row(), Row()
        with suppress(BadInput):  # reported by whatever reads the content
            recipe = self.read_toml("recipe.toml")
        with suppress(BadInput):
            status = self.read_json("status.json")
        if "made" in recipe:
            return 1
        metadata = recipe.get("metadata", {})
        versions = [metadata.get("format") if isinstance(metadata, Mapping) else None, status.get("format")]
        return next((version for version in versions if version not in (None, FORMAT_VERSION)), FORMAT_VERSION)

    # ------------------------------------------------------------------ small files

    def write_toml(self, name: str, content: Mapping[str, Json]) -> None:
        """Write a TOML file into the folder."""
        write_atomically(self.path / name, lambda p: p.write_text(tomli_w.dumps(content), "utf8"))

    def read_toml(self, name: str) -> Row:
        """Read a TOML file of the folder.

        Raises:
            BadInput: the file cannot be read or is not valid TOML.
        """
        path = self.path / name
        try:
            return tomllib.loads(path.read_text("utf8"))
        except (OSError, ValueError) as error:
            raise BadInput(f"{path} cannot be read ({error}); repair the file, or start a new run") from error

    def write_json(self, name: str, content: Json) -> None:
        """Write a JSON file into the folder."""
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        write_atomically(self.path / name, lambda p: p.write_text(text, "utf8"))

    def read_json(self, name: str) -> Row:
        """Read a JSON object; a missing file, or one that holds another JSON value, is read as an empty object.

        Raises:
            BadInput: the file cannot be read or is not valid JSON.
        """
        path = self.path / name
        try:
            content = json.loads(path.read_text("utf8")) if path.exists() else {}
        except (OSError, ValueError) as error:
            raise BadInput(f"{path} cannot be read ({error}); repair the file, or start a new run") from error
        return content if isinstance(content, dict) else {}

    def read_intact_json(self, name: str) -> Row:
        """Read a JSON object that the run can do without; a damaged file is read as an empty object."""
        try:
            return self.read_json(name)
        except BadInput:
            self._damaged_files.add(name)
            return {}

    # ------------------------------------------------------------------ the log

    def append(self, name: str, row: Row) -> None:
        """Append one JSON object as a line, in a single write; numbers that are not finite become null."""
        append_json_line(self.path / name, row)

    def rows(self, name: str = "log.jsonl") -> Iterator[Row]:
        """Yield the JSON objects of a JSON Lines file that have the number "examples".

        Damaged lines, such as a last line truncated by a crash, are passed over.
        """
        rows, self._num_damaged_lines[name] = read_json_lines(self.path / name)
        for row in rows:
            examples = row.get("examples")
            if isinstance(examples, int | float) and not isinstance(examples, bool):
                yield row

    def describe_damage(self) -> str:
        """Return a sentence about the damaged lines and files that were passed over so far; "" if there were none."""
        counts = [(name, count) for name, count in sorted(self._num_damaged_lines.items()) if count]
        damaged = [f"{count} damaged line{'s' * (count > 1)} in {name}" for name, count in counts]
        damaged += sorted(self._damaged_files)
        return f"{self.path}: passed over {', '.join(damaged)}, which cannot be read" if damaged else ""

    def write_rows(self, name: str, rows: Iterable[Row]) -> None:
        """Replace the content of a JSON Lines file."""
        text = "".join(json.dumps(row) + "\n" for row in rows)
        write_atomically(self.path / name, lambda path: path.write_text(text, "utf8"))

    def rewind(self, examples: int) -> None:
        """Remove everything that was logged after `examples` training examples.

        A run resumed from there writes the same rows again. Scores of `zerosum evaluate` are kept.
        """
        for name in _REWOUND_LOGS:
            if (self.path / name).exists() or name == "log.jsonl":
                # the user asked for offline evaluations; training would not repeat them
                kept = [row for row in self.rows(name) if row["examples"] <= examples or row.get("mode") == "offline"]
                self.write_rows(name, kept)
        for grid in self.sample_grids():
            if int(grid.stem) > examples:
                grid.unlink()
        self._remove_leftovers()

    def _remove_leftovers(self) -> None:
        """Remove what killed processes left while they wrote this run; other files are the user's."""
        previous, best = self.path / _PREVIOUS_BEST, self.path / "best"
        if previous.is_dir() and not best.exists():  # killed between two renames
            previous.replace(best)
        shutil.rmtree(previous, ignore_errors=True)
        for folder in (self.path, self.path / "samples"):
            remove_temporary_files(folder)
        remove_leftovers(self.path, r"\.best-(\d+)")
        remove_leftovers(self.path / "checkpoints", r"\.part-(\d+)")

    def sample_grid_path(self, examples: int) -> Path:
        """Return the path of the sample grid drawn after `examples` training examples."""
        return self.path / "samples" / f"{examples:08d}.png"

    def sample_grids(self) -> list[Path]:
        """Return the paths of the sample grids, oldest first."""
        grids = [path for path in (self.path / "samples").glob("*.png") if _NUMBER.fullmatch(path.stem)]
        return sorted(grids, key=lambda path: int(path.stem))

    # ------------------------------------------------------------------ checkpoints

    def checkpoints(self) -> list[Path]:
        """Return the folders of the complete checkpoints, oldest first."""
        return [path for path in self._checkpoint_folders() if (path / "state.json").is_file()]

    def newest_checkpoint(self) -> Path:
        """Return the folder of the newest checkpoint, for a command that shows what it holds.

        Raises:
            BadInput: there is none yet, or it is incomplete: an older one would give other results without a word.
        """
        folders = self._checkpoint_folders()
        if not folders:
            raise BadInput(
                f"{self.path} has no checkpoint yet; wait for the first one, or continue training with "
                f"`zerosum resume {quote_path(self.path)}`"
            )
        if not (folders[-1] / "state.json").is_file():
            raise BadInput(f"checkpoint {folders[-1]} has no state.json; delete it to use the one before")
        return folders[-1]

    def _checkpoint_folders(self) -> list[Path]:
        folders = [path for path in (self.path / "checkpoints").glob("*") if _NUMBER.fullmatch(path.name)]
        return sorted(folders, key=lambda path: int(path.name))

    def save_checkpoint(self, examples: int, write: Callable[[Path], object], keep: int = 2) -> Path:
        """Write a checkpoint into a temporary folder, rename it, and delete all but the newest `keep` checkpoints.

        Args:
            examples: training examples so far; the name of the checkpoint.
            write: called with the temporary folder; writes the files.
            keep: number of checkpoints to keep.

        Returns:
            The checkpoint's folder.
        """
        target = self.path / "checkpoints" / f"{examples:08d}"
        target.parent.mkdir(exist_ok=True)
        for name in _REWOUND_LOGS:
            if (self.path / name).exists():  # after a power cut, no checkpoint may be newer than its log
                flush(self.path / name)
        with temporary_folder(target.parent, ".part-") as temporary:
            write(temporary)
            for path in temporary.iterdir():
                flush(path)
            if (target / "state.json").is_file():  # training is deterministic, so its content is the same
                return target
            shutil.rmtree(target, ignore_errors=True)
            temporary.replace(target)
        for folder in (target.parent, self.path / "samples", self.path):
            flush_folder(folder)
        for old in self.checkpoints()[:-keep]:
            shutil.rmtree(old, ignore_errors=True)
        return target

    def save_best(self, row: Row, write: Callable[[Path], object]) -> Path:
        """Replace `best/` by the networks with the best score so far.

        Args:
            row: the row of scores.jsonl that belongs to them; saved as `best/score.json`.
            write: called with a temporary folder; writes the networks.

        Returns:
            The folder `best/`.
        """
        target, previous = self.path / "best", self.path / _PREVIOUS_BEST
        with temporary_folder(self.path, ".best-") as temporary:
            write(temporary)
            (temporary / "score.json").write_text(json.dumps(row) + "\n", "utf8")
            for path in temporary.iterdir():
                flush(path)
            if target.exists():
                target.replace(previous)
            temporary.replace(target)
        shutil.rmtree(previous, ignore_errors=True)
        return target

    def best_scores(self) -> Row:
        """Return the row of scores.jsonl that belongs to the networks in `best/`; empty if there are none.

        It is empty, too, if the file is damaged: then the networks cannot be told to be the best.
        """
        return self.read_intact_json("best/score.json")


def _is_empty(path: Path) -> bool:
    """Return whether a folder holds nothing but files of the operating system, and the start of a run that was killed.

    Raises:
        OSError: the folder cannot be read.
    """
    names = {entry.name for entry in path.iterdir()} - SYSTEM_FILES
    found = [re.fullmatch(re.escape(_START_PREFIX) + r"(\d+)", name) for name in names]
    starts = {start.group() for start in found if start and not is_running(int(start.group(1)))}
    return names == starts or (bool(starts) and names - starts <= _FIRST_FILES)


def _name_nearby_runs(path: Path) -> str:
    parents: Iterable[Path] = (path.parent, Path("runs"))
    runs = {str(file.parent) for folder in parents if folder.is_dir() for file in folder.glob("[!.]*/recipe.toml")}
    return f"existing runs: {', '.join(sorted(runs)[:5])}" if runs else "create one with `zerosum train`"
