"""Plays: the discriminator's outputs and input gradients on real and fake samples, computed on demand."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

from zerosum.game.sample_tree import concat_rows
from zerosum.game.schedule import Progress
from zerosum.game.types import Batch, DiscriminatorOutput, Sample, at_least_float32

if TYPE_CHECKING:
    from zerosum.game.latent import Latent
    from zerosum.game.player import Player
    from zerosum.game.sample_spec import SampleSpec

InputT = TypeVar("InputT")
"""A `DiscriminatorInput`, or any other tree of tensors (N, ...)."""


class DiscriminatorInput(NamedTuple):
    """One batch of inputs to a discriminator."""

    sample: Sample
    """(N, ...): images (N, C, H, W), points (N, F), or a tree of tensors."""
    label: Tensor | None = None
    """(N,) int64 classes, for a class-conditional discriminator."""
    condition: Sample | None = None
    """(N, K) numeric conditions, for a discriminator conditioned on them; no penalty differentiates by them."""
    inputs: Sample | None = None
    """(N, ...): inputs of the translation that the samples belong to, for a discriminator conditioned on them."""


DiscriminatorFn = Callable[[DiscriminatorInput], DiscriminatorOutput]

InputGradientFn = Callable[[DiscriminatorFn, DiscriminatorInput], tuple[DiscriminatorOutput, Tensor]]
"""`input_gradient_norm_sq`, or a compiled version of it."""


class PlayedGame(Protocol):
    """What terms read of any game."""

    generator: nn.Module
    discriminator: nn.Module
    sample_spec: SampleSpec
    latent_distribution: Latent
    players: dict[str, Player]


def input_gradient_norm_sq(
    discriminate: Callable[[InputT], DiscriminatorOutput], sample: InputT
) -> tuple[DiscriminatorOutput, Tensor]:
    """Return the discriminator's output on a sample, and the squared norm of d score / d sample.

    This is the only function that differentiates a discriminator by its input. The gradient keeps its graph, so that a
    penalty on it can be trained. It is computed in float32 even if networks run in bfloat16, whose rounding can change
    a penalty by several percent.

    Args:
        discriminate: maps a sample to the discriminator's output.
        sample: a `DiscriminatorInput`, a tensor (N, ...) or a tree of such tensors; it is detached.

    Returns:
        The output, and (N,) squared norms over all elements of a sample. Patch scores (N, 1, h, w) are summed before
        differentiation.
    """
    differentiate = _input_gradients_compiled if torch.compiler.is_compiling() else _input_gradients_eager
    with torch.autocast(tree_leaves(sample)[0].device.type, enabled=False):
        output, gradients = differentiate(discriminate, sample)
    count = output.score.shape[0]
    squares = []
    for field_gradients in _split_by_field(sample, gradients):
        rows = concat_rows([at_least_float32(gradient).reshape(count, -1) for gradient in field_gradients])
        squares.append(rows.square().sum(1))
    return output, torch.stack(squares).sum(0)


def is_differentiable(leaf: object) -> bool:
    """Return whether a leaf of a sample is a floating-point tensor; class labels and None are not."""
    return isinstance(leaf, Tensor) and leaf.is_floating_point()


def map_differentiable(function: Callable[..., Tensor], *inputs: DiscriminatorInput) -> DiscriminatorInput:
    """Apply a function to corresponding tensors by which penalties differentiate; the rest is that of the first input.

    Args:
        function: from one tensor (N, ...) of each input to a tensor.
        *inputs: inputs of one structure.
    """
    mapped: DiscriminatorInput = tree_map(
        lambda first, *others: function(first, *others) if is_differentiable(first) else first,
        *(discriminator_input._replace(condition=None) for discriminator_input in inputs),
    )
    return mapped._replace(condition=inputs[0].condition)


def _differentiable_leaves(sample: object) -> list[bool]:
    """Return for each leaf of a sample whether the gradient is taken by it."""
    if isinstance(sample, DiscriminatorInput):
        sample = sample._replace(condition=tree_map(lambda leaf: None, sample.condition))
    return [is_differentiable(leaf) for leaf in tree_leaves(sample)]


def _split_by_field(sample: object, gradients: list[Tensor]) -> list[list[Tensor]]:
    """Return the gradients by each field of a `DiscriminatorInput`; those by another sample are one group."""
    if not isinstance(sample, DiscriminatorInput):
        return [gradients]
    remaining = iter(gradients)
    counts = [sum(map(is_differentiable, tree_leaves(field))) for field in (sample.sample, sample.label, sample.inputs)]
    return [[next(remaining) for _ in range(count)] for count in counts if count]


def _input_gradients_eager(
    discriminate: Callable[[InputT], DiscriminatorOutput], sample: InputT
) -> tuple[DiscriminatorOutput, list[Tensor]]:
    leaves, tree = tree_flatten(sample)
    mask = _differentiable_leaves(sample)
    leaves = [leaf.detach().requires_grad_(True) if chosen else leaf for leaf, chosen in zip(leaves, mask, strict=True)]
    output = discriminate(tree_unflatten(leaves, tree))
    inputs = [leaf for leaf, chosen in zip(leaves, mask, strict=True) if chosen]
    return output, list(torch.autograd.grad(output.score.sum(), inputs, create_graph=True))


def _input_gradients_compiled(
    discriminate: Callable[[InputT], DiscriminatorOutput], sample: InputT
) -> tuple[DiscriminatorOutput, list[Tensor]]:
    """Compute the gradients with torch.func, which torch.compile can trace; buffers must not change (no batch norm)."""
    leaves, tree = tree_flatten(sample)
    mask = _differentiable_leaves(sample)
    inputs = [leaf.detach() for leaf, chosen in zip(leaves, mask, strict=True) if chosen]

    def total_score(inputs: list[Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        remaining = iter(inputs)
        output = discriminate(
            tree_unflatten(
                [next(remaining) if chosen else leaf for leaf, chosen in zip(leaves, mask, strict=True)], tree
            )
        )
        return output.score.sum(), {name: value for name, value in output._asdict().items() if value is not None}

    gradients, fields = torch.func.grad(total_score, has_aux=True)(inputs)
    return DiscriminatorOutput(**fields), gradients


class Play:
    """Real and fake samples scored by one discriminator; every quantity is computed once, on first access.

    A loss therefore pays only for what it reads: the non-saturating generator loss never runs the discriminator on real
    samples, and a relativistic generator loss does.
    """

    def __init__(
        self,
        game: PlayedGame,
        discriminate: DiscriminatorFn,
        real: DiscriminatorInput,
        generate_input: Callable[[], DiscriminatorInput],
        batch: Batch,
        progress: Progress,
        input_gradients_at: frozenset[str] = frozenset(),
        concat_real_fake: bool = False,
        input_gradient_fn: InputGradientFn = input_gradient_norm_sq,
        float32_scores_at: frozenset[str] = frozenset(),
    ) -> None:
        """Create a play; nothing is computed yet.

        Args:
            game: the game, which terms read.
            discriminate: the discriminator as a function of its input.
            real: the real samples as discriminator inputs.
            generate_input: returns the fakes as discriminator inputs; called on first access.
            batch: the batch of the play.
            progress: time at which schedules are evaluated.
            input_gradients_at: subset of {"real", "fake"} at which the gradient of the score is needed.
            concat_real_fake: score real and fake samples in one forward pass, which is faster than two; valid only if a
                sample's score does not depend on the rest of the batch. Ignored if gradients are needed.
            input_gradient_fn: computes outputs and input gradients.
            float32_scores_at: subset of {"real", "fake"} at which scores are computed in float32, whatever the
                precision of the networks.
        """
        self.game, self.discriminate, self.real, self.batch, self.progress = game, discriminate, real, batch, progress
        self._generate_input, self._input_gradients_at, self._input_gradient_fn = (
            generate_input,
            input_gradients_at,
            input_gradient_fn,
        )
        self._float32_scores_at = float32_scores_at
        # with input gradients, the graph of the second derivative exceeds the caches: two passes are 1.25 times as fast
        self._concat_real_fake = concat_real_fake and not input_gradients_at

    @cached_property
    def fake(self) -> DiscriminatorInput:
        """The fake samples of this batch, as discriminator inputs."""
        return self._generate_input()

    @cached_property
    def _concatenated_outputs(self) -> list[tuple[DiscriminatorOutput, Tensor | None]]:
        both = tree_map(lambda real, fake: None if real is None else torch.cat([real, fake]), self.real, self.fake)
        output = self._discriminate_at("real" if "real" in self._float32_scores_at else "fake", both)
        return [(tree_map(partial(_select_half, index), output), None) for index in (0, 1)]

    @cached_property
    def _real_output_and_gradient(self) -> tuple[DiscriminatorOutput, Tensor | None]:
        if self._concat_real_fake:
            return self._concatenated_outputs[0]
        return (
            self._input_gradient_fn(self.discriminate, self.real)
            if "real" in self._input_gradients_at
            else (self._discriminate_at("real", self.real), None)
        )

    @cached_property
    def _fake_output_and_gradient(self) -> tuple[DiscriminatorOutput, Tensor | None]:
        if self._concat_real_fake:
            return self._concatenated_outputs[1]
        return (
            self._input_gradient_fn(self.discriminate, self.fake)
            if "fake" in self._input_gradients_at
            else (self._discriminate_at("fake", self.fake), None)
        )

    def _discriminate_at(self, samples: str, discriminator_input: DiscriminatorInput) -> DiscriminatorOutput:
        """Return the discriminator's output on "real" or "fake" samples, in float32 if a term needs it."""
        if samples not in self._float32_scores_at:
            return self.discriminate(discriminator_input)
        with torch.autocast(tree_leaves(discriminator_input)[0].device.type, enabled=False):
            return self.discriminate(discriminator_input)

    @property
    def real_output(self) -> DiscriminatorOutput:
        """The discriminator's output on the real samples."""
        return self._real_output_and_gradient[0]

    @property
    def fake_output(self) -> DiscriminatorOutput:
        """The discriminator's output on the fake samples."""
        return self._fake_output_and_gradient[0]

    @property
    def real_score(self) -> Tensor:
        """(N,) or (N, 1, h, w) float32 scores of the real samples."""
        return self.real_output.score

    @property
    def fake_score(self) -> Tensor:
        """(N,) or (N, 1, h, w) float32 scores of the fake samples."""
        return self.fake_output.score

    @property
    def real_samples(self) -> Sample:
        """(N, ...) real samples after augmentation."""
        return self.real.sample

    @property
    def fake_samples(self) -> Sample:
        """(N, ...) fake samples after augmentation."""
        return self.fake.sample

    @property
    def real_gradient_norm_sq(self) -> Tensor:
        """(N,) squared norm of d score / d sample at the real samples."""
        norm_sq = self._real_output_and_gradient[1]
        assert norm_sq is not None, 'a term that reads real_gradient_norm_sq must list "real" in input_gradients_at'
        return norm_sq

    @property
    def fake_gradient_norm_sq(self) -> Tensor:
        """(N,) squared norm of d score / d sample at the fake samples."""
        norm_sq = self._fake_output_and_gradient[1]
        assert norm_sq is not None, 'a term that reads fake_gradient_norm_sq must list "fake" in input_gradients_at'
        return norm_sq

    def float32_score(self, discriminator_input: DiscriminatorInput) -> Tensor:
        """Return the score (N,) or (N, 1, h, w) of any discriminator input, computed in float32."""
        with torch.autocast(tree_leaves(discriminator_input)[0].device.type, enabled=False):
            return self.discriminate(discriminator_input).score

    def input_gradient_norm_sq(self, discriminator_input: DiscriminatorInput) -> Tensor:
        """Return the squared norm (N,) of d score / d sample at any discriminator input."""
        return self._input_gradient_fn(self.discriminate, discriminator_input)[1]


def _select_half(index: int, tensor: Tensor | None) -> Tensor | None:
    """Return the real (0) or fake (1) half of a tensor (2N, ...)."""
    return None if tensor is None else tensor.chunk(2)[index]
