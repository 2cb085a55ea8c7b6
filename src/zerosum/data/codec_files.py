"""The codec of a run on disk: `codec.json`, and `codec.safetensors` if something was fitted to the data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zerosum.data.codec import Codec
from zerosum.data.kind import DATA_KINDS
from zerosum.data.tensor_files import save_tensors
from zerosum.errors import BadInput
from zerosum.game.sample_spec import SampleSpec, TensorSpec

if TYPE_CHECKING:
    from zerosum.data.dataset import Dataset
    from zerosum.run_folder import Json, Row

SETTINGS_FILE, TENSORS_FILE = "codec.json", "codec.safetensors"


class SavedCodec(NamedTuple):
    """What a run folder keeps of its data, so that a generator is used without them."""

    kind: str
    """The name of the kind of data."""
    codec: Codec
    input_spec: SampleSpec | None
    """What an input is; None for games that generate from latents."""


def save_codec(dataset: Dataset, folder: Path) -> None:
    """Write the codec of a dataset into a folder."""
    input_spec = None if dataset.input_spec is None else _spec_to_json(dataset.input_spec)
    content = {"kind": dataset.summary.kind, "settings": dataset.codec.settings(), "input_spec": input_spec}
    (folder / SETTINGS_FILE).write_text(json.dumps(content), "utf8")
    if tensors := dataset.codec.tensors():
        save_tensors(tensors, folder / TENSORS_FILE)


def load_codec(folder: Path) -> SavedCodec:
    """Read the codec of a run.

    Raises:
        BadInput: a file is missing or damaged.
    """
    try:
        return restore_codec(json.loads((folder / SETTINGS_FILE).read_text("utf8")), folder / TENSORS_FILE)
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{folder / SETTINGS_FILE} cannot be read ({error}); it was written at the start of the run, so restore it"
        ) from error


def restore_codec(content: Row, tensors_file: Path) -> SavedCodec:
    """Return the codec from the content of `codec.json` and the file of its tensors, which need not exist.

    Raises:
        ValueError: the content is damaged, or the file is.
        OSError: the file cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(tensors_file) if tensors_file.exists() else {}
        kind, input_spec = str(content["kind"]), content["input_spec"]
        codec = DATA_KINDS.find(kind).restore_codec(content["settings"], tensors)
        return SavedCodec(kind, codec, None if input_spec is None else _spec_from_json(input_spec))
    except (KeyError, TypeError, SafetensorError) as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _spec_to_json(spec: SampleSpec) -> Json:
    if isinstance(spec, TensorSpec):
        return [list(spec.shape), spec.bounded]
    return {name: _spec_to_json(inner) for name, inner in spec.items()}


def _spec_from_json(content: Json) -> SampleSpec:
    if isinstance(content, Mapping):
        return {name: _spec_from_json(inner) for name, inner in content.items()}
    shape, bounded = content  # type: ignore[misc]  # a damaged file raises, and is reported
    return TensorSpec(tuple(shape), bool(bounded))  # type: ignore[arg-type]
