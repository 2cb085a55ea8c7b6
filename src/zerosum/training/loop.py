"""The loop. It knows players and moves, never a variant's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from torch.profiler import record_function

from zerosum.game.game import Game, Move
from zerosum.game.schedule import Now
from zerosum.game.verdict import Batch
from zerosum.training.machine import Machine
from zerosum.training.meter import Meter

MARK = "zerosum "
"""What the parts of a move are called by in a profile; a mark costs a microsecond where none is made."""
Witness = Callable[[Now], None]
"""Looks after a round is played: it may read anything and change nothing."""


def make_move(game: Game, move: Move, stream: Iterator[Batch], machine: Machine, now: Now, meter: Meter) -> None:
    """One step of one player: its terms on a batch (in `accumulate` parts), added up, followed down."""
    player = game.players[move.player]
    with machine.turn(game, player):
        for _ in range(machine.accumulate):
            with record_function(f"{MARK}data"):
                batch = next(stream)
            with record_function(f"{MARK}{move.player}: terms"), machine.autocast():
                terms, signals = move.loss(batch, now)
                total = sum(term.float().mean() for term in terms.values())
            with record_function(f"{MARK}{move.player}: backward"):
                (total * (move.every / machine.accumulate)).backward()  # type: ignore[union-attr]
            for name, term in terms.items():
                meter.add(f"{move.player}/{name}", term)
            for name, signal in signals.items():
                meter.add(f"signals/{name}", signal)
        with record_function(f"{MARK}{move.player}: step"):
            machine.step(player, now)


def play_round(game: Game, stream: Iterator[Batch], machine: Machine, now: Now, meter: Meter) -> None:
    """Every move that is due, in the game's order."""
    for move in game.moves:
        if now.round % move.every == 0:
            for _ in range(move.times):
                make_move(game, move, stream, machine, now, meter)


def train(
    game: Game,
    stream: Iterator[Batch],
    machine: Machine,
    now: Now,
    batch: int,
    meter: Meter,
    witnesses: Sequence[Witness],
    over: Callable[[Now], bool],
) -> Now:
    """Play rounds of `batch` images (over all ranks and parts) until it is over; returns when that was."""
    game.train()
    while not over(now):
        play_round(game, stream, machine, now, meter)
        now = Now(now.round + 1, now.images + batch)
        for player in game.players.values():
            player.follow(batch, now)
        for witness in witnesses:
            witness(now)
    return now
