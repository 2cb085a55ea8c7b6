"""The training loop. It knows players and moves, and no variant of GAN by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from torch.profiler import record_function

from zerosum.game.game import Game, Move
from zerosum.game.schedule import Progress
from zerosum.game.types import Batch
from zerosum.training.accelerator import Accelerator
from zerosum.training.meter import Meter

PROFILER_PREFIX = "zerosum "
"""Prefix of the parts of a move in a profile. A mark costs a microsecond when no profiler runs."""
Callback = Callable[[Progress], None]
"""Called after each round. It may read anything and must change nothing."""


def next_micro_batches(loader: Iterator[Batch], accelerator: Accelerator) -> list[Batch]:
    """Return the batch of one step as `accelerator.accumulate` micro-batches."""
    with record_function(f"{PROFILER_PREFIX}data"):
        return [next(loader) for _ in range(accelerator.accumulate)]


def optimizer_step(
    game: Game, move: Move, micro_batches: Sequence[Batch], accelerator: Accelerator, progress: Progress, meter: Meter
) -> None:
    """Make one optimizer step of one player: accumulate the gradients of its losses over micro-batches, then step."""
    player = game.players[move.player]
    with accelerator.training_player(game, player):
        for batch in micro_batches:
            with record_function(f"{PROFILER_PREFIX}{move.player}: losses"), accelerator.autocast():
                losses, signals = move.loss_fn(batch, progress)
                means = [loss.float().mean() for loss in losses.values()]
                total = sum(means[1:], means[0])
            with record_function(f"{PROFILER_PREFIX}{move.player}: backward"):
                (total * (move.every_rounds / len(micro_batches))).backward()  # type: ignore[no-untyped-call]
            for name, loss in losses.items():
                meter.add(f"{move.player}/{name}", loss)
            for name, signal in signals.items():
                meter.add(f"signals/{name}", signal)
        with record_function(f"{PROFILER_PREFIX}{move.player}: step"):
            accelerator.step(player, progress)


def trial_step(accelerator: Accelerator) -> Callable[[Game, Move, Batch, Progress], dict[str, float]]:
    """Return a function that steps one player of a copied game and returns the means of its losses by log key."""

    def trial_move(game: Game, move: Move, batch: Batch, progress: Progress) -> dict[str, float]:
        meter = Meter()
        optimizer_step(game, move, [batch], accelerator, progress, meter)
        return meter.pop_means(accelerator)

    return trial_move


def play_moves(
    moves: Sequence[Move],
    game: Game,
    loader: Iterator[Batch],
    accelerator: Accelerator,
    progress: Progress,
    meter: Meter,
) -> None:
    """Play these moves in order, each `move.steps` times."""
    micro_batches: list[Batch] = []
    for move in moves:
        for _ in range(move.steps):
            if not (move.reuses_batch and micro_batches):
                micro_batches = next_micro_batches(loader, accelerator)
            optimizer_step(game, move, micro_batches, accelerator, progress, meter)


def play_round(game: Game, loader: Iterator[Batch], accelerator: Accelerator, progress: Progress, meter: Meter) -> None:
    """Play every move that is due in this round and has a weight, in the game's order."""
    play_moves(
        [move for move in game.moves if progress.round % move.every_rounds == 0 and move.has_weight(progress)],
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
    """Play rounds until `should_stop`, and return the progress at the end.

    Args:
        game: the game to train.
        loader: yields the micro-batches of this rank.
        accelerator: where the steps are computed.
        progress: rounds and examples so far.
        batch_size: examples in a round, over all ranks and micro-batches.
        meter: collects the means of losses and signals.
        callbacks: called after each round.
        should_stop: called before each round.
    """
    game.train()
    while not should_stop(progress):
        play_round(game, loader, accelerator, progress, meter)
        progress = Progress(progress.round + 1, progress.examples + batch_size)
        for player in game.players.values():
            player.update_ema(batch_size, progress)
        for callback in callbacks:
            callback(progress)
    return progress
