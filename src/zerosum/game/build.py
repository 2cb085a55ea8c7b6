"""Build a game from its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zerosum.game.adversarial import AdversarialGame
from zerosum.game.config import AdversarialGameConfig
from zerosum.game.progressive import ProgressiveGame
from zerosum.game.translation import TranslationGame

GAMES: Mapping[str, Callable[..., AdversarialGame]] = {
    "adversarial": AdversarialGame,
    "progressive": ProgressiveGame,
    "translation": TranslationGame,
}
"""The game class of each `game.kind`."""


def build(config: AdversarialGameConfig, *args: Any, **kwargs: Any) -> AdversarialGame:
    """Return the game that `config` describes.

    Args:
        config: the game settings; `config.kind` selects the class.
        *args: positional arguments of the class, see `AdversarialGame`.
        **kwargs: keyword arguments of the class.
    """
    return GAMES[config.kind](*args, config=config, **kwargs)
