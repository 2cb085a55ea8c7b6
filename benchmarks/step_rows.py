"""The rows of `step.py`: recipes at a size, with the peers' loops for them, and how both sides are built."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import references
import references_family as family
import references_loaders as loaders
from references import NUM_CLASSES, Step
from torch import nn

from zerosum.data.dataset import Dataset
from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.summary import ImageSummary
from zerosum.data.loader import BatchLoader
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.schedule import Progress
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.recipes.parsing import SettingsTree
from zerosum.recipes.recipe import Recipe
from zerosum.training.accelerator import PRECISIONS, Accelerator
from zerosum.training.loop import play_round
from zerosum.training.meter import Meter
from zerosum.workflows.build_game import DataInfo, build_game


@dataclass
class Row:
    """A recipe at a size, and the peers' loop for it."""

    recipe: str
    settings: dict[str, object]
    side: int
    channels: int
    batch_size: int
    reference: Callable[[nn.Module, nn.Module, Iterator[Any], Recipe], Step]
    loader: Callable[[Dataset], loaders.ImageLoader] = loaders.TensorLoader
    """How the reference loads its images."""
    precisions: tuple[str, ...] = ("float32",)
    """Precisions that Zerosum is timed in."""
    variant: str = "base"
    """The recipe's size."""


# ---------------------------------------------------------------------- building both sides


def make_noise_dataset(row: Row, num_images: int = 2048) -> Dataset:
    """Return images of noise for a row, with classes if its recipe is conditional."""
    shape = (num_images, row.side, row.side, row.channels)
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    indices, num_classes = np.arange(num_images), NUM_CLASSES if build_recipe(row).is_conditional else 1
    names = tuple(map(str, range(num_classes))) if num_classes > 1 else ()
    summary, codec = ImageSummary("noise", "images", num_images), ImageCodec((row.channels, row.side, row.side))
    hashes = indices.astype(np.uint64)
    return Dataset(values, indices % num_classes, names, hashes, indices, indices[:0], summary, codec)


def load_settings_tree(recipe: str, variant: str) -> SettingsTree:
    """Return the settings of a recipe at a size."""
    file = RecipeFile(recipe)
    file.apply_variant(variant)
    return file.settings_tree


def build_recipe(row: Row) -> Recipe:
    """Return the recipe with the row's settings."""
    settings_tree = load_settings_tree(row.recipe, row.variant)
    for name, value in row.settings.items():
        settings_tree.set(tuple(name.split(".")), value, "")
    settings_tree.set(("training", "batch_size"), row.batch_size, "")
    settings_tree.set(("training", "precision"), "float32", "")
    return check_recipe(settings_tree).resolve_schedules(1_000_000)


def period(row: Row) -> int:
    """Return the number of rounds after which all lazy terms are due again."""
    return math.lcm(*(term.every_rounds for term in build_recipe(row).terms.values()))


def build_row_game(row: Row, dataset: Dataset, precision: str = "float32") -> tuple[AdversarialGame, Accelerator]:
    """Return Zerosum's game, and the accelerator it is computed on."""
    accelerator = Accelerator("cpu", 1, *PRECISIONS[precision])
    return build_game(build_recipe(row), DataInfo(dataset.spec, dataset.class_priors), accelerator), accelerator


def zerosum_step(row: Row, dataset: Dataset, precision: str = "float32") -> Step:
    """Return a step that plays a round of Zerosum."""
    game, accelerator = build_row_game(row, dataset, precision)
    loader, meter, progress = BatchLoader(dataset, row.batch_size, 0), Meter(), [Progress()]
    game.train()

    def step() -> None:
        play_round(game, loader, accelerator, progress[0], meter)
        progress[0] = Progress(progress[0].round + 1, progress[0].examples + row.batch_size)
        for player in game.players.values():
            player.update_ema(row.batch_size, progress[0])

    return step


