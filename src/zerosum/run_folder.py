"""The run folder: the contract between training and everything that reads a run.

Everything is written to a temporary name, flushed and renamed, so that a `kill -9` at any instant leaves a folder that
resumes.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import tomli_w

from zerosum.errors import BadInput

Row = dict[str, Any]


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Let `write` make a file under a temporary name beside `path`, then give it its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # the suffix stays, since writers choose a format by it
    scratch = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        write(scratch)
        flush(scratch)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    return path


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, "utf8")


def flush(path: Path) -> None:
    """Have the operating system put a file on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


class RunFolder:
    """One run on disk."""

    def __init__(self, path: Path) -> None:
        """Name a folder; nothing is read or made yet."""
        self.path = path

    @staticmethod
    def check_new(path: Path) -> None:
        """Refuse a folder that holds something (nothing is overwritten), or that cannot be made.

        Raises:
            BadInput: something is there already, or nothing can be.
        """
        try:
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                does = "holds a run" if (path / "recipe.toml").exists() else "is there and not empty"
                raise BadInput(
                    f"{path} {does}, and is never trained over: go on with `zerosum resume {path}`, "
                    f"or give the new run another name with --run"
                )
            above = next(parent for parent in path.absolute().parents if parent.exists())
        except OSError as error:
            raise BadInput(f"--run {path}: cannot be looked at ({error.strerror}); choose another") from error
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            why = "cannot be written to" if above.is_dir() else "is a file"
            raise BadInput(f"--run {path}: the folder cannot be made, since {above} {why}; choose another")

    @classmethod
    def create(cls, path: Path, files: Mapping[str, Mapping[str, Any]]) -> RunFolder:
        """Make a new run folder with its first files (.toml or .json), all at once.

        Raises:
            BadInput: something is there already, or it cannot be made.
        """
        cls.check_new(path)
        scratch = cls(path.with_name(f".{path.name}.{os.getpid()}"))
        try:
            scratch.path.mkdir(parents=True)
            for name, content in files.items():
                (scratch.write_toml if name.endswith(".toml") else scratch.write_json)(name, content)
            if path.exists():
                path.rmdir()  # an empty folder of the user's
            scratch.path.replace(path)
        except OSError as error:
            raise BadInput(f"--run {path}: the folder cannot be made ({error.strerror}); choose another") from error
        finally:
            shutil.rmtree(scratch.path, ignore_errors=True)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """A run that is there.

        Raises:
            BadInput: it is not there, or not a run.
        """
        try:
            there = (path / "recipe.toml").is_file()
        except OSError as error:
            raise BadInput(f"{path} cannot be looked at ({error.strerror}); allow reading it") from error
        if not there:
            near = _find_nearby_runs(path)
            hint = f"; runs here: {', '.join(near)}" if near else "; `zerosum train` makes one"
            what = "is not a run folder (it has no recipe.toml)" if path.exists() else "does not exist"
            raise BadInput(f"{path} {what}{hint}")
        return cls(path)

    # ------------------------------------------------------------------ small files

    def write_toml(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a TOML file."""
        write_atomically(self.path / name, lambda p: p.write_text(tomli_w.dumps(content), "utf8"))

    def read_toml(self, name: str) -> Row:
        """Read a TOML file."""
        path = self.path / name
        try:
            return tomllib.loads(path.read_text("utf8"))
        except (OSError, ValueError) as error:
            raise BadInput(f"{path} cannot be read ({error}); put it right or start a new run") from error

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON file."""
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        write_atomically(self.path / name, lambda p: p.write_text(text, "utf8"))

    def read_json(self, name: str) -> Row:
        """Read a JSON object; an empty one where there is no such file."""
        path = self.path / name
        try:
            content = json.loads(path.read_text("utf8")) if path.exists() else {}
        except (OSError, ValueError) as error:
            raise BadInput(f"{path} cannot be read ({error}); put it right or start a new run") from error
        return content if isinstance(content, dict) else {}

    # ------------------------------------------------------------------ the log

    def append(self, name: str, row: Row) -> None:
        """Append one JSON object as a line, in one write; a number that is not finite becomes null."""
        sayable = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
        with (self.path / name).open("a", encoding="utf8") as file:
            file.write(json.dumps(sayable, allow_nan=False) + "\n")

    def rows(self, name: str = "log.jsonl") -> Iterator[Row]:
        """The JSON objects of a line file; a last line torn by a crash is passed over."""
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
        """Forget what was written after `examples` images, so that a resumed run writes it again, the same."""
        for name in ("log.jsonl", "scores.jsonl", "findings.jsonl"):
            if (self.path / name).exists() or name == "log.jsonl":
                # a judgement that was asked for is the user's, and stays
                kept = [row for row in self.rows(name) if row["examples"] <= examples or row.get("mode") == "offline"]
                text = "".join(json.dumps(row) + "\n" for row in kept)
                write_atomically(self.path / name, partial(_write_text, text))
        for sheet in self.sample_grids():
            if int(sheet.stem) > examples:
                sheet.unlink()
        for leftover in (self.path / "samples").glob(".*"):
            leftover.unlink()

    def sample_grid_path(self, examples: int) -> Path:
        """Where the sample sheet made after `examples` images stands."""
        return self.path / "samples" / f"{examples:08d}.png"

    def sample_grids(self) -> list[Path]:
        """The sample sheets, oldest first."""
        return sorted((self.path / "samples").glob("[0-9]*.png"), key=lambda path: int(path.stem))

    # ------------------------------------------------------------------ checkpoints

    def checkpoints(self) -> list[Path]:
        """Complete checkpoints, oldest first."""
        found = (self.path / "checkpoints").glob("[0-9]*")
        return sorted((p for p in found if (p / "state.json").is_file()), key=lambda p: int(p.name))

    def save_checkpoint(self, examples: int, write: Callable[[Path], object], keep: int = 2) -> Path:
        """Let `write` fill a folder, then give it its name; older ones beyond `keep` go."""
        target = self.path / "checkpoints" / f"{examples:08d}"
        target.parent.mkdir(exist_ok=True)
        for name in ("log.jsonl", "scores.jsonl", "findings.jsonl"):
            if (self.path / name).exists():  # a checkpoint must not outlive, in a power cut, what led to it
                flush(self.path / name)
        for leftover in target.parent.glob(".part-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        scratch = Path(tempfile.mkdtemp(prefix=".part-", dir=target.parent))
        write(scratch)
        for path in scratch.iterdir():
            flush(path)
        if (target / "state.json").is_file():  # the same instant of the same run: the same bytes
            shutil.rmtree(scratch)
            return target
        shutil.rmtree(target, ignore_errors=True)
        scratch.chmod(0o755)
        scratch.replace(target)
        for folder in (target.parent, self.path / "samples", self.path):
            _flush_folder(folder)
        for old in self.checkpoints()[:-keep]:
            shutil.rmtree(old, ignore_errors=True)
        return target

    def save_best(self, row: Row, write: Callable[[Path], object]) -> Path:
        """Let `write` put the networks that were judged best into `best/`, with their line of scores.jsonl."""
        target, former = self.path / "best", self.path / ".best-former"
        for leftover in self.path.glob(".best-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        scratch = Path(tempfile.mkdtemp(prefix=".best-", dir=self.path))
        try:
            write(scratch)
            (scratch / "score.json").write_text(json.dumps(row) + "\n", "utf8")
            for path in scratch.iterdir():
                flush(path)
            scratch.chmod(0o755)
            if target.exists():
                target.replace(former)
            scratch.replace(target)
        finally:
            for leftover in (scratch, former):
                shutil.rmtree(leftover, ignore_errors=True)
        return target

    def best_scores(self) -> Row:
        """The line of scores.jsonl of the networks in `best/`; empty where there are none."""
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
    return sorted({str(p.parent) for parent in parents if parent.is_dir() for p in parent.glob("[!.]*/recipe.toml")})[
        :5
    ]
