"""From a game's settings to the game."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zerosum.game.adversarial import Adversarial
from zerosum.game.config import AdversarialGame
from zerosum.game.progressive import Progressive
from zerosum.game.translation import Translation

GAMES: Mapping[str, Callable[..., Adversarial]] = {
    "adversarial": Adversarial,
    "progressive": Progressive,
    "translation": Translation,
}
"""The class of each kind of game."""


def build(config: AdversarialGame, *parts: Any, **more: Any) -> Adversarial:
    """Build the game of these settings, its parts as its class takes them; see `Adversarial`."""
    return GAMES[config.kind](*parts, rules=config, **more)
