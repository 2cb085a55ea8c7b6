"""Load what a run folder contains: its recipe, the paths of its data, its generator or translator."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.errors import BadInput
from zerosum.files import quote_path
from zerosum.game.sample_spec import require_single_tensor
from zerosum.inference.hub import download_model, is_hub_name
from zerosum.inference.model_folder import is_model_folder, open_model_folder
from zerosum.inference.saved_model import (
    AUTOENCODER_PREFIX,
    EMA_PREFIX,
    PRE_ADVERSARIAL_PREFIX,
    RAW_PREFIX,
    SavedModel,
)
from zerosum.recipes.files import check_recipe
from zerosum.recipes.recipe import Recipe
from zerosum.run_folder import Json, Row, RunFolder

if TYPE_CHECKING:
    from torch import nn

    from zerosum.data.codec_files import SavedCodec
    from zerosum.inference.generator import Generator
    from zerosum.inference.translator import Translator


def read_recipe(folder: RunFolder) -> Recipe:
    """Return the recipe of a run, with unresolved schedules.

    Raises:
        BadInput: if recipe.toml cannot be read or is invalid.
    """
    from zerosum.recipes.parsing import SettingsTree

    file = folder.path / "recipe.toml"
    try:
        settings_tree = SettingsTree.from_toml(file.read_text("utf8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read ({error}); correct it or start a new run") from error
    settings_tree.tree.pop("metadata", None)
    if not settings_tree.tree:
        raise BadInput(f"{file} is empty; it was written at the start of the run, so restore it")
    recipe = check_recipe(settings_tree)
    if not recipe.training.examples:
        raise BadInput(f"{file}: `training.examples` is missing; it was written at the start of the run, so restore it")
    return recipe


def rewrite_recipe(folder: RunFolder, recipe: Recipe, new_metadata: Mapping[str, Json] | None = None) -> None:
    """Replace the settings in a run's recipe.toml; keep its metadata, and add to them."""
    metadata = folder.read_toml("recipe.toml").get("metadata", {}) | dict(new_metadata or {})
    folder.write_toml("recipe.toml", recipe.model_dump(mode="json", exclude_none=True) | {"metadata": metadata})


def located_recipe(folder: RunFolder, recipe: Recipe) -> Recipe:
    """Return the recipe with the absolute paths of its data, as they were at the start of the run.

    So a run can be continued from any folder. Sources that do not exist there any more stay as they were given.
    """
    sources = folder.read_json("data.json").get("sources", {})
    return with_sources(recipe, {name: path for name, path in sources.items() if Path(path).exists()})


def with_sources(recipe: Recipe, sources: Mapping[str, str]) -> Recipe:
    """Return the recipe with other sources of its data, by the setting that names them."""
    return recipe.model_copy(update={"data": recipe.data.relocate(sources)})


def load(run: str | Path, device: str = "auto", *, best: bool = False, raw_weights: bool = False) -> Generator:
    """Load the generator of a run, or of a model folder that `export` wrote, also from the Hugging Face Hub.

    Nothing in a model folder is executed.

    Args:
        run: path of the run folder or of the model folder, or hf:user/name.
        device: "auto", "cpu", "cuda" or "mps".
        best: load the networks with the best online evaluation instead of the newest checkpoint.
        raw_weights: load the raw weights instead of their EMA.

    Returns:
        The generator in evaluation mode.

    Raises:
        BadInput: if `run` is no run and no model, has no checkpoint or no best networks, or is one of translation.

    Example:
        >>> import zerosum
        >>> generator = zerosum.load("runs/cats")  # doctest: +SKIP
        >>> generator.sample(4, seed=7).shape  # doctest: +SKIP
        torch.Size([4, 3, 64, 64])
    """
    model = open_model(run, best=best, raw_weights=raw_weights)
    recipe, classes = model.recipe, model.classes
    if recipe.is_translation:
        raise BadInput(
            f"{model.path} is a run of translation and cannot sample from latents; give it inputs: "
            f"`zerosum apply {quote_path(model.path)} INPUTS`"
        )
    from zerosum.inference.generator import Generator
    from zerosum.networks.autoencoder import DecodedGenerator
    from zerosum.training.accelerator import choose_device

    saved = model.read_codec()
    spec = recipe.autoencoder.code_spec(saved.codec.spec) if recipe.autoencoder else saved.codec.spec

    def build() -> nn.Module:
        return recipe.generator.build(recipe.latent.size, spec, len(classes), condition_spec=saved.codec.condition_spec)

    network = model.load_into(build, RAW_PREFIX if raw_weights else EMA_PREFIX, choose_device(device))
    if recipe.autoencoder:
        build_autoencoder = partial(recipe.autoencoder.build, saved.codec.spec, saved.codec.condition_spec)
        autoencoder = model.load_into(build_autoencoder, AUTOENCODER_PREFIX, choose_device(device))
        network = DecodedGenerator(network, autoencoder)
    return Generator(
        network, recipe.latent, saved.kind, saved.codec, model.checkpoint, tuple(classes), tuple(classes.values()),
        recipe.data.trains_conditions,
    )  # fmt: skip


