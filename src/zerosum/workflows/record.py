"""What a run's folder begins with: the recipe with every setting, what the intake saw, what it all was made with."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import zerosum
from zerosum.recipes.recipe import Recipe

if TYPE_CHECKING:
    from zerosum.data.dataset import Dataset


def build_recipe_record(recipe: Recipe, device: torch.device, dataset: Dataset) -> dict[str, Any]:
    """The resolved recipe, and what it was made with: recipe.toml."""
    made = {
        "zerosum": zerosum.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": str(device),
        "sample_shape": list(dataset.shape),
        "bounded": dataset.bounded,
    }
    if recipe.is_translation:
        made |= {"input_shape": list(dataset.input_shape)}
    if recipe.is_conditional:
        made |= {"classes": list(dataset.classes), "class_priors": list(dataset.class_priors)}
    return recipe.model_dump(mode="json", exclude_none=True) | {"metadata": made}


def build_data_record(recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """What the intake saw, where it was, and a hash of it: data.json."""
    data, source = recipe.data, Path(recipe.data.source)
    seen = dataset.summary.as_dict() | {"fingerprint": dataset.fingerprint}
    seen["path"] = str(source.resolve()) if source.exists() else data.source
    return seen | ({"target_source": str(Path(data.target_source).resolve())} if data.target_source else {})