def reference_step(row: Row, dataset: Dataset, loader: loaders.ImageLoader) -> Step:
    """Return a step that takes a round of the reference, on the same networks."""
    recipe, num_classes = build_recipe(row), len(dataset.classes)
    generator = recipe.generator.build(recipe.latent.size, dataset.spec, num_classes).train()
    discriminator = recipe.discriminator.build(dataset.spec, num_classes).train()
    return row.reference(generator, discriminator, loader.batches(row.batch_size), build_recipe(row))


def variant_name(precision: str) -> str:
    """Return the name of Zerosum in a precision."""
    return "zerosum" if precision == "float32" else f"zerosum, {precision}"


def variant_names(row: Row) -> list[str]:
    """Return the names of all variants that are timed in a row."""
    return [*map(variant_name, row.precisions), "reference"]


# ---------------------------------------------------------------------- the rows

TWO_PRECISIONS = ("float32", "bfloat16")
# gan.py's networks; see `references.gan` for its norms
MLP: dict[str, object] = {
    "generator.widths": [128, 256, 512, 1024],
    "generator.norm": "batch",
    "discriminator.widths": [512, 256],
    "discriminator.dropout": 0,
}
R3GAN: dict[str, object] = {"generator.widths": [256, 192, 96, 48], "discriminator.widths": [256, 192, 96, 48]}
DCGAN: dict[str, object] = {"generator.width": 64, "discriminator.width": 64, "latent.size": 100}
NANO_CHANGES: dict[str, dict[str, object]] = {
    "stylegan2": {"game.reuse_fakes": False, "terms.path_length.weight": 2, "terms.path_length.every_rounds": 4},
}
"""Settings on top of the recipes at size nano."""
BASE_CHANGES: dict[str, dict[str, object]] = {
    "acgan": {"generator.width": 24, "discriminator.width": 24},
    "cgan-projection": {
        "generator.widths": [64, 48, 24, 12],
        "discriminator.widths": [64, 48, 24, 12],
        "generator.condition_size": 16,
        "discriminator.last_side": 8,
        "game.discriminator_steps": 2,
    },
    "progan": {
        "generator.widths": [64, 48, 24, 8],
        "discriminator.widths": [64, 48, 24, 8],
        "latent.size": 64,
        "game.growth.start_level": 3,
        "optimizer.lr": 2e-3,
    },
}
"""Recipes whose round at size nano differs from the paper's: they use the paper's, with networks of size nano."""


def _family_row(name: str, reference: Callable[..., Step]) -> Row:
    """Return the row of a recipe of the family: 32 px in color."""
    uses_base = name in BASE_CHANGES
    settings = BASE_CHANGES.get(name, NANO_CHANGES.get(name, {}))
    batch_size = load_settings_tree(name, "nano").tree["training"]["batch_size"]
    loader, variant = loaders.LabeledTensorLoader, "" if uses_base else "nano"
    return Row(name, settings, 32, 3, batch_size, reference, loader, variant=variant)


FAMILY = {name: _family_row(name, reference) for name, reference in family.STEPS.items()}
ROWS = {
    "dcgan": Row("dcgan", DCGAN, 64, 3, 64, references.dcgan, precisions=TWO_PRECISIONS),
    "mlp": Row("vanilla", MLP, 28, 1, 64, references.gan, loaders.PillowLoader, TWO_PRECISIONS),
    "mlp-tensors": Row("vanilla", MLP, 28, 1, 64, references.gan, precisions=TWO_PRECISIONS),
    "wgan-gp": Row("wgan-gp", {}, 32, 3, 64, references.wgan_gp),
    "r3gan": Row("r3gan", R3GAN, 32, 3, 64, references.r3gan),
} | FAMILY
PENALTIES: dict[str, dict[str, object]] = {
    "no penalty": {},
    "R1 and R2 at every step": {"terms.r1.weight": 0.05, "terms.r2.weight": 0.05},
    "R1 and R2 at every 16th": {"terms.r1.weight": 0.05, "terms.r2.weight": 0.05, "terms.r1.every_rounds": 16,
                                "terms.r2.every_rounds": 16},
}  # fmt: skip
