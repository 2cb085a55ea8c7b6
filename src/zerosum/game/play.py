"""A play: real against fake before one discriminator."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

from zerosum.game.schedule import Progress
from zerosum.game.types import Batch, DiscriminatorOutput

Sample = Any
"""A tensor, or a tree of tensors (a molecule's atoms and bonds), first axis N."""


class DiscriminatorInput(NamedTuple):
    """What is laid before a discriminator."""

    sample: Tensor
    """(N, ...): a picture, a point."""
    label: Tensor | None = None
    """(N,) int64, its class, where classes are judged."""
    inputs: Tensor | None = None
    """(N, ...): what it is, or should be, made from, where that is judged."""


DiscriminatorFn = Callable[[Sample], DiscriminatorOutput]

InputGradientFn = Callable[[DiscriminatorFn, Sample], tuple[DiscriminatorOutput, Tensor]]
"""`slope`, or the same compiled."""


def at_least_float32(tensor: Tensor) -> Tensor:
    """Half precision is widened: penalties differentiate at samples, and squares of slopes overflow in it."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def input_gradient_norm_sq(discriminate: DiscriminatorFn, sample: Sample) -> tuple[DiscriminatorOutput, Tensor]:
    """The verdict on a sample, and the squared norm of d score / d sample.

    The only place that differentiates a discriminator. The gradient keeps its graph, so penalties can be trained. It
    is worked out in float32 even where networks run in bfloat16, whose rounding can put a penalty off by percents.

    Args:
        discriminate: from a sample to its verdict.
        sample: a tensor (N, ...) or a tree of them; it is treated as a constant.

    Returns:
        The verdict, and (N,) squared norms over all of a sample's numbers. Patch scores (N, 1, h, w) are summed first.
    """
    differentiate = _input_gradients_compiled if torch.compiler.is_compiling() else _input_gradients_eager
    with torch.autocast(tree_leaves(sample)[0].device.type, enabled=False):
        output, gradients = differentiate(discriminate, sample)
    count = output.score.shape[0]
    squares = [at_least_float32(g).reshape(count, -1).square().sum(1) for g in gradients]
    return output, torch.stack(squares).sum(0)


def is_differentiable(leaf: Any) -> bool:
    """Whether this part of a sample can be moved a little: numbers can, a class or its absence cannot."""
    return isinstance(leaf, Tensor) and leaf.is_floating_point()


def _input_gradients_eager(discriminate: DiscriminatorFn, sample: Sample) -> tuple[DiscriminatorOutput, list[Tensor]]:
    leaves, tree = tree_flatten(sample)
    leaves = [leaf.detach().requires_grad_(True) if is_differentiable(leaf) else leaf for leaf in leaves]
    output = discriminate(tree_unflatten(leaves, tree))
    places = [leaf for leaf in leaves if is_differentiable(leaf)]
    return output, list(torch.autograd.grad(output.score.sum(), places, create_graph=True))


def _input_gradients_compiled(
    discriminate: DiscriminatorFn, sample: Sample
) -> tuple[DiscriminatorOutput, list[Tensor]]:
    """The body torch.compile can trace through twice; it cannot mutate buffers (no batch norm in D)."""
    leaves, tree = tree_flatten(sample)
    places = [leaf.detach() for leaf in leaves if is_differentiable(leaf)]

    def total_score(places: list[Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        rest = iter(places)
        output = discriminate(
            tree_unflatten([next(rest) if is_differentiable(leaf) else leaf for leaf in leaves], tree)
        )
        return output.score.sum(), {name: part for name, part in output._asdict().items() if part is not None}

    gradients, parts = torch.func.grad(total_score, has_aux=True)(places)
    return DiscriminatorOutput(**parts), gradients


class Play:
    """Real against fake before one discriminator; each thing is worked out when first asked for, and once.

    So a non-saturating generator never runs the discriminator on reals, and a relativistic one does, with no flag.
    """

    def __init__(
        self,
        game: nn.Module,
        discriminate: DiscriminatorFn,
        real: Sample,
        generate: Callable[[], Sample],
        batch: Batch,
        progress: Progress,
        input_gradients_at: frozenset[str] = frozenset(),
        concat_real_fake: bool = False,
        input_gradient_fn: InputGradientFn = input_gradient_norm_sq,
    ) -> None:
        """Lay out a play.

        Args:
            game: the game it is part of.
            discriminate: the discriminator, as a function of a sample alone.
            real: (N, ...) samples of the data.
            generate: makes the (N, ...) fakes when they are first wanted.
            batch: what the samples came from.
            progress: when.
            input_gradients_at: at which of "real", "fake" the discriminator's slope will be wanted.
            concat_real_fake: real and fake will both be judged, and no sample's score depends on its neighbours: they are
                judged in one go, which a machine does faster than two, unless slopes are wanted.
            input_gradient_fn: works out slopes.
        """
        self.game, self.discriminate, self.real, self.batch, self.progress = game, discriminate, real, batch, progress
        self._generate, self._input_gradients_at, self._input_gradient_fn = (
            generate,
            input_gradients_at,
            input_gradient_fn,
        )
        # with slopes, what is kept for the second derivative outgrows the caches: two goes are 1.25 times as fast there
        self._concat_real_fake = concat_real_fake and not input_gradients_at

    @cached_property
    def fake(self) -> Sample:
        """What the generator makes of this batch."""
        return self._generate()

    @cached_property
    def _concatenated_outputs(self) -> list[tuple[DiscriminatorOutput, Tensor | None]]:
        both = tree_map(lambda real, fake: None if real is None else torch.cat([real, fake]), self.real, self.fake)
        output = self.discriminate(both)
        return [(tree_map(partial(_select_half, place), output), None) for place in (0, 1)]

    @cached_property
    def _real_output_and_gradient(self) -> tuple[DiscriminatorOutput, Tensor | None]:
        if self._concat_real_fake:
            return self._concatenated_outputs[0]
        return (
            self._input_gradient_fn(self.discriminate, self.real)
            if "real" in self._input_gradients_at
            else (self.discriminate(self.real), None)
        )

    @cached_property
    def _fake_output_and_gradient(self) -> tuple[DiscriminatorOutput, Tensor | None]:
        if self._concat_real_fake:
            return self._concatenated_outputs[1]
        return (
            self._input_gradient_fn(self.discriminate, self.fake)
            if "fake" in self._input_gradients_at
            else (self.discriminate(self.fake), None)
        )

    @property
    def real_output(self) -> DiscriminatorOutput:
        """What the discriminator says of the real samples."""
        return self._real_output_and_gradient[0]

    @property
    def fake_output(self) -> DiscriminatorOutput:
        """What the discriminator says of the fake samples."""
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
    def real_samples(self) -> Tensor:
        """(N, C, H, W), or (N, F) points: the real samples as the discriminator sees them."""
        images: Tensor = tree_leaves(self.real)[0]
        return images

    @property
    def fake_samples(self) -> Tensor:
        """(N, C, H, W), or (N, F) points: the fakes as the discriminator sees them."""
        images: Tensor = tree_leaves(self.fake)[0]
        return images

    @property
    def real_gradient_norm_sq(self) -> Tensor:
        """(N,) squared norm of the discriminator's gradient at the real samples."""
        steep = self._real_output_and_gradient[1]
        assert steep is not None, "the term that reads real_slope must name it in its slopes"
        return steep

    @property
    def fake_gradient_norm_sq(self) -> Tensor:
        """(N,) squared norm of the discriminator's gradient at the fake samples."""
        steep = self._fake_output_and_gradient[1]
        assert steep is not None, "the term that reads fake_slope must name it in its slopes"
        return steep

    def input_gradient_norm_sq(self, sample: Sample) -> Tensor:
        """(N,) squared norm of the discriminator's gradient at any sample."""
        return self._input_gradient_fn(self.discriminate, sample)[1]


def _select_half(index: int, tensor: Tensor | None) -> Tensor | None:
    """The part of a (2N, ...) tensor that belongs to real (0) or to fake (1)."""
    return None if tensor is None else tensor.chunk(2)[index]
