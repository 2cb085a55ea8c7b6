"""A trained generator: sample, interpolate, and load weights from a checkpoint."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from zerosum.data.codec import Codec, GivenValues, Items
from zerosum.data.kind import ProgressFn, ignore_progress
from zerosum.data.text import printable
from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.latent import Latent
from zerosum.game.types import Sample, condition_inputs
from zerosum.inference.interpolation import InterpolationFn, lerp, slerp
from zerosum.inference.latent_space import StyleGenerator
from zerosum.inference.redraw import Draws, decode_given, redraw_invalid
from zerosum.inference.temperature import with_temperature

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Generator:
    """A generator network in evaluation mode with its latent distribution and classes.

    Samples are tensors, such as images (N, C, H, W) in [-1, 1] or points (N, F), or trees of tensors.

    Example:
        >>> import zerosum
        >>> generator = zerosum.load("runs/cats")  # doctest: +SKIP
        >>> images = generator.sample(16, seed=7, truncation=0.7)  # doctest: +SKIP
    """

    network: nn.Module
    latent: Latent
    kind: str
    """The name of the kind of data that it generates."""
    codec: Codec
    """Decodes samples to items."""
    checkpoint: str
    """Name of the checkpoint it was loaded from: examples trained."""
    classes: tuple[str, ...] = ()
    """Names of the classes; () if it is unconditional."""
    class_priors: tuple[float, ...] = ()
    """Fraction of the training examples in each class."""
    trained_conditions: bool = True
    """Whether it was trained with conditions, if the data have any."""
    temperature: float | None = None
    """The temperature at which it draws; None: its own. See `at_temperature`."""

    def at_temperature(self, temperature: float) -> Generator:
        """Return the generator that draws at a temperature, 0 for the most likely tokens, 1 as trained.

        Raises:
            BadInput: the temperature is out of range, or the network draws nothing.
        """
        return replace(self, network=with_temperature(self.network, temperature), temperature=temperature)

    def draw_latents(self, num_samples: int, seed: int = 0, truncation: float = math.inf, first: int = 0) -> Tensor:
        """Draw latents number `first` to `first + num_samples - 1` of a seed, (num_samples, L) float32.

        Latent number i of a seed is always the same.

        Args:
            num_samples: number of latents.
            seed: seed of the latents.
            truncation: bound of the absolute value of each component; about 0.7 trades diversity for quality.
            first: number of the first latent.

        Raises:
            BadInput: if `num_samples` or `truncation` is not positive.
        """
        _check_draw(num_samples, truncation)
        return self.latent.sample(seeded_rng.derive_seeds(seed, first, num_samples), truncation)

    def class_index(self, label: str | int) -> int:
        """Return the index of a class by name or index.

        Raises:
            BadInput: if the generator has no classes or no such class, or was not trained on it.
        """
        if not self.classes:
            raise BadInput(
                f"`label` {label}: this generator knows no classes; train a class-conditional one (`recipe` cgan, on "
                f"data with one folder for each class)"
            )
        if isinstance(label, int) and 0 <= label < len(self.classes):
            index = label
        elif label in self.classes:
            index = self.classes.index(str(label))
        else:
            matches = difflib.get_close_matches(str(label), self.classes, 1)
            hint = f"did you mean {matches[0]}?" if matches else f"choose one of {', '.join(self.classes)}"
            raise BadInput(f"`label` {label}: no such class; {hint}")
        if index not in self.trained_class_indices:
            others = ", ".join(self.classes[trained] for trained in self.trained_class_indices)
            raise BadInput(f"`label` {label}: all its examples were held out of training; choose one of {others}")
        return index

    @property
    def trained_class_indices(self) -> tuple[int, ...]:
        """Indices of the classes it was trained on. All examples of any other class were held out."""
        return tuple(index for index, prior in enumerate(self.class_priors) if prior > 0)

    def draw_labels(
        self, num_samples: int, seed: int = 0, first: int = 0, label: str | int | Tensor | None = None
    ) -> Tensor | None:
        """Draw the classes of samples `first` to `first + num_samples - 1` of a seed.

        Args:
            num_samples: number of labels.
            seed: seed of the samples.
            first: number of the first sample.
            label: class of all samples, by name or index, or (num_samples,) indices, which are returned; None: drawn
                from the class prior of the data.

        Returns:
            (num_samples,) int64; None if the generator has no classes.

        Raises:
            BadInput: if there is no such class.
        """
        if isinstance(label, Tensor):
            return label
        if label is not None:
            return torch.full((num_samples,), self.class_index(label))
        if not self.classes:
            return None
        return seeded_rng.sample_classes(
            seeded_rng.derive_seeds(seed, first, num_samples), torch.tensor(self.class_priors, dtype=torch.float64)
        )

    def choose_conditions(
        self, values: GivenValues, num_samples: int, seed: int = 0,
        label: str | int | Tensor | None = None, first: int = 0,
    ) -> Sample:  # fmt: skip
        """Return numeric conditions (num_samples, ...) with chosen values, by name; others are drawn as in the data.

        Args:
            values: the chosen values as users write them, such as an age of 40; texts as they are in the table.
            num_samples: number of samples.
            seed: seed of the samples.
            label: class of all samples, by name or index, or their indices; None: drawn from the prior of the data.
            first: number of the first sample.

        Raises:
            BadInput: if the generator takes no such condition, or a value is none of it.
        """
        seeds = seeded_rng.derive_seeds(seed, first, num_samples)
        condition = self.codec.draw_conditions(seeds, self.draw_labels(num_samples, seed, first, label))
        self.require_conditions(f"`given` {', '.join(values)}")
        if condition is None:
            raise BadInput(f"`given` {', '.join(values)}: this generator takes no conditions; leave it out")
        return self.codec.set_conditions(condition, values, seeds)

    def require_conditions(self, subject: str) -> None:
        """Raise if the data have conditions, but the network was not trained to take them.

        Args:
            subject: the argument that needs them, for the message.

        Raises:
            BadInput: it was not.
        """
        is_taken = self.trained_conditions and "condition" in condition_inputs(self.network)
        if self.codec.condition_spec is not None and not is_taken:
            raise BadInput(
                f"{printable(subject)}: this generator was trained with nothing given; train with "
                "`generator.condition` given and `data.given` above 0"
            )

    @torch.no_grad()
    def generate(
        self, latents: Tensor, label: Tensor | None = None, seeds: Tensor | None = None, *,
        condition: Sample | None = None, truncation: float = 1.0, batch_size: int = 64,
        progress: ProgressFn = ignore_progress,
    ) -> Sample:  # fmt: skip
        """Generate the samples of latents (N, L), on the CPU.

        Args:
            latents: (N, L).
            label: (N,) class indices or (N, K) class weights; None: the first class it was trained on, if any.
            seeds: (N,) int64 seeds of the noise of networks with noise layers; None: the same noise for all samples.
            condition: (N, ...) numeric conditions; None: drawn from the seeds, or from seed 0 for all samples.
            truncation: of styles towards their mean (psi), for networks with styles: 1 is none, 0 is the mean style.
            batch_size: samples generated at a time.
            progress: called after each batch with the numbers of samples done and of all samples.
        """
        if label is None and self.classes:
            label = torch.full((len(latents),), self.trained_class_indices[0])
        if condition is None:
            equal_seeds = torch.zeros(len(latents), dtype=torch.int64)
            classes = label if label is None or not label.is_floating_point() else label.argmax(1)
            condition = self.codec.draw_conditions(equal_seeds if seeds is None else seeds, classes)
        device = next(self.network.parameters()).device
        available = {"label": label, "seed": seeds, "condition": condition}
        conditioning = {name: available[name] for name in condition_inputs(self.network)}
        parts = []
        for rows in torch.split(torch.arange(len(latents)), batch_size):
            chosen = tree_map(lambda value, rows=rows: None if value is None else value[rows].to(device), conditioning)
            parts.append(self._forward(latents[rows].to(device), chosen, truncation))
            progress(int(rows[-1]) + 1, len(latents))
        samples: Sample = tree_map(lambda *leaves: torch.cat([leaf.float().cpu() for leaf in leaves]), *parts)
        return samples

    def _forward(self, latents: Tensor, conditioning: dict[str, Tensor | None], truncation: float) -> Sample:
        if truncation != 1.0 and isinstance(self.network, StyleGenerator):
            styles = self.network.styles(latents, conditioning.get("label"), truncation, conditioning.get("condition"))
            return self.network.synthesize(styles, conditioning.get("seed"))
        sample: Sample = self.network(latents, **conditioning)
        return sample

    @property
    def has_styles(self) -> bool:
        """Whether the network has styles. Truncation then moves styles to their mean instead of bounding latents."""
        return isinstance(self.network, StyleGenerator)

    def sample(
        self, num_samples: int = 1, *, seed: int = 0, truncation: float = math.inf,
        label: str | int | Tensor | None = None, given: GivenValues = MappingProxyType({}),
        condition: Sample | None = None, first: int = 0, batch_size: int = 64, progress: ProgressFn = ignore_progress,
    ) -> Sample | DataFrame | list[str]:  # fmt: skip
        """Generate samples `first` to `first + num_samples - 1` of a seed. Sample i of a seed is always the same.

        Args:
            num_samples: number of samples.
            seed: seed of latents, labels and noise.
            truncation: trades diversity for quality. It bounds the absolute value of each latent component (about 0.7
                is usual) or, if the network has styles, scales their distance from the mean style.
            label: class of all samples, by name or index, or (num_samples,) indices; None: drawn from the prior.
            given: values of the condition of all samples by their names, such as columns; others are as in the data.
            condition: (num_samples, ...) numeric conditions; None: drawn as in the data.
            first: number of the first sample.
            batch_size: samples generated at a time.
            progress: called after each batch with the numbers of samples done and of all samples.

        Returns:
            Samples (num_samples, ...) on the CPU, as networks make them; `decode` turns them into items. Or items,
            where the kind of data has some for users of Python: a pandas DataFrame, texts. Invalid ones are drawn
            again, from seeds of their own.

        Raises:
            BadInput: if `num_samples` or `truncation` is not positive, or there is no such class or value.
        """
        if given:
            if condition is not None:
                raise BadInput(f"`given` {', '.join(given)}: `condition` is given too; leave one of them out")
            condition = self.choose_conditions(given, num_samples, seed, label, first)
        samples = self.draw_samples(
            num_samples, seed=seed, truncation=truncation, label=label, condition=condition, first=first,
            batch_size=batch_size, progress=progress,
        )  # fmt: skip
        seeds = seeded_rng.derive_seeds(seed, first, num_samples)
        if self.codec.may_be_invalid:
            labels = self.draw_labels(num_samples, seed, first, label)
            draws = self.redraw(samples, seeds, truncation=truncation, label=labels, condition=condition, given=given)
            samples, seeds = draws.samples, draws.seeds
        return self.codec.publish(samples, seeds, first, given)

    def draw_samples(
        self, num_samples: int = 1, *, seed: int = 0, truncation: float = math.inf,
        label: str | int | Tensor | None = None, condition: Sample | None = None, first: int = 0, batch_size: int = 64,
        progress: ProgressFn = ignore_progress,
    ) -> Sample:  # fmt: skip
        """Generate samples as the network makes them; see `sample`.

        Returns:
            Samples (num_samples, ...) on the CPU; `decode` turns them into items.
        """
        _check_draw(num_samples, truncation)
        return self.draw_from_seeds(
            seeded_rng.derive_seeds(seed, first, num_samples), truncation=truncation,
            label=self.draw_labels(num_samples, seed, first, label), condition=condition, batch_size=batch_size,
            progress=progress,
        )  # fmt: skip

    def draw_from_seeds(
        self, seeds: Tensor, *, truncation: float = math.inf, label: Tensor | None = None,
        condition: Sample | None = None, batch_size: int = 64, progress: ProgressFn = ignore_progress,
    ) -> Sample:  # fmt: skip
        """Generate the samples of seeds (N,) int64, of classes (N,) and under conditions (N, ...); see `sample`."""
        truncates_styles = self.has_styles and not math.isinf(truncation)
        return self.generate(
            self.latent.sample(seeds, math.inf if truncates_styles else truncation), label, seeds, condition=condition,
            truncation=truncation if truncates_styles else 1.0, batch_size=batch_size, progress=progress,
        )  # fmt: skip

    def redraw(
        self, samples: Sample, seeds: Tensor, *, truncation: float, label: Tensor | None, condition: Sample | None,
        given: GivenValues | None,
    ) -> Draws:  # fmt: skip
        """Return samples (N, ...) of seeds (N,) after the invalid ones were drawn again, of their class and condition.

        The arguments are those with which the samples were drawn; see `redraw_invalid`.
        """

        def draw(rows: Tensor, new_seeds: Tensor) -> Sample:
            wishes = self.codec.draw_conditions(seeds, label) if condition is None else condition
            chosen: Sample | None = None if wishes is None else tree_map(lambda leaf: leaf[rows], wishes)
            labels = None if label is None else label[rows]
            return self.draw_from_seeds(
                new_seeds, truncation=truncation, label=labels, condition=chosen, batch_size=len(rows)
            )

        return redraw_invalid(self.codec, samples, seeds, given, draw)

    def decode(self, samples: Sample, seed: int = 0, first: int = 0, given: GivenValues | None = None) -> Items:
        """Decode samples `first` to `first + N - 1` of a seed to items, such as images uint8 (N, H, W, C).

        Args:
            samples: the samples.
            seed: their seed.
            first: the number of the first one.
            given: the values of their condition that were given.
        """
        seeds = seeded_rng.derive_seeds(seed, first, len(tree_leaves(samples)[0]))
        return decode_given(self.codec, samples, seeds, given)

    def preview(self, samples: Sample, seed: int = 0) -> Items:
        """Return samples 0 to N - 1 of a seed as they are drawn, decoded only if their kind needs that."""
        return self.codec.preview_samples(samples, seeded_rng.derive_seeds(seed, 0, len(tree_leaves(samples)[0])))

    def interpolate(
        self, start: Tensor, end: Tensor, steps: int = 10, interpolation: InterpolationFn = slerp, *,
        label: str | int | None = None, to_label: str | int | None = None,
    ) -> Sample:  # fmt: skip
        """Generate samples between two latents.

        Args:
            start: first latent, (L,) or (1, L).
            end: last latent, (L,) or (1, L).
            steps: number of samples, both ends included.
            interpolation: `slerp` or `lerp`.
            label: class of the samples, by name or index; None: the first class, if any.
            to_label: class of the last sample; the class weights are interpolated linearly from `label` to it.

        Returns:
            Samples (steps, ...) on the CPU.

        Raises:
            BadInput: if a latent has the wrong size, `steps` is below 2, or there is no such class.
        """
        if steps < 2:
            raise BadInput(f"`steps` {steps}: give at least 2, the two ends of the interpolation")
        for name, latent in (("start", start), ("end", end)):
            if latent.numel() != self.latent.size:
                raise BadInput(
                    f"`{name}` has {latent.numel()} components: this generator's latents have {self.latent.size}"
                )
        fractions = torch.linspace(0, 1, steps)
        latents = interpolation(start.flatten().float(), end.flatten().float(), fractions)
        return self.generate(latents, self.interpolate_labels(label, to_label, fractions))

    def interpolate_labels(
        self, label: str | int | None, to_label: str | int | None, fractions: Tensor
    ) -> Tensor | None:
        """Return class weights (K, classes) at fractions (K,) between two classes; None if `label` is None.

        Raises:
            BadInput: if there is no such class, or `to_label` is given without `label`.
        """
        if label is None:
            if to_label is not None:
                raise BadInput(f"`to_label` {to_label}: from which class? Give the first class as `label`")
            return None
        one_hot = torch.eye(len(self.classes))
        first, last = self.class_index(label), self.class_index(label if to_label is None else to_label)
        return lerp(one_hot[first], one_hot[last], fractions)


def _check_draw(num_samples: int, truncation: float) -> None:
    """Raise unless so many samples can be drawn with this truncation.

    Raises:
        BadInput: a number is not positive.
    """
    if num_samples < 1:
        raise BadInput(f"`num_samples` {num_samples}: give at least 1")
    if not truncation > 0:
        raise BadInput(f"`truncation` {truncation}: give a number above 0 (0.5 to 1 is usual), or leave it out")
