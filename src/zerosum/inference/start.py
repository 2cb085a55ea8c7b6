"""What another run starts from: the recipe of a run, its classes, and the weights of its networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.errors import BadInput
from zerosum.inference.hub import is_hub_name
from zerosum.inference.load import open_model
from zerosum.inference.saved_model import SavedModel
from zerosum.recipes.recipe import Recipe
from zerosum.run_folder import RunFolder

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.data.codec_files import SavedCodec


@dataclass(frozen=True)
class StartingPoint:
    """A run, or a model folder, whose networks another run starts from. Nothing is written into it."""

    name: str
    """The folder as the user named it, or hf:user/name."""
    recipe: Recipe
    """Its settings, with unresolved schedules."""
    model: SavedModel
    """Its weights: those of the newest checkpoint, or of a model folder."""
    examples: int
    """Training examples of these weights."""
    classes: tuple[str, ...] = ()
    """The classes that its networks are conditioned on; () if they are not."""
    requested: Mapping[str, object] | None = None
    """The settings that it was started with, before those that were left open were chosen; None if it does not say."""
    file_settings: Mapping[str, object] | None = None
    """The settings of its recipe file alone; None if it does not say."""

    @property
    def address(self) -> str:
        """The absolute path of the folder; of a model on the hub, its name."""
        return self.name if is_hub_name(self.name) else str(Path(self.name).resolve())

    def read_codec(self) -> SavedCodec:
        """Return the codec of its data.

        Raises:
            BadInput: it cannot be read.
        """
        return self.model.read_codec()

    def read_weights(self) -> dict[str, Tensor]:
        """Return all tensors of its networks, by their names in a checkpoint.

        Raises:
            BadInput: the file is missing or damaged.
        """
        return self.model.read_tensors()

    def read_growth(self) -> int | None:
        """Return the resolution to which networks with progressive growing have grown: 0 is 4 x 4 pixels.

        None for networks of a fixed size.

        Raises:
            BadInput: the weights cannot be read.
        """
        growth = [tensor for name, tensor in self.read_weights().items() if name.endswith("_extra_state")]
        return int(growth[0]) if growth else None


def open_start(path: str | Path) -> StartingPoint:
    """Open the run or the model folder from which a run starts; PyTorch is not imported.

    Raises:
        BadInput: there is no such run, its name is empty, or it has no checkpoint yet.
    """
    if not str(path):
        raise BadInput("`start_from` is empty: name a run, a model folder or hf:user/name, or leave it out")
    model = open_model(path)
    # a model folder has no plan; one that lies there anyway is of others, and is not checked as its settings are
    plan = {} if model.is_foreign else RunFolder(model.path).read_intact_json("plan.json")
    request = plan.get("request")
    return StartingPoint(
        str(path),
        model.recipe,
        model,
        model.examples,
        tuple(model.classes),
        request.get("settings") if isinstance(request, Mapping) else None,
        plan.get("recipe_settings"),
    )
