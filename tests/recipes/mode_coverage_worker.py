"""Train the recipe `r3gan` on ring and grid with the given seeds; print a JSON line per run.

Run by test_mode_coverage.py.
"""

import json
import sys

import torch

from zerosum.data.kind import LoadOptions, load_dataset
from zerosum.data.loader import BatchLoader
from zerosum.data.points.config import PointDataConfig
from zerosum.data.points.mixtures import MIXTURES
from zerosum.game import seeded_rng
from zerosum.game.schedule import Progress
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import train
from zerosum.training.meter import Meter
from zerosum.workflows.build_game import DataInfo, build_game

ROUNDS = {"ring": 1100, "grid": 2500}


def train_and_count_modes(name: str, seed: int) -> dict[str, object]:
    """Train on a mixture; return the smallest fraction of samples in a mode, and the fraction in any mode."""
    file = RecipeFile("r3gan")
    file.apply_variant("points")
    file.settings_tree.set(("training", "seed"), seed, "")
    recipe = check_recipe(file.settings_tree)
    batch_size = recipe.training.batch_size
    recipe = recipe.resolve_schedules(ROUNDS[name] * batch_size)
    dataset, accelerator = load_dataset(PointDataConfig(source=name), LoadOptions()), Accelerator()
    game = build_game(recipe, DataInfo(dataset.spec), accelerator)
    train(
        game,
        BatchLoader(dataset, batch_size, seed),
        accelerator,
        Progress(),
        batch_size,
        Meter(),
        [],
        lambda progress: progress.round >= ROUNDS[name],
    )
    samples = game.sample(seeded_rng.derive_seeds(1000 + seed, 0, 10_000)).numpy()
    fractions = MIXTURES[name].mode_fractions(samples)
    return {
        "data": name,
        "seed": seed,
        "min": round(float(fractions.min()), 4),
        "sum": round(float(fractions.sum()), 4),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in ROUNDS:
        for seed in sys.argv[1:]:
            print(json.dumps(train_and_count_modes(name, int(seed))), flush=True)
