"""Build a game from its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from zerosum.game.adversarial import AdversarialGame
from zerosum.game.config import (
    AdversarialGameConfig,
    BaseGameConfig,
    CycleGameConfig,
    LatentSpaceGameConfig,
    MultiLevelGameConfig,
    ProgressiveGameConfig,
    TranslationGameConfig,
)
from zerosum.game.cycle import CycleGame
from zerosum.game.latent_space import LatentSpaceGame
from zerosum.game.multi_level import MultiLevelGame
from zerosum.game.parts import GameParts
from zerosum.game.progressive import ProgressiveGame
from zerosum.game.translation import TranslationGame

BuildFn = Callable[[GameParts, BaseGameConfig], AdversarialGame]
ConfigT = TypeVar("ConfigT", bound=BaseGameConfig)


def _entry(
    config_class: type[ConfigT], game_class: Callable[[GameParts, ConfigT], AdversarialGame]
) -> tuple[type[BaseGameConfig], BuildFn]:
    """Return the class of the settings, and a function that builds the game from any settings of this class."""

    def build_game(parts: GameParts, config: BaseGameConfig) -> AdversarialGame:
        assert isinstance(config, config_class), "the settings select their game"
        return game_class(parts, config)

    return config_class, build_game


GAMES: Mapping[type[BaseGameConfig], BuildFn] = dict(
    (
        _entry(AdversarialGameConfig, AdversarialGame),
        _entry(ProgressiveGameConfig, ProgressiveGame),
        _entry(MultiLevelGameConfig, MultiLevelGame),
        _entry(LatentSpaceGameConfig, LatentSpaceGame),
        _entry(TranslationGameConfig, TranslationGame),
        _entry(CycleGameConfig, CycleGame),
    )
)
"""How the game of each class of settings is built."""


def build(config: BaseGameConfig, parts: GameParts) -> AdversarialGame:
    """Return the game that `config` describes."""
    return GAMES[type(config)](parts, config)
