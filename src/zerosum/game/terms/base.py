"""The protocol of terms, and the base class of their settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Protocol

from pydantic import Field

from zerosum.game.schedule import Schedule
from zerosum.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play

RoundInterval = Annotated[int, Field(ge=1)]


class Term(Protocol):
    """A loss that a player minimizes in addition to its objective."""

    @property
    def player(self) -> str:
        """Name of the player that minimizes the term."""

    input_gradients_at: ClassVar[frozenset[str]]
    """Subset of {"real", "fake"} at which the term reads the gradient of the score."""

    requires: ClassVar[frozenset[str]]
    """Capabilities that the networks must have; see `zerosum.networks.configs`."""
    float32_scores_at: ClassVar[frozenset[str]]
    """Subset of {"real", "fake"} at which the term needs scores that were computed in float32."""
    uses_input_gradients: ClassVar[bool]
    """Whether the term differentiates the discriminator by its input anywhere."""
    uses_finite_differences: ClassVar[bool]
    """Whether the term compares scores of several forward passes, which must not differ by dropout."""
    uses_full_batch: ClassVar[bool]
    """Whether the term keeps statistics of full batches between steps, which micro-batches and ranks cannot share."""
    is_paired: ClassVar[bool]
    """Whether the term compares a sample with its target image."""
    bidirectional: ClassVar[bool]
    """Whether the term needs generators of both directions."""
    uses_targets_as_inputs: ClassVar[bool]
    """Whether the term translates target images, which must then have the shape of the inputs."""
    pretrained_features: ClassVar[str]
    """Pretrained features that the term optimizes, which must not be used for evaluation; "" for none."""

    @property
    def weight(self) -> Schedule:
        """Weight of the term."""

    @property
    def every_rounds(self) -> int:
        """Interval of the term in rounds."""

    @property
    def ema_half_life(self) -> Schedule | None:
        """Half-life in examples of the EMA of the player's weights that the term reads; None if it reads none."""

    def __call__(self, play: Play) -> Tensor:
        """Return the unweighted term, (N,) per sample or a scalar."""


class TermSettings(Settings):
    """Defaults shared by the settings of all terms."""

    input_gradients_at: ClassVar[frozenset[str]] = frozenset()
    """Subset of {"real", "fake"} at which the term reads the gradient of the score."""
    requires: ClassVar[frozenset[str]] = frozenset()
    """Capabilities that the networks must have; see `zerosum.networks.configs`."""
    float32_scores_at: ClassVar[frozenset[str]] = frozenset()
    """Subset of {"real", "fake"} at which the term needs scores that were computed in float32."""
    uses_input_gradients: ClassVar[bool] = False
    """Whether the term differentiates the discriminator by its input anywhere."""
    uses_finite_differences: ClassVar[bool] = False
    """Whether the term compares scores of several forward passes, which must not differ by dropout."""
    uses_full_batch: ClassVar[bool] = False
    """Whether the term keeps statistics of full batches between steps, which micro-batches and ranks cannot share."""
    is_paired: ClassVar[bool] = False
    """Whether the term compares a sample with its target image."""
    bidirectional: ClassVar[bool] = False
    """Whether the term needs generators of both directions."""
    uses_targets_as_inputs: ClassVar[bool] = False
    """Whether the term translates target images, which must then have the shape of the inputs."""
    pretrained_features: ClassVar[str] = ""
    """Pretrained features that the term optimizes, which must not be used for evaluation; "" for none."""

    @property
    def ema_half_life(self) -> Schedule | None:
        """Half-life in examples of the EMA of the player's weights that the term reads; None if it reads none."""
        return None
