"""Run Python programs in forked children of a process that has imported torch, which saves their start-up.

A child runs what `python ARGUMENTS` would: it has its own working directory, environment and output, and ends as a
program does. `ForkServer` is the side of the tests; this file is run as the process that forks. Tests get it as the
fixture `run_on`.
"""

import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HANG_SECONDS = 3600
"""Far above the seconds that a program needs, so that only hanging ends it."""
RunOn = Callable[..., subprocess.CompletedProcess[str]]


class ForkServer:
    """A process that forks children on request; children of one request run at the same time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def run(
        self, arguments: Sequence[str | Path], cwd: Path, environments: Sequence[Mapping[str, str]] = ({},)
    ) -> list[subprocess.CompletedProcess[str]]:
        """Run `python ARGUMENTS` once for each of the environments, and wait for all of them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"arguments": list(map(str, arguments)), "cwd": str(cwd), "environments": list(environments)}
        print(json.dumps(request), file=self._process.stdin, flush=True)
        ends: list[tuple[int, str, str]] = json.loads(self._process.stdout.readline())
        return [subprocess.CompletedProcess(arguments, code, out, err) for code, out, err in ends]

    def run_on(
        self, ranks: int, *arguments: str | Path, cwd: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `python ARGUMENTS` on one or two ranks, the latter with the environment that torchrun sets up."""
        common = dict(environment or {})
        if ranks == 1:
            return self.run(arguments, cwd, [common])[0]
        with socket.socket() as free_socket:
            free_socket.bind(("127.0.0.1", 0))
            port = free_socket.getsockname()[1]
        common |= {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        environments = [common | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(ranks)]
        processes = self.run(arguments, cwd, environments)
        code = max(abs(process.returncode) for process in processes)
        return subprocess.CompletedProcess(arguments, code, processes[0].stdout, "".join(p.stderr for p in processes))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def serve() -> list[str]:
    """Fork the children of each request until the input ends; in a child, return its program's arguments."""
    for line in sys.stdin:
        request = json.loads(line)
        pids, pipes = [], []
        for environment in request["environments"]:
            (out, child_out), (err, child_err) = os.pipe(), os.pipe()
            pids.append(os.fork())
            if pids[-1] == 0:
                _become_a_process(request["cwd"], environment, child_out, child_err)
                return request["arguments"]
            os.close(child_out)
            os.close(child_err)
            pipes += [out, err]
        with ThreadPoolExecutor(len(pipes)) as pool:
            texts = list(pool.map(_read_to_the_end, pipes))
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        print(json.dumps(list(zip(codes, texts[::2], texts[1::2], strict=True))), flush=True)
    return []


def _become_a_process(cwd: str, environment: Mapping[str, str], out: int, err: int) -> None:
    signal.alarm(HANG_SECONDS)
    os.chdir(cwd)
    os.environ.update(environment)
    for target, source in enumerate((os.open(os.devnull, os.O_RDONLY), out, err)):
        os.dup2(source, target)
        os.close(source)


def _read_to_the_end(pipe: int) -> str:
    with open(pipe) as file:
        return file.read()


def run_program(arguments: Sequence[str]) -> None:
    """Run a module, after "-m", or a script as Python does."""
    if arguments[0] == "-m":
        sys.argv = list(arguments[1:])
        sys.path.insert(0, str(Path.cwd()))
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(arguments)
        sys.path.insert(0, str(Path(arguments[0]).parent))
        runpy.run_path(arguments[0], run_name="__main__")


def import_everything() -> None:
    """Import what the programs need, which starts no thread of torch."""
    import zerosum
    from zerosum.training import step_timer

    for module in pkgutil.walk_packages(zerosum.__path__, "zerosum."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    step_timer.TIMING_BUDGET_SECONDS = 0.0  # the speed is not of interest here


if __name__ == "__main__":
    import_everything()
    if program := serve():
        run_program(program)
