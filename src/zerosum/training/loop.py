"""The loop. It knows players and moves, never a variant's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from torch.profiler import record_function

from zerosum.game.game import Game, Move
from zerosum.game.schedule import Now
from zerosum.game.types import Batch
from zerosum.training.accelerator import Machine
from zerosum.training.meter import Meter

MARK = "zerosum "
"""What the parts of a move are called by in a profile; a mark costs a microsecond where none is made."""
Witness = Callable[[Now], None]
"""Looks after a round is played: it may read anything and change nothing."""


def deal(stream: Iterator[Batch], machine: Machine) -> list[Batch]:
    """The batch of one step, in `accumulate` parts."""
    with record_function(f"{MARK}data"):
        return [next(stream) for _ in range(machine.accumulate)]


def make_move(game: Game, move: Move, parts: Sequence[Batch], machine: Machine, now: Now, meter: Meter) -> None:
    """One step of one player: its terms on a batch, part by part, added up, followed down."""
    player = game.players[move.player]
    with machine.turn(game, player):
        for part in parts:
            with record_function(f"{MARK}{move.player}: terms"), machine.autocast():
                terms, signals = move.loss(part, now)
                total = sum(term.float().mean() for term in terms.values())
            with record_function(f"{MARK}{move.player}: backward"):
                (total * (move.every / len(parts))).backward()  # type: ignore[union-attr]
            for name, term in terms.items():
                meter.add(f"{move.player}/{name}", term)
            for name, signal in signals.items():
                meter.add(f"signals/{name}", signal)
        with record_function(f"{MARK}{move.player}: step"):
            machine.step(player, now)


def attempt(machine: Machine) -> Callable[[Game, Move, Batch, Now], dict[str, float]]:
    """Makes a move in a game that is to be thrown away; gives the means of its terms, as the log names them."""

    def try_move(game: Game, move: Move, batch: Batch, now: Now) -> dict[str, float]:
        meter = Meter()
        make_move(game, move, [batch], machine, now, meter)
        return meter.take(machine)

    return try_move


def play(moves: Sequence[Move], game: Game, stream: Iterator[Batch], machine: Machine, now: Now, meter: Meter) -> None:
    """These moves in order, each as many times as it says."""
    parts: list[Batch] = []
    for move in moves:
        for _ in range(move.times):
            if not (move.again and parts):
                parts = deal(stream, machine)
            make_move(game, move, parts, machine, now, meter)


def play_round(game: Game, stream: Iterator[Batch], machine: Machine, now: Now, meter: Meter) -> None:
    """Every move that is due, in the game's order."""
    play([move for move in game.moves if now.round % move.every == 0], game, stream, machine, now, meter)


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
