"""A model folder: a trained model as data alone, for another machine or the Hugging Face Hub, and how it is read.

It holds config.json (the settings, the classes, what a sample is), model.safetensors (the weights that generate),
training.safetensors (those that only training needs), and a model card. Others may have written it, so nothing in it is
executed: a folder with pickles or code is refused, settings that name code are, and so are tensors that do not have the
names and sizes of the networks in the settings.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zerosum.errors import BadInput
from zerosum.files import quote_path
from zerosum.inference.saved_model import SavedModel
from zerosum.recipes.files import check_recipe
from zerosum.run_folder import Json, Row

if TYPE_CHECKING:
    from zerosum.data.codec_files import SavedCodec
    from zerosum.recipes.recipe import Recipe

CONFIG_FILE: Final = "config.json"
WEIGHTS_FILE: Final = "model.safetensors"
TRAINING_FILE: Final = "training.safetensors"
CODEC_TENSORS_FILE: Final = "codec.safetensors"
CARD_FILE: Final = "README.md"
SHEET_FILE: Final = "samples.png"
LIBRARY: Final = "zerosum"
FORMAT: Final = 1
"""The version of the keys of config.json."""
MAX_CONFIG_BYTES: Final = 16 * 2**20
REFUSED_SUFFIXES: Final = {
    **dict.fromkeys((".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt", ".joblib", ".dill"), "a pickle"),
    **dict.fromkeys((".py", ".pyc", ".pyd", ".so", ".dll", ".dylib", ".sh", ".bat", ".ps1", ".exe", ".ipynb"), "code"),
}
"""What a file of a suffix may hold: something that runs when it is loaded."""
_CHECKPOINT = re.compile(r"best|[0-9]{1,20}")
"""Names of checkpoints; they become parts of the paths of outputs."""


def is_model_folder(path: Path) -> bool:
    """Return whether a folder is a model folder, and not a run."""
    return (path / CONFIG_FILE).is_file() and not (path / "recipe.toml").is_file()


def open_model_folder(path: Path, *, best: bool = False, raw_weights: bool = False) -> SavedModel:
    """Open a model folder, after a check that nothing in it could be executed.

    Args:
        path: the folder.
        best: not available.
        raw_weights: not available.

    Raises:
        BadInput: the folder holds pickles, code or no model of Zerosum, or an option is set.
    """
    refuse_executables(path)
    config = read_config(path)
    for name, value in {"best": best, "raw_weights": raw_weights}.items():
        if value:
            raise BadInput(f"`{name}`: {path} is a model folder with one set of weights; leave it out")
    recipe = _check_settings(path, config)
    try:
        classes = {str(name): float(prior) for name, prior in config["classes"].items()}
        checkpoint, examples = str(config["checkpoint"]), int(config["examples"])
        _check_identity(classes, checkpoint)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BadInput(
            f"{path / CONFIG_FILE}: a key is missing or damaged ({error}); export the model again"
        ) from error
    return SavedModel(
        path,
        recipe,
        checkpoint,
        path / WEIGHTS_FILE,
        partial(_read_codec, path, config),
        classes,
        examples,
        path / TRAINING_FILE if (path / TRAINING_FILE).exists() else None,
        f"export {quote_path(path)} again, or download it again",
        is_foreign=True,
    )


def _check_identity(classes: Mapping[str, float], checkpoint: str) -> None:
    """Check the classes, from whose priors labels are drawn, and the name of the checkpoint.

    Raises:
        ValueError: a prior is no fraction, all are 0, or no checkpoint is named like this.
    """
    priors = classes.values()
    if classes and not (min(priors) >= 0 and 0 < sum(priors) < math.inf):
        raise ValueError("`classes`: their fractions are negative, infinite, or all 0")
    if not _CHECKPOINT.fullmatch(checkpoint):
        raise ValueError(f"`checkpoint` {checkpoint[:80]!r}: a number of examples, or best")


def refuse_executables(path: Path) -> None:
    """Raise if a folder holds a file that may run when it is loaded, at any depth.

    Raises:
        BadInput: it does, or it cannot be listed.
    """
    refuse_executable_names(path, [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()])


def refuse_executable_names(path: str | Path, names: list[str]) -> None:
    """Raise if files of a model have names of files that may run when they are loaded.

    Raises:
        BadInput: one has; the message names it.
    """
    for name in sorted(names):
        content = REFUSED_SUFFIXES.get(Path(name).suffix.lower())
        if content:
            raise BadInput(
                f"{path} holds {name}, which may be {content} that runs on your machine when it is loaded; a model of "
                "Zerosum needs no such file: remove it if you trust the rest"
            )


def read_config(path: Path) -> Row:
    """Return the content of config.json.

    Raises:
        BadInput: it cannot be read, or describes no model of Zerosum, or one of another format.
    """
    file = path / CONFIG_FILE
    try:
        if file.stat().st_size > MAX_CONFIG_BYTES:
            raise ValueError(f"larger than {MAX_CONFIG_BYTES / 2**20:.0f} MiB")
        config = json.loads(file.read_text("utf8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{file} cannot be read ({error}); export the model again, or download it again") from error
    if not isinstance(config, dict) or config.get("library_name") != LIBRARY or "recipe" not in config:
        raise BadInput(f"{path} is no model of Zerosum (its config.json does not say so); give a run or a model folder")
    if config.get("format") != FORMAT:
        raise BadInput(
            f"{path} has model format {config.get('format')}, and this release of zerosum reads format {FORMAT} only: "
            "use the release that wrote it, or export the model again"
        )
    return config


def _check_settings(path: Path, config: Row) -> Recipe:
    """Return the recipe of a model, of which no setting is code.

    Raises:
        BadInput: a setting is invalid, or names code.
    """
    from zerosum.recipes.parsing import SettingsTree

    if not isinstance(config["recipe"], dict):
        raise BadInput(f"{path / CONFIG_FILE}: `recipe` is no table of settings; export the model again")
    try:
        recipe = check_recipe(SettingsTree(config["recipe"]))
    except BadInput as error:
        raise BadInput(f"{path / CONFIG_FILE}: {error}") from error
    if recipe.evaluation.names_code:
        raise BadInput(
            f"{path / CONFIG_FILE}: `evaluation.features` {recipe.evaluation.features} names code, and nothing in a "
            "model folder is executed; set it to none if you trust the rest"
        )
    return recipe


def _read_codec(path: Path, config: Row) -> SavedCodec:
    """Return the codec of a model.

    Raises:
        BadInput: it is damaged.
    """
    from zerosum.data.codec_files import restore_codec

    try:
        return restore_codec(config["codec"], path / CODEC_TENSORS_FILE)
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"{path}: the codec cannot be read ({error}); export or download the model again") from error


def make_config(model: SavedModel, codec: Row, facts: dict[str, Json]) -> Row:
    """Return the content of config.json.

    Args:
        model: the model of a run. Paths in its settings are cut to their last part, and code for evaluations is left
            out.
        codec: the content of codec.json of the run.
        facts: what people and other programs may want to know of the model; not read back.
    """
    from zerosum import __version__

    recipe = model.recipe
    sources = {name: Path(source).name for name, source in recipe.data.sources.items()}
    settings = recipe.model_copy(update={"data": recipe.data.relocate(sources)}).model_dump(
        mode="json", exclude_none=True
    )
    if recipe.evaluation.names_code:
        settings["evaluation"]["features"] = "auto"
    return {
        "library_name": LIBRARY,
        "format": FORMAT,
        "zerosum": __version__,
        **facts,
        "examples": model.examples,
        "checkpoint": model.checkpoint,
        "classes": dict(model.classes),
        "codec": codec,
        "recipe": settings,
    }
