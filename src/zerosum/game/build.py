"""From a game's settings to the game."""

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
"""The class of each kind of game."""


def build(config: AdversarialGameConfig, *parts: Any, **more: Any) -> AdversarialGame:
    """Build the game of these settings, its parts as its class takes them; see `Adversarial`."""
    return GAMES[config.kind](*parts, config=config, **more)
