"""The temperature of networks that draw: how often what is less likely is drawn."""

from __future__ import annotations

import copy
from typing import Protocol, runtime_checkable

from torch import nn

from zerosum.errors import BadInput

MAX_TEMPERATURE = 10.0
"""Far above it, all tokens are equally likely."""


@runtime_checkable
class TemperatureNetwork(Protocol):
    """A module, of any depth in a generator, that draws from probabilities, such as those of the next token.

    It draws by the seeds of the samples, so that the generator that contains it takes `seed` (see
    `zerosum.game.types.condition_inputs`), and the same seeds give the same samples in every batch. A module without
    this method has no temperature; what it does before the first call is its own choice.
    """

    def set_temperature(self, temperature: float) -> None:
        """Divide logits by `temperature` from now on, and at 0 choose the most likely; 1 is as trained."""


def with_temperature(network: nn.Module, temperature: float) -> nn.Module:
    """Return a copy of a generator network that draws at a temperature; the network stays as it is.

    Raises:
        BadInput: the temperature is out of range, or the network draws nothing.
    """
    if not 0 <= temperature <= MAX_TEMPERATURE:
        raise BadInput(f"`temperature` {temperature:g}: give a number from 0 (always the most likely) to "
                       f"{MAX_TEMPERATURE:g}; 1 is as trained, 0.7 to 1 is usual")  # fmt: skip
    copied = copy.deepcopy(network)
    drawing = [module for module in copied.modules() if isinstance(module, TemperatureNetwork)]
    if not drawing:
        raise BadInput(
            f"`temperature` {temperature:g}: this generator draws no tokens, so it has no temperature; leave it out, "
            "or choose `truncation`"
        )
    for module in drawing:
        module.set_temperature(temperature)
    return copied
