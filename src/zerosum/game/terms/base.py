"""What a term is: something a player minimises beside its objective."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Protocol

from pydantic import Field

from zerosum.game.schedule import Schedule
from zerosum.settings import Setting

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play

Interval = Annotated[int, Field(ge=1)]


class Term(Protocol):
    """Something a player minimises beside its objective."""

    @property
    def player(self) -> str:
        """Whose term it is."""

    slopes: ClassVar[frozenset[str]]
    """At which of {"real", "fake"} it needs the discriminator's slope."""

    needs: ClassVar[frozenset[str]]
    """What networks must be able to do for it; see `zerosum.networks.shapes`."""
    sloped: ClassVar[bool]
    """It looks at the discriminator's slope somewhere."""
    remembers: ClassVar[bool]
    """It keeps something from batch to batch, of whole batches."""
    paired: ClassVar[bool]
    """It holds a sample against the very picture that is wanted."""
    both: ClassVar[bool]
    """It goes there and back."""
    alike: ClassVar[bool]
    """It gives the generator pictures of the wanted kind: they must be of the shape of what it is given."""
    sees_through: ClassVar[str]
    """The features it trains the generator to please, which therefore must not judge it; "" for none."""

    @property
    def weight(self) -> Schedule:
        """What the term is multiplied by."""

    @property
    def every(self) -> int:
        """Rounds between two times it is played."""

    @property
    def memory_images(self) -> Schedule | None:
        """The half-life of the average of the player's weights that it looks back on, in images; None: it does not."""

    def __call__(self, play: Play) -> Tensor:
        """The term before weighing, per sample."""


class TermSetting(Setting):
    """What the settings of all terms share."""

    slopes: ClassVar[frozenset[str]] = frozenset()
    """At which of {"real", "fake"} it needs the discriminator's slope."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """What networks must be able to do for it; see `zerosum.networks.shapes`."""
    sloped: ClassVar[bool] = False
    """It looks at the discriminator's slope somewhere."""
    remembers: ClassVar[bool] = False
    """It keeps something from batch to batch, of whole batches."""
    paired: ClassVar[bool] = False
    """It holds a sample against the very picture that is wanted."""
    both: ClassVar[bool] = False
    """It goes there and back."""
    alike: ClassVar[bool] = False
    """It gives the generator pictures of the wanted kind: they must be of the shape of what it is given."""
    sees_through: ClassVar[str] = ""
    """The features it trains the generator to please, which therefore must not judge it; "" for none."""

    @property
    def memory_images(self) -> Schedule | None:
        """The half-life of the average of the player's weights that it looks back on, in images; None: it does not."""
        return None
