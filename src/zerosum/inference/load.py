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
    from zerosum.recipes.parsing import Draft

    file = folder.path / "recipe.toml"
    try:
        draft = Draft.parse(file.read_text("utf8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read ({error}); put it right or start a new run") from error
    draft.tree.pop("made", None)
    recipe = check_recipe(draft)
    if not recipe.training.images:
        raise BadInput(f"{file}: training.images is missing; it was written when the run began, so put it back")
    return recipe


def rewrite_recipe(folder: RunFolder, recipe: Recipe) -> None:
    """Put other settings into a run's recipe; what it was made with stays."""
    made = folder.read_toml("recipe.toml").get("made", {})
    folder.write_toml("recipe.toml", recipe.model_dump(mode="json", exclude_none=True) | {"made": made})


def where_the_data_are(recipe: Recipe, path: str, beside: str = "") -> Recipe:
    """The recipe with the places its data had when the run began, so that a run resumes from any folder."""
    places = {"source": path, "beside": beside}
    there = {name: place for name, place in places.items() if place and Path(place).exists()}
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=there)})


def places(folder: RunFolder) -> tuple[str, str]:
    """Where a run's data were when it began, and the second folder of them, or ""."""
    record = folder.read_json("data.json")
    return str(record.get("path", "")), str(record.get("beside", ""))


def load(run: str | Path, device: str = "auto", *, best: bool = False, live: bool = False) -> Generator:
    """A run's generator.

    Args:
        run: the run's folder.
        device: auto, cpu, cuda, mps.
        best: the networks that were judged best during training, instead of the newest checkpoint's.
        live: the weights that training changes, instead of their average.

    Raises:
        BadInput: it is no run, has no checkpoint yet, or nothing was judged best.
    """
    folder = RunFolder.open(Path(run))
    recipe, made, place = _trained(folder, best)
    if recipe.translates:
        raise BadInput(
            f"{folder.path} turns pictures into others, and makes none of latents; give it pictures: zerosum apply "
            f"{folder.path} PICTURES"
        )
    from zerosum.inference.generator import AVERAGED, LIVE, load_generator
    from zerosum.training.accelerator import choose_device

    shape = tuple(made["sample_shape"])
    classes = dict(zip(made.get("classes", ()), made.get("shares", ()), strict=True))
    network = recipe.generator.build(recipe.latent.size, shape, bool(made.get("bounded", True)), len(classes))
    weights = LIVE if live else AVERAGED
    return load_generator(network, place, recipe.latent, shape, choose_device(device), weights, classes)


def load_translator(
    run: str | Path,
    device: str = "auto",
    *,
    best: bool = False,
    live: bool = False,
    back: bool = False,
    realism: float = 1.0,
) -> Translator:
    """A run's translator: what turns pictures into others.

    Args:
        run: the run's folder.
        device: auto, cpu, cuda, mps.
        best: the networks that were judged best during training, instead of the newest checkpoint's.
        live: the weights that training changes, instead of their average.
        back: from the wanted kind to the given kind, of a run that learned both ways.
        realism: of recipes that begin without a game (esrgan, srgan): 1 as trained, 0 as it was before the game began,
            faithful but soft; between, weights are interpolated (Wang et al. 2018, arXiv:1809.00219, section 3.4).

    Raises:
        BadInput: it is no run, has no checkpoint yet, makes pictures of noise, or knows no way back.
    """
    folder = RunFolder.open(Path(run))
    recipe, made, place = _trained(folder, best)
    if not recipe.translates:
        raise BadInput(
            f"{folder.path} makes pictures of noise, and takes none; `zerosum sample {folder.path}` makes some"
        )
    if back and not recipe.game.both:
        raise BadInput(f"--back: {folder.path} learned one way only; leave it out, or train with --recipe cyclegan")
    if not 0 <= realism <= 1:
        raise BadInput(f"--realism {realism:g}: give a number from 0 (faithful) to 1 (as trained)")
    if realism < 1 and not recipe.game.silent[0]:
        raise BadInput(
            f"--realism {realism:g}: {folder.path} was played from the beginning, so there is nothing more faithful to "
            "mix in; leave it out, or train with --recipe esrgan"
        )
    from zerosum.inference.generator import AVERAGED, FAITHFUL, LIVE, read_weights
    from zerosum.inference.translator import Translator
    from zerosum.training.accelerator import choose_device

    shape, given = tuple(made["sample_shape"]), tuple(made["given_shape"])
    network = recipe.generator.build(recipe.latent.size, shape, True, 0, given)
    way = ("back." if back else "there.") if recipe.game.both else ""
    ready = read_weights(
        network,
        place,
        (LIVE if live else AVERAGED) + way,
        choose_device(device),
        other=FAITHFUL + way,
        share=1 - realism,
    )
    return Translator(ready, given, shape, place.name)


def _trained(folder: RunFolder, best: bool) -> tuple[Recipe, Row, Path]:
    """A run's recipe, what its networks were made with, and the folder of their weights."""
    recipe = read_recipe(folder)
    made = folder.read_toml("recipe.toml").get("made", {})
    if "sample_shape" not in made or (recipe.translates and "given_shape" not in made):
        raise BadInput(
            f"{folder.path / 'recipe.toml'}: [made] is missing, which says what the networks make; put it back"
        )
    found = folder.checkpoints()
    if not found:
        raise BadInput(f"{folder.path} has no checkpoint yet; wait for its first one, or go on with `zerosum resume`")
    if best and not folder.best():
        raise BadInput(
            f"{folder.path} has no best: none of its samples were judged while it was played; leave --best out, or "
            f"train with --judging.every_images"
        )
    return recipe, made, folder.path / "best" if best else found[-1]
