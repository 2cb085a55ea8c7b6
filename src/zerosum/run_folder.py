"""The run folder: the interface between training and everything that reads a run.

Every file is written under a temporary name, flushed and renamed, so that a run can be resumed after a `kill -9` at
any moment.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import tomli_w

from zerosum.errors import BadInput

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
RECOVERIES_FILE = "recoveries.jsonl"
"""The automatic recoveries of the run, one line each."""


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


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file under a temporary name in the folder of `path`, then rename it to `path`.

    Args:
        path: the final name.
        write: called with the temporary path; writes the file.

    Returns:
        `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # the suffix is kept because writers infer the format from it
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        write(temporary)
        flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, "utf8")


def _write_nothing(folder: Path) -> None:
    """Write no further files into a new run folder."""


def flush(path: Path) -> None:
    """Flush a file from the operating system's cache to disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


class RunFolder:
    """One run on disk: its settings, logs, sample grids and checkpoints."""

    def __init__(self, path: Path) -> None:
        """Refer to a folder; nothing is read or created yet."""
        self.path = path

    @staticmethod
    def check_new(path: Path) -> None:
        """Check that a new run can be created at `path`.

        Raises:
            BadInput: the folder is not empty (nothing is ever overwritten), or it cannot be created.
        """
        try:
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                if (path / "recipe.toml").exists():
                    problem, hint = "already holds a run", f"continue it with `zerosum resume {path}`, or "
                else:
                    problem, hint = "exists and is not empty" if path.is_dir() else "is a file", ""
                raise BadInput(
                    f"{path} {problem}, and nothing is overwritten: {hint}give the new run another folder with `run`"
                )
            parent = next(folder for folder in path.absolute().parents if folder.exists())
        except OSError as error:
            raise BadInput(f"`run` {path}: cannot be accessed ({error.strerror}); choose another folder") from error
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            reason = "is not writable" if parent.is_dir() else "is a file"
            raise BadInput(f"`run` {path}: cannot be created because {parent} {reason}; choose another folder")

    @classmethod
    def create(
        cls, path: Path, files: Mapping[str, Mapping[str, Json]], write: Callable[[Path], None] = _write_nothing
    ) -> RunFolder:
        """Create a run folder together with its first files, in one rename.

        Args:
            path: the new folder.
            files: the content of each file by name; names end in .toml or .json.
            write: called with the temporary folder; writes further files of other formats.

        Raises:
            BadInput: the folder is not empty, or it cannot be created.
        """
        cls.check_new(path)
        temporary = cls(path.with_name(f".{path.name}.{os.getpid()}"))
        try:
            temporary.path.mkdir(parents=True)
            for name, content in files.items():
                (temporary.write_toml if name.endswith(".toml") else temporary.write_json)(name, content)
            write(temporary.path)
            for file in temporary.path.rglob("*"):
                if file.is_file():
                    flush(file)
            if path.exists():
                path.rmdir()  # an empty folder that the user made
            temporary.path.replace(path)
        except OSError as error:
            raise BadInput(f"`run` {path}: cannot be created ({error.strerror}); choose another folder") from error
        finally:
            shutil.rmtree(temporary.path, ignore_errors=True)
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
            nearby = _find_nearby_runs(path)
            hint = f"existing runs: {', '.join(nearby)}" if nearby else "create one with `zerosum train`"
            problem = "is not a run folder (it has no recipe.toml)" if path.exists() else "does not exist"
            raise BadInput(f"{path} {problem}; {hint}")
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

    # ------------------------------------------------------------------ the log

    def append(self, name: str, row: Row) -> None:
        """Append one JSON object as a line, in a single write; numbers that are not finite become null."""
        finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
        line = (json.dumps(finite, allow_nan=False) + "\n").encode()
        with (self.path / name).open("ab", buffering=0) as file:
            size = file.tell()
            try:
                while line:
                    line = line[file.write(line) :]
            except OSError:  # a full disk takes a part of a line
                file.truncate(size)
                raise

    def rows(self, name: str = "log.jsonl") -> Iterator[Row]:
        """Yield the JSON objects of a JSON Lines file that have the key "examples".

        Lines that are not valid JSON, such as a last line truncated by a crash, are skipped.
        """
        path = self.path / name
        if not path.exists():
            return
        for line in path.read_text("utf8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(row, dict) and "examples" in row:
                yield row

    def rewind(self, examples: int) -> None:
        """Remove everything that was logged after `examples` training examples.

        A run resumed from there writes the same rows again. Scores of `zerosum evaluate` are kept.
        """
        for name in ("log.jsonl", "scores.jsonl", FINDINGS_FILE):
            if (self.path / name).exists() or name == "log.jsonl":
                # the user asked for offline evaluations; training would not repeat them
                kept = [row for row in self.rows(name) if row["examples"] <= examples or row.get("mode") == "offline"]
                text = "".join(json.dumps(row) + "\n" for row in kept)
                write_atomically(self.path / name, partial(_write_text, text))
        for grid in self.sample_grids():
            if int(grid.stem) > examples:
                grid.unlink()
        for leftover in (self.path / "samples").glob(".*"):
            leftover.unlink()

    def sample_grid_path(self, examples: int) -> Path:
        """Return the path of the sample grid drawn after `examples` training examples."""
        return self.path / "samples" / f"{examples:08d}.png"

    def sample_grids(self) -> list[Path]:
        """Return the paths of the sample grids, oldest first."""
        grids = [path for path in (self.path / "samples").glob("*.png") if path.stem.isdecimal()]
        return sorted(grids, key=lambda path: int(path.stem))

    # ------------------------------------------------------------------ checkpoints

    def checkpoints(self) -> list[Path]:
        """Return the folders of the complete checkpoints, oldest first."""
        folders = (self.path / "checkpoints").glob("[0-9]*")
        return sorted((p for p in folders if (p / "state.json").is_file()), key=lambda p: int(p.name))

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
        for name in ("log.jsonl", "scores.jsonl", FINDINGS_FILE):
            if (self.path / name).exists():  # after a power cut, no checkpoint may be newer than its log
                flush(self.path / name)
        for leftover in target.parent.glob(".part-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=".part-", dir=target.parent))
        try:
            write(temporary)
            for path in temporary.iterdir():
                flush(path)
            if (target / "state.json").is_file():  # training is deterministic, so its content is the same
                return target
            shutil.rmtree(target, ignore_errors=True)
            temporary.chmod(0o755)
            temporary.replace(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        for folder in (target.parent, self.path / "samples", self.path):
            _flush_folder(folder)
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
        target, previous = self.path / "best", self.path / ".best-previous"
        for leftover in self.path.glob(".best-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=".best-", dir=self.path))
        try:
            write(temporary)
            (temporary / "score.json").write_text(json.dumps(row) + "\n", "utf8")
            for path in temporary.iterdir():
                flush(path)
            temporary.chmod(0o755)
            if target.exists():
                target.replace(previous)
            temporary.replace(target)
        finally:
            for leftover in (temporary, previous):
                shutil.rmtree(leftover, ignore_errors=True)
        return target

    def best_scores(self) -> Row:
        """Return the row of scores.jsonl that belongs to the networks in `best/`; empty if there are none."""
        return self.read_json("best/score.json")


def _flush_folder(path: Path) -> None:
    if os.name == "posix" and path.is_dir():
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _find_nearby_runs(path: Path) -> list[str]:
    parents: Iterable[Path] = (path.parent, Path("runs"))
    runs = {str(file.parent) for folder in parents if folder.is_dir() for file in folder.glob("[!.]*/recipe.toml")}
    return sorted(runs)[:5]
