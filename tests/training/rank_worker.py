"""One rank of the training that test_ranks.py runs on two ranks; run as a script."""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tiny_games import Points, points_game

from zerosum.data.loader import BatchLoader
from zerosum.game.schedule import Progress
from zerosum.game.terms import R1, GradientPenalty
from zerosum.training.accelerator import Accelerator, process_group
from zerosum.training.loop import train
from zerosum.training.meter import Meter


def train_and_save(output: Path) -> None:
    torch.set_num_threads(1)
    with process_group():
        accelerator = Accelerator(accumulate=2)
        game = points_game({"r1": R1(every_rounds=2), "gp": GradientPenalty()}, reuse_fakes=True)
        loader = BatchLoader(Points(), 8, seed=1, rank=accelerator.rank, world_size=accelerator.world_size)
        meter = Meter()
        train(game, loader, accelerator, Progress(), 16, meter, [], lambda progress: progress.round >= 12)
        means = meter.pop_means(accelerator)
        weights = {name: tensor.contiguous() for name, tensor in game.state_dict().items()}
        weights["logged"] = torch.tensor([means[name] for name in sorted(means) if "variance" not in name])
        weights["logged variances"] = torch.tensor([means[f"signals/{side}_variance"] for side in ("real", "fake")])
        save_file(weights, output / f"{accelerator.world_size}-{accelerator.rank}.safetensors")


if __name__ == "__main__":
    train_and_save(Path(sys.argv[1]))
