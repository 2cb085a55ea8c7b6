"""Export a model as data alone: a model folder for the Hugging Face Hub or another machine, that Zerosum loads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.data.kind import DATA_KINDS
from zerosum.errors import BadInput
from zerosum.inference.hub import check_push, push_model
from zerosum.inference.load import load, open_model
from zerosum.inference.model_folder import (
    CARD_FILE,
    CODEC_TENSORS_FILE,
    CONFIG_FILE,
    SHEET_FILE,
    TRAINING_FILE,
    WEIGHTS_FILE,
    make_config,
    refuse_executables,
)
from zerosum.inference.saved_model import AUTOENCODER_PREFIX, EMA_PREFIX, PRE_ADVERSARIAL_PREFIX, SavedModel
from zerosum.media.kind import MEDIA_KINDS
from zerosum.reporting.model_card import PublishedModel, write_model_card
from zerosum.reporting.run_record import RunRecord
from zerosum.run_folder import Json, RunFolder
from zerosum.workflows.export_request import ExportRequest

if TYPE_CHECKING:
    from torch import Tensor

GENERATING_PREFIXES = (EMA_PREFIX, PRE_ADVERSARIAL_PREFIX, AUTOENCODER_PREFIX)
"""Prefixes of the weights that generate; all others are for training only."""
FILE_CONTENTS: Mapping[str, str] = {
    CONFIG_FILE: "the settings of the run, the classes, and how samples are decoded",
    WEIGHTS_FILE: "the weights that generate, an average over training",
    TRAINING_FILE: "the weights that only training needs, from which a run may start",
    CODEC_TENSORS_FILE: "what decoding has learned from the data",
    SHEET_FILE: "samples of seed 0",
}


def write_hub(request: ExportRequest, folder: Path) -> None:
    """Write config.json, .safetensors files, a sheet of samples and README.md; push them if that is asked for.

    Raises:
        BadInput: the run cannot be used, or the model cannot be pushed.
    """
    model = open_model(request.run, best=request.best)
    if model.is_foreign:
        raise BadInput(
            f"`run` {request.run}: is a model folder already; push such a folder with `hf upload user/name FOLDER`"
        )
    if request.push:
        check_push(request.push)
    num_parameters = _write_weights(model, folder)
    _write_codec_tensors(model, folder)
    if not model.recipe.is_translation:
        _write_sheet(request, folder)
    run = RunFolder(request.run)
    record = RunRecord.read(request.run)
    config = make_config(model, run.read_json("codec.json"), _facts(record))
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", "utf8")
    name = f"hf:{request.push}" if request.push else request.name
    files = {file: content for file, content in FILE_CONTENTS.items() if (folder / file).exists()}
    sheet = SHEET_FILE if SHEET_FILE in files else ""
    title = request.push.rpartition("/")[2] or record.name
    published = PublishedModel(title, name, model.examples, num_parameters, files, sheet)
    (folder / CARD_FILE).write_text(write_model_card(record, published), "utf8")
    refuse_executables(folder)
    if request.push:
        request.reporter.message(f"pushing {_size(folder)} to the hub")
        address = push_model(request.push, folder)
        request.reporter.message(f"pushed to {address}; it is private until you change that in its settings")
    request.reporter.message(f"{CARD_FILE} describes the model; state a license in it before you publish the folder")


def _write_weights(model: SavedModel, folder: Path) -> int:
    """Write the weights, and return the number of those that generate.

    Raises:
        BadInput: the file of the weights is damaged.
    """
    from zerosum.data.tensor_files import save_tensors

    tensors = model.read_tensors()
    generating = {name: tensor for name, tensor in tensors.items() if name.startswith(GENERATING_PREFIXES)}
    others = {name: tensor for name, tensor in tensors.items() if name not in generating}
    for file, part in ((WEIGHTS_FILE, generating), (TRAINING_FILE, others)):
        if part:
            save_tensors(part, folder / file, {"format": "pt"})
    return sum(tensor.numel() for tensor in generating.values())


def _write_codec_tensors(model: SavedModel, folder: Path) -> None:
    """Write what the codec has fitted to the data, if anything."""
    from zerosum.data.tensor_files import save_tensors

    tensors: Mapping[str, Tensor] = model.read_codec().codec.tensors()
    if tensors:
        save_tensors(tensors, folder / CODEC_TENSORS_FILE)


def _write_sheet(request: ExportRequest, folder: Path) -> None:
    """Write a sheet of samples; a translator has none, since it would show the data of the user."""
    from zerosum.media.raster import save_image

    generator = load(request.run, "cpu", best=request.best)
    media = MEDIA_KINDS.find(generator.kind)
    drawn = generator.preview(generator.draw_samples(media.preview_count))
    save_image(media.draw(drawn), folder / SHEET_FILE)


def _facts(record: RunRecord) -> dict[str, Json]:
    """Return what people and programs want to know of a model."""
    kind = DATA_KINDS.find(record.kind)
    return {
        "pipeline_tag": kind.pipeline_tag,
        "kind": kind.name,
        "recipe_name": str(record.recipe.get("name", "")),
    }


def _size(folder: Path) -> str:
    return f"{sum(file.stat().st_size for file in folder.iterdir()) / 1e6:.1f} MB"
