"""What another run starts from: the recipe of a run, its classes, and the weights of its networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.errors import BadInput
from zerosum.inference.load import read_recipe
from zerosum.recipes.recipe import Recipe
from zerosum.run_folder import Row, RunFolder

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.data.codec_files import SavedCodec

WEIGHTS_FILE = "networks.safetensors"
"""The networks of a game, in a checkpoint."""


@dataclass(frozen=True)
class StartingPoint:
    """A run whose networks another run starts from. Nothing is written into it."""

    path: Path
    """The folder as the user named it."""
    recipe: Recipe
    """Its settings, with unresolved schedules."""
    weights_folder: Path
    """The folder with its weights: the newest checkpoint."""
    examples: int
    """Training examples of these weights."""
    classes: tuple[str, ...] = ()
    """The classes that its networks are conditioned on; () if they are not."""
    requested: Mapping[str, object] | None = None
    """The settings that it was started with, before those that were left open were chosen; None if it does not say."""
    file_settings: Mapping[str, object] | None = None
    """The settings of its recipe file alone; None if it does not say."""

    def read_codec(self) -> SavedCodec:
        """Return the codec of its data.

        Raises:
            BadInput: it cannot be read.
        """
        from zerosum.data.codec_files import load_codec

        return load_codec(self.path)

    def read_weights(self) -> dict[str, Tensor]:
        """Return all tensors of its networks, by their names in a checkpoint.

        Raises:
            BadInput: the file is missing or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from zerosum.training.integrity import check_file

        try:
            check_file(self.weights_folder, WEIGHTS_FILE)
            return load_file(self.weights_folder / WEIGHTS_FILE)
        except (OSError, ValueError, SafetensorError) as error:
            raise BadInput(
                f"{self.weights_folder / WEIGHTS_FILE} cannot be read ({error}); delete this checkpoint to start from"
                " the one before"
            ) from error

    def read_growth(self) -> int | None:
        """Return the resolution to which networks with progressive growing have grown: 0 is 4 x 4 pixels.

        None for networks of a fixed size.

        Raises:
            BadInput: the weights cannot be read.
        """
        growth = [tensor for name, tensor in self.read_weights().items() if name.endswith("_extra_state")]
        return int(growth[0]) if growth else None


def open_start(path: str | Path) -> StartingPoint:
    """Open the run from which another one starts; PyTorch is not imported.

    Raises:
        BadInput: there is no such run, or it has no checkpoint yet.
    """
    folder = RunFolder.open(Path(path))
    recipe, plan = read_recipe(folder), folder.read_intact_json("plan.json")
    checkpoint = folder.newest_checkpoint()
    metadata: Row = folder.read_toml("recipe.toml").get("metadata", {})
    request = plan.get("request")
    return StartingPoint(
        folder.path,
        recipe,
        checkpoint,
        int(checkpoint.name),
        tuple(metadata.get("classes", ())),
        request.get("settings") if isinstance(request, Mapping) else None,
        plan.get("recipe_settings"),
    )
