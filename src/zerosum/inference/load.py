"""A run, opened again: its recipe, the place of its data, its generator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.errors import BadInput
from zerosum.recipes.files import check_recipe
from zerosum.recipes.recipe import Recipe
from zerosum.run_folder import Row, RunFolder

if TYPE_CHECKING:
    from zerosum.inference.generator import Generator
    from zerosum.inference.translator import Translator


def read_recipe(folder: RunFolder) -> Recipe:
    """A run's own recipe, its schedules as they were written.

    Raises:
        BadInput: it cannot be read, or was changed by hand and is wrong.
    """
    from zerosum.recipes.parsing import SettingsTree

    file = folder.path / "recipe.toml"
    try:
        draft = SettingsTree.from_toml(file.read_text("utf8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read ({error}); put it right or start a new run") from error
    draft.tree.pop("metadata", None)
    recipe = check_recipe(draft)
    if not recipe.training.examples:
        raise BadInput(f"{file}: training.examples is missing; it was written when the run began, so put it back")
    return recipe


def rewrite_recipe(folder: RunFolder, recipe: Recipe) -> None:
    """Put other settings into a run's recipe; what it was made with stays."""
    made = folder.read_toml("recipe.toml").get("metadata", {})
    folder.write_toml("recipe.toml", recipe.model_dump(mode="json", exclude_none=True) | {"metadata": made})


def with_data_paths(recipe: Recipe, source: str, target_source: str = "") -> Recipe:
    """The recipe with the places its data had when the run began, so that a run resumes from any folder."""
    places = {"source": source, "target_source": target_source}
    there = {name: place for name, place in places.items() if place and Path(place).exists()}
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=there)})


def data_paths(folder: RunFolder) -> tuple[str, str]:
    """Where a run's data were when it began, and the second folder of them, or ""."""
    record = folder.read_json("data.json")
    return str(record.get("path", "")), str(record.get("target_source", ""))


def load(run: str | Path, device: str = "auto", *, best: bool = False, raw_weights: bool = False) -> Generator:
    """A run's generator.

    Args:
        run: the run's folder.
        device: auto, cpu, cuda, mps.
        best: the networks that were judged best during training, instead of the newest checkpoint's.
        raw_weights: the weights that training changes, instead of their average.

    Raises:
        BadInput: it is no run, has no checkpoint yet, or nothing was judged best.
    """
    folder = RunFolder.open(Path(run))
    recipe, made, place = _find_weights(folder, best)
    if recipe.is_translation:
        raise BadInput(
            f"{folder.path} turns pictures into others, and makes none of latents; give it pictures: zerosum apply "
            f"{folder.path} PICTURES"
        )
    from zerosum.inference.generator import EMA_PREFIX, RAW_PREFIX, restore_generator
    from zerosum.training.accelerator import choose_device

    shape = tuple(made["sample_shape"])
    classes = dict(zip(made.get("classes", ()), made.get("class_priors", ()), strict=True))
    network = recipe.generator.build(recipe.latent.size, shape, bool(made.get("bounded", True)), len(classes))
    weights = RAW_PREFIX if raw_weights else EMA_PREFIX
    return restore_generator(network, place, recipe.latent, shape, choose_device(device), weights, classes)


def load_translator(
    run: str | Path,
    device: str = "auto",
    *,
    best: bool = False,
    raw_weights: bool = False,
    reverse: bool = False,
    network_interpolation: float = 1.0,
) -> Translator:
    """A run's translator: what turns pictures into others.

    Args:
        run: the run's folder.
        device: auto, cpu, cuda, mps.
        best: the networks that were judged best during training, instead of the newest checkpoint's.
        raw_weights: the weights that training changes, instead of their average.
        reverse: from the wanted kind to the given kind, of a run that learned both ways.
        network_interpolation: of recipes that begin without a game (esrgan, srgan): 1 as trained, 0 as it was before the game began,
            faithful but soft; between, weights are interpolated (Wang et al. 2018, arXiv:1809.00219, section 3.4).

    Raises:
        BadInput: it is no run, has no checkpoint yet, makes pictures of noise, or knows no way back.
    """
    folder = RunFolder.open(Path(run))
    recipe, made, place = _find_weights(folder, best)
    if not recipe.is_translation:
        raise BadInput(
            f"{folder.path} makes pictures of noise, and takes none; `zerosum sample {folder.path}` makes some"
        )
    if reverse and not recipe.game.bidirectional:
        raise BadInput(f"--reverse: {folder.path} learned one way only; leave it out, or train with --recipe cyclegan")
    if not 0 <= network_interpolation <= 1:
        raise BadInput(
            f"--network-interpolation {network_interpolation:g}: give a number from 0 (faithful) to 1 (as trained)"
        )
    if network_interpolation < 1 and not recipe.game.has_zero_adversarial_weight[0]:
        raise BadInput(
            f"--network-interpolation {network_interpolation:g}: {folder.path} was played from the beginning, so there is nothing more faithful to "
            "mix in; leave it out, or train with --recipe esrgan"
        )
    from zerosum.inference.generator import EMA_PREFIX, PRE_ADVERSARIAL_PREFIX, RAW_PREFIX, load_weights
    from zerosum.inference.translator import Translator
    from zerosum.training.accelerator import choose_device

    shape, given = tuple(made["sample_shape"]), tuple(made["input_shape"])
    network = recipe.generator.build(recipe.latent.size, shape, True, 0, given)
    way = ("b_to_a." if reverse else "a_to_b.") if recipe.game.bidirectional else ""
    ready = load_weights(
        network,
        place,
        (RAW_PREFIX if raw_weights else EMA_PREFIX) + way,
        choose_device(device),
        other_prefix=PRE_ADVERSARIAL_PREFIX + way,
        other_weight=1 - network_interpolation,
    )
    return Translator(ready, given, shape, place.name)


def _find_weights(folder: RunFolder, best: bool) -> tuple[Recipe, Row, Path]:
    """A run's recipe, what its networks were made with, and the folder of their weights."""
    recipe = read_recipe(folder)
    made = folder.read_toml("recipe.toml").get("metadata", {})
    if "sample_shape" not in made or (recipe.is_translation and "input_shape" not in made):
        raise BadInput(
            f"{folder.path / 'recipe.toml'}: [made] is missing, which says what the networks make; put it back"
        )
    found = folder.checkpoints()
    if not found:
        raise BadInput(f"{folder.path} has no checkpoint yet; wait for its first one, or go on with `zerosum resume`")
    if best and not folder.best_scores():
        raise BadInput(
            f"{folder.path} has no best: none of its samples were judged while it was played; leave --best out, or "
            f"train with --evaluation.every_examples"
        )
    return recipe, made, folder.path / "best" if best else found[-1]
