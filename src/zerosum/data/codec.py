"""Codecs: raw examples to samples, and samples to items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zerosum.errors import BadInput
from zerosum.run_folder import Json

if TYPE_CHECKING:
    from pandas import DataFrame
    from torch import Tensor

    from zerosum.data.item_scores import ItemScores
    from zerosum.game.sample_spec import SampleSpec
    from zerosum.game.types import Sample

Items: TypeAlias = NDArray[np.generic]
"""Items with first axis N, in the type of their kind: images are uint8 (N, H, W, C), points float32 (N, F)."""
GivenValues: TypeAlias = Mapping[str, "str | float"]
"""Values of a condition by their names, as users write them or as numbers."""
FilterFn: TypeAlias = Callable[[Items], NDArray[np.bool_]]
"""From items (N, ...) to which of them pass, (N,)."""


class Codec(ABC):
    """Encodes raw examples as samples, and decodes samples to items.

    A codec may be fitted to the training data. It is saved in the run folder, as `settings` and `tensors`, so that a
    generator can be used without the data.
    """

    @property
    @abstractmethod
    def spec(self) -> SampleSpec:
        """What a sample is."""

    @abstractmethod
    def encode(self, raw: Sample) -> Sample:
        """Encode raw examples (N, ...), on any device, as samples (N, ...) on the same device."""

    @abstractmethod
    def decode(self, sample: Sample, seed: Tensor) -> Items:
        """Decode samples (N, ...) on any device to items (N, ...).

        Args:
            sample: the samples of a generator; any values are accepted.
            seed: (N,) int64 on the CPU, from which all randomness of the decoding derives.
        """

    def items(self, raw: Sample) -> Items:
        """Return the items of raw examples (N, ...) on the CPU, by default the raw examples themselves."""
        assert not isinstance(raw, Mapping), "a codec of trees of tensors has an `items` of its own"
        return np.asarray(raw.numpy())

    def preview(self, items: Items) -> Items:
        """Return items (N, ...) as they are drawn, by default themselves.

        Images of any type and number of channels are drawn as bytes in gray or RGB.
        """
        return items

    def preview_samples(self, sample: Sample, seed: Tensor) -> Items:
        """Return samples (N, ...) as their items are drawn, by default decoded: `preview` of `decode`.

        A kind whose samples are drawn as they are does not decode them, which takes time.

        Args:
            sample: the samples of a generator.
            seed: (N,) int64 on the CPU, from which all randomness of the decoding derives.
        """
        return self.preview(self.decode(sample, seed))

    @property
    def shown_bands(self) -> tuple[int, ...]:
        """The channels of samples (N, C, H, W) that `preview` keeps, as gray or RGB with or without alpha.

        By default (): samples are not images.
        """
        return ()

    def round(self, sample: Sample) -> Sample:
        """Round samples (N, ...) to values that items hold, as if written to files and loaded again.

        By default nothing is rounded.
        """
        return sample

    @property
    def steps(self) -> float:
        """The number of steps that items resolve between -1 and 1 of a sample: 255 for bytes."""
        return 2.0**24

    def decode_given(self, sample: Sample, seed: Tensor, values: GivenValues) -> Items:
        """Decode samples (N, ...) that were generated with some values of their condition given.

        By default as any others: given values are no part of an item. Else they are exactly as given.
        """
        return self.decode(sample, seed)

    @property
    def may_be_invalid(self) -> bool:
        """Whether a network may generate samples that are no item of their kind; see `find_invalid`."""
        return False

    def find_invalid(self, items: Items) -> NDArray[np.bool_]:
        """Return which generated items (N, ...) are none of their kind, (N,); by default none.

        Nothing repairs them: such a sample is drawn again, from the next seeds of its own.
        """
        return np.zeros(len(items), bool)

    @property
    def fault_names(self) -> tuple[str, ...]:
        """The names of faults that single items may have, such as "silence"; () if none are known."""
        return ()

    def measure_faults(self, items: Items) -> NDArray[np.float64]:
        """Return how large each fault of items (N, ...) is, (N, number of names): up to 1 is none."""
        assert not self.fault_names, "a codec that knows faults has a `measure_faults` of its own"
        return np.zeros((len(items), 0))

    def publish(self, samples: Sample, seed: Tensor, first: int, given: GivenValues) -> Sample | DataFrame | list[str]:
        """Return samples (N, ...) as users of Python get them, by default unchanged.

        Args:
            samples: samples number `first`, `first + 1`, ...
            seed: (N,) int64 on the CPU, from which all randomness of their decoding derives.
            first: the number of the first sample.
            given: the values of their condition that were given.
        """
        return samples

    def parse_filter(self, text: str) -> FilterFn:
        """Return the filter of items that a text means.

        Raises:
            BadInput: it means none, or these items have nothing that can be compared.
        """
        raise BadInput("`where`: these samples have no columns whose values could be compared; leave it out")

    def parse_text(self, argument: str, text: str) -> Sample:
        """Return the sample (1, ...) that a text of a user means.

        Args:
            argument: the argument that holds the text, for the message.
            text: what the user has written.

        Raises:
            BadInput: it means none, or samples of this kind are not written as texts.
        """
        raise BadInput(f"`{argument}`: samples of this kind of data are not written as texts")

    def item_scores(self) -> ItemScores:
        """Return the scores of items, and how similar items are, by which better ones are searched.

        Raises:
            BadInput: items of this kind have none.
        """
        raise BadInput(
            "`maximize`: samples of this kind of data have no scores by which they could be compared; of a table, give "
            "columns with `given`, or filter its rows with `where`"
        )

    @abstractmethod
    def embed(self, sample: Sample) -> Tensor:
        """Return cheap features (N, D) float32 on the CPU of samples (N, ...), whose distances the monitor compares."""

    def compared(self, samples: Tensor) -> Tensor:
        """Return samples (N, ...) as images (N, C, H, W) whose distances mean something.

        By default they are images themselves.
        """
        return samples

    def baseline(self, inputs: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return samples of any shape, such as inputs of a translation, as samples of a shape, without a network.

        By default they have that shape. Where inputs are no samples, see `Dataset.baseline`.

        Args:
            inputs: (N, ...), on the CPU.
            shape: the shape of a sample.
        """
        return inputs

    @property
    def block_names(self) -> tuple[str, ...]:
        """The names of the blocks of a sample, such as those of columns; () if they have none."""
        return ()

    def category_name(self, block: int, category: int) -> str:
        """Return the name of a category of a block, such as "Ideal"; "" if it has none."""
        return ""

    def settings(self) -> Mapping[str, Json]:
        """Return what `DataKind.restore_codec` needs besides the tensors."""
        return {}

    def tensors(self) -> Mapping[str, Tensor]:
        """Return what was fitted to the data."""
        return {}

    @property
    def condition_spec(self) -> SampleSpec | None:
        """What a numeric condition is; None if the data have none."""
        return None

    def draw_conditions(self, seed: Tensor, label: Tensor | None) -> Sample | None:
        """Return numeric conditions (N, ...) distributed as real ones, under which samples are generated by default.

        Args:
            seed: (N,) int64 on the CPU.
            label: (N,) int64 classes of the samples, on the CPU; None without classes.

        Returns:
            The conditions on the CPU; None if the data have none.
        """
        return None

    @property
    def condition_names(self) -> tuple[str, ...]:
        """The names of the values of a condition, by which `set_condition` sets them; () if they have no names."""
        return ()

    @property
    def condition_entries(self) -> tuple[str, ...]:
        """The names of the numbers of a condition, such as "age" and "species=cat"; () if they have no names."""
        return ()

    @property
    def condition_scales(self) -> Mapping[str, tuple[float, float]]:
        """The mean that is subtracted and the deviation that divides, by the name of a number; {} if none is scaled."""
        return {}

    def set_condition(self, condition: Sample, name: str, value: str) -> Sample:
        """Return conditions (N, ...) with one value set, as the user writes it: "40" or "cat".

        Raises:
            BadInput: there is no such value.
        """
        raise BadInput(f"`given` {name}: these data have no conditions with names; leave it out")

    def set_conditions(self, condition: Sample, values: GivenValues, seed: Tensor) -> Sample:
        """Return conditions (N, ...) with several values set.

        Args:
            condition: the conditions.
            values: the values by their names.
            seed: (N,) int64 of the samples, from which all randomness derives.

        Raises:
            BadInput: there is no such value.
        """
        for name, value in values.items():
            condition = self.set_condition(condition, name, str(value))
        return condition
