"""Run commands of Zerosum in forked children of a process that has imported torch, and run many cases in parallel."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

SECONDS_LIMIT = 120.0
"""Seconds of computing after which a command is killed and counts as too long; one of the campaign takes about one."""
HANG_SECONDS = 900.0
"""Seconds by the clock after which a command is killed that waits for something, however busy the machine is."""
GRACE_SECONDS = 20.0
"""Seconds until a child that was sent SIGINT has to end."""
MEMORY_LIMIT_MIB = 2_000.0
"""Peak memory of a command; torch and Zerosum themselves take about 400 MiB."""


def _nothing() -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    """Exit code, or minus the number of the signal that killed it."""
    output: str
    """Standard output and standard error."""
    timed_out: bool = False
    peak_mib: float = 0.0

    @property
    def end(self) -> str:
        """The last 300 characters of the output, in one line."""
        return " | ".join(self.output[-300:].split("\n"))


@dataclass(frozen=True)
class Case:
    """One fault."""

    family: str
    name: str
    run: Callable[[Path], list[str]]
    """Called with an empty folder; returns the problems found, an empty list if all is well."""


@dataclass(frozen=True)
class Result:
    """What became of a case."""

    family: str
    name: str
    problems: list[str]
    seconds: float


def cpu_seconds(pid: int) -> float:
    """Return the seconds that a process and its ended children have computed, which no other process changes."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """A command that runs in a forked child."""

    pid: int
    pipe: int
    """Where the output of the command is read."""
    started: float = field(default_factory=time.monotonic)

    def wait(self, seconds: float = SECONDS_LIMIT) -> Outcome:
        """Wait for the command, kill it after `seconds` of computing or if it hangs, and return how it ended."""
        timed_out, output = False, b""
        while True:
            output += self._read()
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                break
            hangs = time.monotonic() - self.started > HANG_SECONDS
            if not timed_out and (hangs or cpu_seconds(self.pid) > seconds):
                timed_out = True
                self.signal(signal.SIGKILL)
            time.sleep(0.003)
        self.signal(signal.SIGKILL)  # what it started and left behind
        output += self._read()
        os.close(self.pipe)
        text = output.decode("utf8", "backslashreplace")
        return Outcome(os.waitstatus_to_exitcode(status), text, timed_out, usage.ru_maxrss / 1024)

    def _read(self) -> bytes:
        """Return what the command has printed since the last call."""
        content = b""
        with suppress(BlockingIOError):
            while part := os.read(self.pipe, 2**16):
                content += part
        return content

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the command and its children."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return


def start_command(
    arguments: Sequence[str],
    folder: Path,
    prepare: Callable[[], None] = _nothing,
    environment: Mapping[str, str] | None = None,
) -> Process:
    """Start `zerosum ARGUMENTS` in a forked child.

    Args:
        arguments: the command line without the program's name.
        folder: the working directory.
        prepare: called in the child before the command.
        environment: variables that are set in the child.
    """
    pipe, handle = os.pipe()
    os.set_blocking(pipe, False)
    fcntl.fcntl(handle, fcntl.F_SETPIPE_SZ, 2**20)  # the output of a command that nobody waits for yet
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = _run_in_child(arguments, folder, handle, prepare, environment or {})
        finally:
            os._exit(code)
    with suppress(OSError):
        os.setpgid(pid, pid)  # also here, so that it is done before anyone signals the group
    os.close(handle)
    return Process(pid, pipe)


def run_command(
    arguments: Sequence[str],
    folder: Path,
    prepare: Callable[[], None] = _nothing,
    environment: Mapping[str, str] | None = None,
    seconds: float = SECONDS_LIMIT,
) -> Outcome:
    """Run `zerosum ARGUMENTS` in a forked child, and return how it ended. See `start_command`."""
    return start_command(arguments, folder, prepare, environment).wait(seconds)


def _run_in_child(
    arguments: Sequence[str],
    folder: Path,
    output: int,
    prepare: Callable[[], None],
    environment: Mapping[str, str],
) -> int:
    """Run a command with its output in a file, and return its exit code; a traceback becomes exit code 1."""
    os.setpgid(0, 0)
    os.chdir(folder)
    os.environ.update(environment)
    null = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, null), (1, output), (2, output)):
        os.dup2(source, target)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.argv = ["zerosum", *arguments]
    try:
        from zerosum.cli import main

        prepare()
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # a child must never continue with the parent's code
        traceback.print_exc()
        code = 1
    else:
        code = 0
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    return code


def import_everything() -> None:
    """Import what commands need before any child is forked, without starting a thread of torch."""
    import gc
    import pkgutil
    from importlib import import_module

    import zerosum
    from zerosum.training import step_timer

    for module in pkgutil.walk_packages(zerosum.__path__, "zerosum."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    step_timer.TIMING_BUDGET_SECONDS = 0.0  # the speed is not of interest here
    gc.collect()
    gc.freeze()


_cases: Sequence[Case] = ()
"""The cases of the campaign, which the workers inherit when they are forked."""


def run_cases(cases: Sequence[Case], jobs: int, report: Callable[[Result], None]) -> list[Result]:
    """Run all cases in `jobs` processes, and return the results in the order of the cases.

    Args:
        cases: the cases.
        jobs: the number of processes.
        report: called with each result in the order of the cases.
    """
    global _cases
    _cases = cases
    results = []
    with ProcessPoolExecutor(jobs, mp_context=get_context("fork")) as pool:
        for result in pool.map(_run_case, range(len(cases))):
            results.append(result)
            report(result)
    return results


def _run_case(index: int) -> Result:
    case, start = _cases[index], time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="case-"))
    try:
        problems = case.run(folder)
    except Exception:  # a fault of the campaign itself, which must not hide the other results
        problems = [traceback.format_exc()]
    finally:
        _remove(folder)
    return Result(case.family, case.name, problems, time.monotonic() - start)


def _remove(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
