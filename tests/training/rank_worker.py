"""One rank of a game that test_ranks.py plays with two; run as a script."""

import sys
from pathlib import Path

import torch
from parts import Points, points_game
from safetensors.torch import save_file

from zerosum.data.loader import Stream
from zerosum.game.schedule import Now
from zerosum.game.terms import R1, GradientPenalty
from zerosum.training.accelerator import Machine, ranks
from zerosum.training.loop import train
from zerosum.training.meter import Meter


def play(into: Path) -> None:
    torch.set_num_threads(1)
    with ranks():
        machine = Machine(accumulate=2)
        game = points_game({"r1": R1(every=2), "gp": GradientPenalty()}, share_fakes=True)
        stream = Stream(Points(), 8, seed=1, rank=machine.rank, world=machine.world)
        meter = Meter()
        train(game, stream, machine, Now(), 16, meter, [], lambda now: now.round >= 12)
        means = meter.take(machine)
        weights = {name: tensor.contiguous() for name, tensor in game.state_dict().items()}
        weights["logged"] = torch.tensor([means[name] for name in sorted(means)])
        save_file(weights, into / f"{machine.world}-{machine.rank}.safetensors")


if __name__ == "__main__":
    play(Path(sys.argv[1]))
