"""The loop. It knows players and moves, never a variant's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from torch.profiler import record_function

from zerosum.game.game import Game, Move
from zerosum.game.schedule import Progress
from zerosum.game.types import Batch
from zerosum.training.accelerator import Accelerator
from zerosum.training.meter import Meter

PROFILER_PREFIX = "zerosum "
"""What the parts of a move are called by in a profile; a mark costs a microsecond where none is made."""
Callback = Callable[[Progress], None]
"""Looks after a round is played: it may read anything and change nothing."""


def next_micro_batches(loader: Iterator[Batch], accelerator: Accelerator) -> list[Batch]:
    """The batch of one step, in `accumulate` parts."""
    with record_function(f"{PROFILER_PREFIX}data"):
        return [next(loader) for _ in range(accelerator.accumulate)]


def optimizer_step(
    game: Game, move: Move, micro_batches: Sequence[Batch], accelerator: Accelerator, progress: Progress, meter: Meter
) -> None:
    """One step of one player: its terms on a batch, part by part, added up, followed down."""
    player = game.players[move.player]
    with accelerator.training_player(game, player):
        for part in micro_batches:
            with record_function(f"{PROFILER_PREFIX}{move.player}: terms"), accelerator.autocast():
                terms, signals = move.loss_fn(part, progress)
                total = sum(term.float().mean() for term in terms.values())
            with record_function(f"{PROFILER_PREFIX}{move.player}: backward"):
                (total * (move.every_rounds / len(micro_batches))).backward()  # type: ignore[union-attr]
            for name, term in terms.items():
                meter.add(f"{move.player}/{name}", term)
            for name, signal in signals.items():
                meter.add(f"signals/{name}", signal)
        with record_function(f"{PROFILER_PREFIX}{move.player}: step"):
            accelerator.step(player, progress)


def dry_step(accelerator: Accelerator) -> Callable[[Game, Move, Batch, Progress], dict[str, float]]:
    """Makes a move in a game that is to be thrown away; gives the means of its terms, as the log names them."""

    def try_move(game: Game, move: Move, batch: Batch, now: Progress) -> dict[str, float]:
        meter = Meter()
        optimizer_step(game, move, [batch], accelerator, now, meter)
        return meter.pop_means(accelerator)

    return try_move


def play_moves(
    moves: Sequence[Move],
    game: Game,
    loader: Iterator[Batch],
    accelerator: Accelerator,
    progress: Progress,
    meter: Meter,
) -> None:
    """These moves in order, each as many times as it says."""
    parts: list[Batch] = []
    for move in moves:
        for _ in range(move.steps):
            if not (move.reuses_batch and parts):
                parts = next_micro_batches(loader, accelerator)
            optimizer_step(game, move, parts, accelerator, progress, meter)


def play_round(game: Game, loader: Iterator[Batch], accelerator: Accelerator, progress: Progress, meter: Meter) -> None:
    """Every move that is due, in the game's order."""
    play_moves(
        [move for move in game.moves if progress.round % move.every_rounds == 0],
        game,
        loader,
        accelerator,
        progress,
        meter,
    )


def train(
    game: Game,
    loader: Iterator[Batch],
    accelerator: Accelerator,
    progress: Progress,
    batch_size: int,
    meter: Meter,
    callbacks: Sequence[Callback],
    should_stop: Callable[[Progress], bool],
) -> Progress:
    """Play rounds of `batch_size` images (over all ranks and parts) until it is over; returns when that was."""
    game.train()
    while not should_stop(progress):
        play_round(game, loader, accelerator, progress, meter)
        progress = Progress(progress.round + 1, progress.examples + batch_size)
        for player in game.players.values():
            player.update_ema(batch_size, progress)
        for witness in callbacks:
            witness(progress)
    return progress
