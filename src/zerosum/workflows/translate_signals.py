"""Translate files of signals, such as sounds, of any length: one file, or a folder of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.data.text import natural_sort_key, pluralize
from zerosum.errors import BadInput
from zerosum.files import remove_temporary_files
from zerosum.reporter import Reporter, TimedProgress
from zerosum.workflows.output_paths import make_name, outputs_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from zerosum.inference.translator import Translator
    from zerosum.media.signals import Signal, SignalFiles


def translate_signals(
    translator: Translator, files: SignalFiles, run: str | Path, source: Path, into: Path | None, skip_existing: bool,
    reporter: Reporter,
) -> list[Path]:  # fmt: skip
    """Translate a file, or every file of a folder, and return the paths of the outputs.

    Args:
        translator: the translator.
        files: reads and writes the files.
        run: the run, in whose `outputs/` the files are written by default.
        source: the file or the folder.
        into: the output folder, or for one file the path of a file.
        skip_existing: whether files whose output exists are left out.
        reporter: receives progress, and why files cannot be used.

    Raises:
        BadInput: none of the files can be used, or an output exists already.
    """
    stem = make_name(translator.checkpoint, source.resolve().stem)
    jobs = _plan_jobs(files, source, into or outputs_folder(run) / stem, skip_existing)
    written: list[Path] = []
    problems: list[str] = []
    notes: dict[str, None] = {}
    for number, (path, target) in enumerate(jobs, 1):
        count = f" {number} of {len(jobs)}" if len(jobs) > 1 else ""
        try:
            signal = files.open(path)
        except BadInput as error:
            if len(jobs) == 1:
                raise
            problems.append(str(error))
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        progress = TimedProgress(reporter, f"translating {files.noun}{count}")
        signal.write(_translate(translator, signal, progress), target)
        written.append(target)
        if signal.note:
            notes[signal.note] = None
    for note in notes:
        reporter.message(f"note: {note}")
    for problem in problems:
        reporter.message(f"skipped: {problem}")
    if problems and not written:
        raise BadInput(f"none of the {pluralize(len(problems), files.noun)} of {source} can be used: {problems[0]}")
    return written


def _translate(translator: Translator, signal: Signal, progress: Callable[[int, int], None]) -> Iterator[Tensor]:
    """Yield pieces of the translation of a signal."""
    done = 0
    for piece in translator.stream(signal.read, signal.length):
        yield piece
        done += piece.shape[-1] // translator.scale_factor
        progress(done, signal.length)


def _plan_jobs(files: SignalFiles, source: Path, into: Path, skip_existing: bool) -> list[tuple[Path, Path]]:
    """Return the inputs with the paths of their outputs.

    Raises:
        BadInput: there are no inputs, two have one output, or an output exists.
    """
    if not source.exists():
        raise BadInput(f"`source` {source}: there is no such file or folder; name a {files.noun}, or a folder of them")
    if source.is_dir():
        jobs = _plan_folder(files, source, into)
    else:
        is_file = bool(into.suffix) and not into.is_dir()
        if is_file and into.suffix.lower() != files.suffix:
            raise BadInput(f"`into` {into}: {files.noun}s are written as {files.suffix}; name such a file or a folder")
        jobs = [(source, into if is_file else into / f"{source.stem}{files.suffix}")]
    for folder in {target.parent for _, target in jobs}:
        remove_temporary_files(folder)
    existing = [target for _, target in jobs if target.exists()]
    if existing and not skip_existing:
        raise BadInput(
            f"`into` {into}: {existing[0]} exists; choose another name, since nothing is overwritten, or set "
            "`skip_existing`"
        )
    return [job for job in jobs if job[1] not in existing]


def _plan_folder(files: SignalFiles, source: Path, into: Path) -> list[tuple[Path, Path]]:
    """Return the inputs of a folder and its subfolders, apart from hidden ones, with the paths of their outputs.

    Raises:
        BadInput: there are none, two have one output, or `into` is a file.
    """
    if into.is_file():
        raise BadInput(f"`into` {into}: is a file, and the outputs of a folder need a folder; name one")
    names = [path.relative_to(source) for path in source.rglob("*") if path.is_file() and files.is_input(path)]
    shown = [name for name in names if not any(part.startswith(".") for part in name.parts)]
    if not shown:
        raise BadInput(f"`source` {source}: this folder contains no {files.noun}s that can be translated; add some")
    jobs: dict[Path, Path] = {}
    for name in sorted(shown, key=lambda each: natural_sort_key(each.as_posix())):
        target = into / name.with_suffix(files.suffix)
        if target in jobs:
            raise BadInput(
                f"`source` {source}: {jobs[target].name} and {name.name} would both be written to {target.name}; "
                "rename one of them"
            )
        jobs[target] = source / name
    return [(path, target) for target, path in jobs.items()]
