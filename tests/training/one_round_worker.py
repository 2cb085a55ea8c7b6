"""Play one round of every recipe and save the second moments of its optimizers; test_ranks.py runs it on two ranks."""

import os
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from zerosum.errors import BadInput
from zerosum.game.schedule import Progress
from zerosum.recipes import variants
from zerosum.recipes.files import RecipeFile, check_recipe, list_recipes
from zerosum.recipes.recipe import Recipe
from zerosum.reporter import SilentReporter
from zerosum.training.accelerator import process_group
from zerosum.training.loop import play_round
from zerosum.training.meter import Meter
from zerosum.workflows.setup import TrainingSetup

BATCH_SIZE, EXAMPLES = 8, 800
GIVEN_INPUTS = {"data.input": "dark", "data.target": "light"}
NORM = {"vanilla with batch norm": ("vanilla", {"generator.norm": "batch", "discriminator.norm": "batch"})}
"""Batch norm in networks of which no recipe has it."""
ROWS = "rows.csv"
"""A table next to the images, for the recipe of rows."""
MOLECULES = "molecules.smi"
"""Molecules next to the images."""
HITS = "hits"
"""A folder of sounds next to the images."""
OTHER_DATA = {
    "table": ("tables", ROWS), "molecule": ("molecules", MOLECULES), "molgan": ("molecules", MOLECULES),
    "vocoder": ("audio", HITS), "enhance": ("audio", HITS),
}  # fmt: skip
"""Kind and file of the data of recipes that are not for images."""
OF_SOUNDS: dict[str, object] = {
    "data.size": 16, "data.rate": 8_000, "data.seconds": 0.128, "data.crop": 8, "generator.width": 8,
    "generator.blocks": 1, "discriminator.windows": [128], "terms.log_mel.windows": [128], "terms.stft.windows": [128],
}  # fmt: skip
"""Settings of tiny games of sounds."""


def build_recipe(name: str, images: Path) -> Recipe:
    """The recipe with its nano networks, for images of two classes."""
    recipe, settings = NORM.get(name, (name, dict[str, object]()))
    tree = RecipeFile(recipe).settings_tree.tree
    translates = tree.get("game", {}).get("kind") in ("translation", "cycle")
    if recipe == "vanilla":
        settings["discriminator.dropout"] = 0  # each rank draws masks of its own
    settings |= {"training.precision": "float32", "training.device": "cpu"}
    keywords: dict[str, tuple[str, object]] = {
        "training.batch_size": ("`batch_size`", BATCH_SIZE),
        "training.examples": ("`examples`", EXAMPLES),
    }
    if recipe == "table":
        settings["terms.moments.weight"] = 0  # each rank compares the moments of its own part of the batch
    own = OTHER_DATA.get(recipe)
    settings |= OF_SOUNDS if own and own[1] == HITS else {}
    keywords["data.source"] = ("`source`", str(images.with_name(own[1]) if own else images))
    if own is None:
        settings |= {"data.size": 32, "data.fit": "crop", "data.channels": 3 if translates else 1}
        settings |= GIVEN_INPUTS if translates and "degrade" not in tree["data"] else {}
    variant = variants.choose_variant(recipe, own[0] if own else "images", "nano")
    return check_recipe(variants.build_settings_tree(recipe, variant, settings, keywords))


def play_one_round(recipe: Recipe) -> dict[str, torch.Tensor]:
    """The second moments after the first round, by player and parameter."""
    setup = TrainingSetup.create(recipe, torch.device("cpu"), (), SilentReporter())
    dataset = setup.load_dataset_on_ranks(recipe.data)
    game = setup.new_game(recipe.resolve_schedules(EXAMPLES), dataset)
    game.train()
    play_round(game, setup.build_loader(dataset), setup.accelerator, Progress(), Meter())
    moments = {}
    for player in game.players.values():
        for name, parameter in player.network.named_parameters():
            state = player.optimizer.state[parameter]
            for key in {"exp_avg_sq", "square_avg"} & set(state):
                moments[f"{player.name}.{name}"] = state[key].contiguous()
    return moments | {f"buffers.{name}": b.contiguous() for name, b in game.named_buffers() if "running_" in name}


def main(images: Path, output: Path) -> None:
    torch.set_num_threads(1)
    with process_group() as rank:
        for name in [*list_recipes(), *NORM]:
            try:
                moments = play_one_round(build_recipe(name, images))
            except BadInput as refusal:
                (output / f"{name}.refused").write_text(str(refusal))
                continue
            if rank == 0:
                save_file(moments, output / f"{name}.safetensors")


if __name__ == "__main__":
    os.environ["ZEROSUM_CACHE"] = str(Path(sys.argv[1]).with_name("cache"))
    main(Path(sys.argv[1]), Path(sys.argv[2]))
