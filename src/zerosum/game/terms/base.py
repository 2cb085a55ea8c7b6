"""What a term is: something a player minimises beside its objective."""

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
    """Something a player minimises beside its objective."""

    @property
    def player(self) -> str:
        """Whose term it is."""

    input_gradients_at: ClassVar[frozenset[str]]
    """At which of {"real", "fake"} it needs the discriminator's slope."""

    requires: ClassVar[frozenset[str]]
    """What networks must be able to do for it; see `zerosum.networks.shapes`."""
    uses_input_gradients: ClassVar[bool]
    """It looks at the discriminator's slope somewhere."""
    uses_full_batch: ClassVar[bool]
    """It keeps something from batch to batch, of whole batches."""
    is_paired: ClassVar[bool]
    """It holds a sample against the very picture that is wanted."""
    bidirectional: ClassVar[bool]
    """It goes there and back."""
    uses_targets_as_inputs: ClassVar[bool]
    """It gives the generator pictures of the wanted kind: they must be of the shape of what it is given."""
    pretrained_features: ClassVar[str]
    """The features it trains the generator to please, which therefore must not judge it; "" for none."""

    @property
    def weight(self) -> Schedule:
        """What the term is multiplied by."""

    @property
    def every_rounds(self) -> int:
        """Rounds between two times it is played."""

    @property
    def ema_half_life(self) -> Schedule | None:
        """The half-life of the average of the player's weights that it looks back on, in images; None: it does not."""

    def __call__(self, play: Play) -> Tensor:
        """The term before weighing, per sample."""


class TermSettings(Settings):
    """What the settings of all terms share."""

    input_gradients_at: ClassVar[frozenset[str]] = frozenset()
    """At which of {"real", "fake"} it needs the discriminator's slope."""
    requires: ClassVar[frozenset[str]] = frozenset()
    """What networks must be able to do for it; see `zerosum.networks.shapes`."""
    uses_input_gradients: ClassVar[bool] = False
    """It looks at the discriminator's slope somewhere."""
    uses_full_batch: ClassVar[bool] = False
    """It keeps something from batch to batch, of whole batches."""
    is_paired: ClassVar[bool] = False
    """It holds a sample against the very picture that is wanted."""
    bidirectional: ClassVar[bool] = False
    """It goes there and back."""
    uses_targets_as_inputs: ClassVar[bool] = False
    """It gives the generator pictures of the wanted kind: they must be of the shape of what it is given."""
    pretrained_features: ClassVar[str] = ""
    """The features it trains the generator to please, which therefore must not judge it; "" for none."""

    @property
    def ema_half_life(self) -> Schedule | None:
        """The half-life of the average of the player's weights that it looks back on, in images; None: it does not."""
        return None
