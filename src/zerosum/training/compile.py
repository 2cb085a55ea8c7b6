"""Compilation of networks and input gradients with torch.compile. It pays on GPUs, and never did on CPUs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeAlias, TypeVar

import torch

from zerosum.game.game import Game

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import GraphModule

P = ParamSpec("P")
R = TypeVar("R")

CompileFn = Callable[[Game], None]
"""Compiles a game's networks in place, and changes nothing else about it."""
Backend: TypeAlias = "str | Callable[[GraphModule, list[Tensor]], Callable[..., object]]"
"""A backend of torch.compile: its name, or a function from a graph and its inputs to a callable."""


def eager(game: Game) -> None:
    """Leave the game uncompiled."""


class CompiledFunction(Generic[P, R]):
    """A function that is compiled at its first call, and runs eagerly from then on if compilation fails."""

    def __init__(self, function: Callable[P, R], compiler: Compiler, fullgraph: bool) -> None:
        """Compile `function` as one graph if `fullgraph`, otherwise in as many graphs as needed."""
        self.function, self.compiler = function, compiler
        # one graph for each shape: a run has two or three batch sizes, and dynamic shapes make slower code
        self.compiled = torch.compile(function, backend=compiler.backend, dynamic=False, fullgraph=fullgraph)

    def __call__(self, *inputs: P.args, **named_inputs: P.kwargs) -> R:
        """Return the result of the function."""
        if self.compiler.failures:
            return self.run_eager(*inputs, **named_inputs)
        try:
            return self.compiled(*inputs, **named_inputs)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            result = self.run_eager(*inputs, **named_inputs)  # raises if the function itself is wrong
            self.compiler.record_failure(error)
            return result

    def run_eager(self, *inputs: P.args, **named_inputs: P.kwargs) -> R:
        """Return the result with nothing in the function compiled, so that it can be differentiated repeatedly."""
        with torch.compiler.set_stance("force_eager"):
            return self.function(*inputs, **named_inputs)


class Compiler:
    """Compiles a game's networks and its input-gradient function: all of them, or none.

    PyTorch cannot differentiate compiled code twice, so the first derivative of a gradient penalty is part of the graph
    of the compiled input-gradient function. A discriminator that changes its buffers in forward (batch norm) does not
    allow that.

    Compilation can fail for reasons that are no mistake of the user (no C++ compiler, no Triton, an unsupported
    operator). After one failure nothing is compiled any more: a compiled network and an eager input gradient of it are
    inconsistent where there is batch norm.
    """

    def __init__(self, backend: Backend = "inductor", report: Callable[[str], None] = lambda line: None) -> None:
        """Compile with `backend`; `report` receives one line at the first failure."""
        self.backend, self.report = backend, report
        self.failures: list[str] = []
        """Why compilation failed; empty while it works."""

    def __call__(self, game: Game) -> None:
        """Compile the game in place. Weights keep their names, and copies of a compiled network are not compiled."""
        for player in game.players.values():
            # as nn.Module.compile does, but reversible: modules call this instead of forward, and copies drop it
            player.network._compiled_call_impl = CompiledFunction(player.network.forward, self, fullgraph=False)
        game.input_gradient_fn = CompiledFunction(game.input_gradient_fn, self, fullgraph=True)

    def record_failure(self, error: Exception) -> None:
        """Record why compilation failed, and report the first failure."""
        message = str(error).splitlines() or [type(error).__name__]
        reason = " ".join(message[: 1 + message[0].endswith(":")])  # the second line too if the first ends in a colon
        if not self.failures:
            self.report(f"  torch.compile failed ({reason}); training continues without compilation")
        self.failures.append(reason)
