"""Plays the recipe `r3gan` on ring and grid with the given seeds; prints a JSON line a run. Run by test_modes.py."""

import json
import sys

import torch

from zerosum.data.images.load import read
from zerosum.data.loader import Stream
from zerosum.data.points.mixtures import TOYS
from zerosum.game import seeded_rng
from zerosum.game.schedule import Now
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.training.accelerator import Machine
from zerosum.training.loop import train
from zerosum.training.meter import Meter
from zerosum.workflows.build_game import assemble

ROUNDS = {"ring": 1100, "grid": 2500}


def play(name: str, seed: int) -> dict[str, object]:
    file = RecipeFile("r3gan")
    file.lay("points")
    file.draft.put(("training", "seed"), seed, "")
    recipe = check_recipe(file.draft)
    batch = recipe.training.batch
    recipe = recipe.spread(ROUNDS[name] * batch)
    examples, machine = read(name, 0, 0, ""), Machine()
    game = assemble(recipe, examples.shape, examples.bounded, machine)
    train(
        game, Stream(examples, batch, seed), machine, Now(), batch, Meter(), [], lambda now: now.round >= ROUNDS[name]
    )
    held = TOYS[name].held(game.produce(seeded_rng.seeds(1000 + seed, 0, 10_000)).numpy())
    return {"data": name, "seed": seed, "least": round(float(held.min()), 4), "all": round(float(held.sum()), 4)}


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in ROUNDS:
        for seed in sys.argv[1:]:
            print(json.dumps(play(name, int(seed))), flush=True)
