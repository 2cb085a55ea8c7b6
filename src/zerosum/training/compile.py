"""Compiling what a game computes, where that pays: on GPUs. On a CPU it never has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from zerosum.game.game import Game

CompileFn = Callable[[Game], None]
"""Makes a game's networks faster in place, and changes nothing else about it."""
Backend = str | Callable[..., Any]
"""What turns a graph into code: a name PyTorch knows, or a function from a graph and its inputs to a callable."""


def eager(game: Game) -> None:
    """Leave the game to be computed operator by operator."""


class CompiledFunction:
    """A function that is compiled at its first call; where that fails, the function itself from then on."""

    def __init__(self, function: Callable[..., Any], compiler: Compiler, fullgraph: bool) -> None:
        """A function, to be compiled as one `fullgraph` graph, or in as many pieces as it takes."""
        self.function, self.compiler = function, compiler
        # one graph a shape: batches have two or three sizes in a run, and sizes left open make slower code
        self.compiled = torch.compile(function, backend=compiler.backend, dynamic=False, fullgraph=fullgraph)

    def __call__(self, *inputs: Any) -> Any:
        """What the function returns."""
        if self.compiler.failures:
            return self.run_eager(*inputs)
        try:
            return self.compiled(*inputs)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            result = self.run_eager(*inputs)  # raises what is wrong with the function itself
            self.compiler.record_failure(error)
            return result

    def run_eager(self, *inputs: Any) -> Any:
        """The function's result with nothing in it compiled, so that it can be differentiated any number of times."""
        with torch.compiler.set_stance("force_eager"):
            return self.function(*inputs)


class Compiler:
    """Compiles a game's networks, and its slope together with what it differentiates: all of them, or none.

    PyTorch cannot differentiate compiled code twice, so a penalty's first derivative is part of the graph of the
    compiled slope. A discriminator that changes its buffers on the way (batch norm) does not allow that.

    Compilers fail in ways of their own (no C++ compiler, no Triton, an operator they do not know), and none of them is
    the user's mistake. After one failure nothing is compiled any more: a compiled network and an uncompiled slope of
    it do not go together where there is batch norm.
    """

    def __init__(self, backend: Backend = "inductor", report: Callable[[str], None] = lambda line: None) -> None:
        """Compile by `backend`; `report` hears once if it cannot be done here."""
        self.backend, self.report = backend, report
        self.failures: list[str] = []
        """Why games are played uncompiled; empty while all is well."""

    def __call__(self, game: Game) -> None:
        """Compile in place. Weights keep their names, and copies of a compiled network are not compiled."""
        for player in game.players.values():
            # as nn.Module.compile does, with a way back: modules call this instead of forward, and copies drop it
            player.network._compiled_call_impl = CompiledFunction(player.network.forward, self, fullgraph=False)
        game.input_gradient_fn = CompiledFunction(game.input_gradient_fn, self, fullgraph=True)

    def record_failure(self, error: Exception) -> None:
        """Say that games are played uncompiled, and remember why."""
        said = str(error).splitlines() or [type(error).__name__]
        reason = " ".join(said[: 1 + said[0].endswith(":")])  # one line, or two where the first only announces it
        if not self.failures:
            self.report(f"  networks and their slopes cannot be compiled here ({reason}), so they are not")
        self.failures.append(reason)
