"""What a run's folder begins with: the recipe with every setting, what the intake saw, what it all was made with."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import zerosum
from zerosum.recipes.recipe import Recipe

if TYPE_CHECKING:
    from zerosum.data.dataset import Examples


def resolved(recipe: Recipe, device: torch.device, examples: Examples) -> dict[str, Any]:
    """The resolved recipe, and what it was made with: recipe.toml."""
    made = {
        "zerosum": zerosum.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": str(device),
        "sample_shape": list(examples.shape),
        "bounded": examples.bounded,
    }
    if recipe.translates:
        made |= {"given_shape": list(examples.given_shape)}
    if recipe.conditional:
        made |= {"classes": list(examples.classes), "shares": list(examples.shares)}
    return recipe.model_dump(mode="json", exclude_none=True) | {"made": made}


def what_was_seen(recipe: Recipe, examples: Examples) -> dict[str, Any]:
    """What the intake saw, where it was, and a hash of it: data.json."""
    data, source = recipe.data, Path(recipe.data.source)
    seen = examples.survey.as_dict() | {"fingerprint": examples.fingerprint}
    seen["path"] = str(source.resolve()) if source.exists() else data.source
    return seen | ({"beside": str(Path(data.beside).resolve())} if data.beside else {})