def load_translator(
    run: str | Path,
    device: str = "auto",
    *,
    best: bool = False,
    raw_weights: bool = False,
    reverse: bool = False,
    network_interpolation: float = 1.0,
) -> Translator:
    """Load the translator of a run of translation, or of a model folder.

    Args:
        run: path of the run folder or of the model folder, or hf:user/name.
        device: "auto", "cpu", "cuda" or "mps".
        best: load the networks with the best online evaluation instead of the newest checkpoint.
        raw_weights: load the raw weights instead of their EMA.
        reverse: translate from target to input, for runs that learned both directions (cyclegan).
        network_interpolation: for recipes with a phase before adversarial training (esrgan, srgan): 1 as trained, 0 as
            at the end of that phase, faithful but blurry; between, the weights are interpolated (Wang et al. 2018,
            arXiv:1809.00219, section 3.4).

    Returns:
        The translator in evaluation mode.

    Raises:
        BadInput: if `run` is no run folder, has no checkpoint, generates samples from latents, or has no reverse
            direction, or if `network_interpolation` is out of range or not available.

    Example:
        >>> from zerosum.inference.load import load_translator
        >>> translator = load_translator("runs/maps")  # doctest: +SKIP
        >>> outputs = translator(inputs)  # doctest: +SKIP
    """
    model = open_model(run, best=best, raw_weights=raw_weights)
    recipe = model.recipe
    if not recipe.is_translation:
        raise BadInput(
            f"{model.path} generates samples from latents and takes no inputs; use "
            f"`zerosum sample {quote_path(model.path)}`"
        )
    _check_translation_options(model.path, recipe, reverse, network_interpolation)
    from zerosum.inference.translator import Translator
    from zerosum.training.accelerator import choose_device

    saved = model.read_codec()
    if saved.input_spec is None:
        raise BadInput(
            f"{model.path}: `input_spec` of the codec is missing, and a translator has inputs; restore its file, or "
            "export the model again"
        )
    target_spec, input_spec = saved.codec.spec, saved.input_spec
    if reverse:
        target_spec, input_spec = input_spec, target_spec
    direction = ("b_to_a." if reverse else "a_to_b.") if recipe.game.bidirectional else ""
    network = model.load_into(
        partial(recipe.generator.build, recipe.latent.size, target_spec, 0, input_spec),
        (RAW_PREFIX if raw_weights else EMA_PREFIX) + direction,
        choose_device(device),
        other_prefix=PRE_ADVERSARIAL_PREFIX + direction,
        other_weight=1 - network_interpolation,
    )
    input_shape, target_shape = (require_single_tensor(spec, "translation").shape for spec in (input_spec, target_spec))
    return Translator(network, input_shape, target_shape, model.checkpoint)


def _check_translation_options(path: Path, recipe: Recipe, reverse: bool, network_interpolation: float) -> None:
    """Check the options of `load_translator` against the recipe of the run.

    Raises:
        BadInput: the run has no reverse direction, or its weights cannot be interpolated like this.
    """
    if reverse and not recipe.game.bidirectional:
        raise BadInput(f"`reverse`: {path} learned one direction only; leave it out, or train with `recipe` cyclegan")
    if not 0 <= network_interpolation <= 1:
        raise BadInput(
            f"`network_interpolation` {network_interpolation:g}: give a number from 0 (faithful) to 1 (as trained)"
        )
    if network_interpolation < 1 and not recipe.game.has_zero_adversarial_weight[0]:
        raise BadInput(
            f"`network_interpolation` {network_interpolation:g}: {path} had no phase before adversarial "
            "training whose weights could be mixed in; leave it out, or train with `recipe` esrgan"
        )


def open_model(run: str | Path, *, best: bool = False, raw_weights: bool = False) -> SavedModel:
    """Open a trained model: a run folder, or a model folder that `zerosum export` wrote, here or on the hub.

    Args:
        run: path of the folder, or hf:user/name.
        best: the networks with the best online evaluation instead of the newest checkpoint.
        raw_weights: whether the raw weights will be used.

    Raises:
        BadInput: there is no model in the folder, or not the one that is asked for.
    """
    path = locate_model(run)
    if is_model_folder(path):
        return open_model_folder(path, best=best, raw_weights=raw_weights)
    folder = RunFolder.open(path)
    recipe = read_recipe(folder)
    metadata: Row = folder.read_toml("recipe.toml").get("metadata", {})
    checkpoint = folder.newest_checkpoint()
    if best and not folder.best_scores():
        raise BadInput(
            f"{folder.path} has no best networks, since it was not evaluated during training; leave `best` out, or "
            f"train with `evaluation.every_examples`"
        )
    examples = int(checkpoint.name)
    if best:
        checkpoint, examples = folder.path / "best", int(folder.best_scores()["examples"])
    return SavedModel(
        folder.path,
        recipe,
        checkpoint.name,
        checkpoint / "networks.safetensors",
        partial(_load_codec, folder.path),
        dict(zip(metadata.get("classes", ()), metadata.get("class_priors", ()), strict=True)),
        examples,
        None,
        "leave `best` out to use the newest checkpoint"
        if best
        else f"delete {checkpoint} to use the checkpoint before",
    )


def locate_model(run: str | Path) -> Path:
    """Return the folder of a model, which is downloaded if it is on the hub.

    Raises:
        BadInput: it cannot be downloaded.
    """
    return download_model(str(run)) if is_hub_name(run) else Path(run)


def _load_codec(folder: Path) -> SavedCodec:
    """Read the codec of a run; PyTorch is imported."""
    from zerosum.data.codec_files import load_codec

    return load_codec(folder)
