"""Networks for samples of blocks, such as rows of a table: categories and numbers, of which some may be given.

Every hidden layer is concatenated with its input, as in CTGAN (Xu et al. 2019, arXiv:1907.00503). Categories are drawn
by the Gumbel-max trick and pass gradients by a softmax (Jang et al. 2016, arXiv:1611.01144; Maddison et al. 2016,
arXiv:1611.00712), with noise from the sample's own seed. Given blocks are inputs of both networks, and are taken over
into the sample unchanged, as an image's known region is in inpainting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.sample_spec import Block, NumberModel, TensorSpec
from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.layers import Activation, LayerFactory, Norm, dropout_or_identity, to_score
from zerosum.networks.mlp import init_first_layer_bias
from zerosum.networks.stages import Stages

Given = Mapping[str, Tensor]
"""The given part of samples: `values` (N, K), zeros elsewhere, and `known` (N, B), 1 for each given block."""


class ConcatLayers(nn.Module):
    """Hidden layers, each of which is concatenated with its input."""

    def __init__(
        self, in_features: int, widths: Sequence[int], activation: Activation, norm: Norm, factory: LayerFactory,
        dropout: float = 0.0, bias_range: float = 0.0,
    ) -> None:  # fmt: skip
        """Build the layers; see `zerosum.networks.mlp.init_first_layer_bias` for `bias_range`."""
        super().__init__()
        self.layers = nn.ModuleList()
        for width in widths:
            linear = factory.linear(in_features, width, activation.gain, bias=not norm.has_bias)
            layer = nn.Sequential(linear, norm.build(width), activation.build(), dropout_or_identity(dropout))
            self.layers.append(layer)
            in_features += width
        self.out_features = in_features
        init_first_layer_bias(self.layers, bias_range)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, in_features) to (N, out_features)."""
        for layer in self.layers:
            hidden = torch.cat([layer(hidden), hidden], 1)
        return hidden


class BlockLayout(nn.Module):
    """Where the categories and the numbers of blocks are in a sample."""

    category_places: Tensor
    category_owners: Tensor
    value_places: Tensor
    value_owners: Tensor
    gate_places: Tensor
    order: Tensor
    owners: Tensor
    category_values: Tensor

    def __init__(self, blocks: Sequence[Block]) -> None:
        super().__init__()
        categories: list[int] = []  # places of all categories
        category_owners: list[int] = []  # the block of each, among those with categories
        values: list[int] = []  # places of all numbers
        value_owners: list[int] = []  # the block of each
        gates: list[int] = []  # the category, by its number, where each number is free; the last one: always
        self.num_coded = start = 0
        for index, block in enumerate(blocks):
            categories += range(start, start + block.categories)
            category_owners += [self.num_coded] * block.categories
            if block.has_value:
                values.append(start + block.categories)
                value_owners.append(index)
                gates.append(len(categories) - 1 if block.categories else -1)
            self.num_coded += block.categories > 0
            start += block.size
        self.num_categories = len(categories)
        places = categories + values
        indices = {
            "category_places": categories, "category_owners": category_owners, "value_places": values,
            "value_owners": value_owners, "gate_places": [gate % (len(categories) + 1) for gate in gates],
            "order": sorted(range(len(places)), key=places.__getitem__),
            "owners": [index for index, block in enumerate(blocks) for _ in range(block.size)],
        }  # fmt: skip
        for name, numbers in indices.items():
            self.register_buffer(name, torch.tensor(numbers, dtype=torch.int64), persistent=False)
        self.register_buffer("category_values", _category_values(blocks, len(categories)), persistent=False)

    def gates(self, categories: Tensor) -> Tensor:
        """Return 1 for each free number, and 0 for those that categories (N, C) fix: (N, V)."""
        # a block without categories has a number that is always free: the column of ones after all categories
        with_ones = torch.cat([categories, categories.new_ones(categories.shape[0], 1)], 1)
        return with_ones.index_select(1, self.gate_places)

    def join(self, categories: Tensor, values: Tensor) -> Tensor:
        """Return samples (N, K) of their categories (N, C) and numbers (N, V)."""
        return torch.cat([categories, values], 1).index_select(1, self.order)


def _category_values(blocks: Sequence[Block], num_categories: int) -> Tensor:
    """Return the number (C, V) that each category stands for; 0 for that of another block."""
    values = torch.zeros(num_categories, sum(block.has_value for block in blocks))
    end = place = 0
    for block in blocks:
        if block.category_values:
            values[end : end + block.categories - 1, place] = torch.tensor(block.category_values)
        end, place = end + block.categories, place + block.has_value
    return values


class NormalNumbers(nn.Module):
    """The normal distribution of the numbers of a sample; see `zerosum.game.sample_spec.NumberModel`."""

    weights: Tensor
    offsets: Tensor
    covariance: Tensor
    whitening: Tensor

    def __init__(self, model: NumberModel, layout: BlockLayout) -> None:
        """Prepare for samples of a layout."""
        super().__init__()
        covariance = torch.tensor(model.covariance, dtype=torch.float64)
        factor = torch.linalg.cholesky(covariance)
        identity = torch.eye(len(covariance), dtype=torch.float64)
        buffers = {
            "weights": torch.tensor(model.weights, dtype=torch.float64)[:, layout.category_places],
            "offsets": torch.tensor(model.offsets, dtype=torch.float64),
            "covariance": covariance,
            "whitening": torch.linalg.solve_triangular(factor, identity, upper=False),
        }
        for name, values in buffers.items():
            self.register_buffer(name, values.float(), persistent=False)

    def residuals(self, categories: Tensor, numbers: Tensor) -> Tensor:
        """Return how far each number (N, V) is from what the categories (N, C) and the numbers before it ask for.

        A residual is in deviations: of normal numbers, all are independent standard normal numbers.
        """
        return (numbers - self._means(categories)) @ self.whitening.T

    def _means(self, categories: Tensor) -> Tensor:
        return categories @ self.weights.T + self.offsets

    def compose(self, categories: Tensor, residuals: Tensor, gates: Tensor, fixed: Tensor) -> Tensor:
        """Return numbers (N, V) that follow from residuals, given the categories and the numbers that are fixed.

        Each free number is its mean given all fixed numbers and the free ones before it, plus its residual in
        deviations. So residuals that are independent standard normal numbers make the normal distribution's numbers,
        whichever are fixed.

        Args:
            categories: (N, C).
            residuals: (N, V).
            gates: (N, V) 1 where a number is free, 0 where it is fixed.
            fixed: (N, V) the fixed numbers, 0 elsewhere.
        """
        gains, deviations = self._gains(gates.detach())
        means, count = self._means(categories), residuals.shape[1]
        numbers = list(fixed.unbind(1))
        for step, gain in enumerate(gains):
            index = step % count
            if step >= count:
                free = means[:, index] + deviations[index] * residuals[:, index]
                numbers[index] = numbers[index] + gates[:, index] * free
            means = means + gain * (numbers[index] - means[:, index])[:, None]
        return torch.stack(numbers, 1)

    @torch.no_grad()
    def _gains(self, gates: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return how much the means of all numbers move when one becomes known: first the fixed ones, then the free.

        Args:
            gates: (N, V) 1 where a number is free.

        Returns:
            2 V gains (N, V), 0 where the number of a step is not of its kind, and the V deviations (N,) of the free
            numbers, given those before.
        """
        covariance = self.covariance.expand(gates.shape[0], -1, -1)
        gains, deviations = [], []
        for is_free in (False, True):
            for index in range(gates.shape[1]):
                is_used = gates[:, index] if is_free else 1 - gates[:, index]
                variance = covariance[:, index, index].clamp_min(1e-8)
                gain = covariance[:, :, index] * (is_used / variance)[:, None]
                covariance = covariance - gain[:, :, None] * covariance[:, index, None, :]
                gains.append(gain)
                if is_free:
                    deviations.append(variance.sqrt())
        return gains, deviations


class BlockOutput(nn.Module):
    """Turns logits and numbers (N, K) into samples: one category of each block, and its number where it is free."""

    def __init__(self, spec: TensorSpec, temperature: float, seed_stream: seeded_rng.RandomStream) -> None:
        """Prepare for samples of this form; `temperature` is that of the softmax that passes the gradients."""
        super().__init__()
        self.temperature, self.seed_stream = temperature, seed_stream
        self.layout = BlockLayout(spec.blocks)
        self.numbers = NormalNumbers(spec.number_model, self.layout) if spec.number_model else None

    def forward(self, outputs: Tensor, seed: Tensor, given: Given | None = None) -> Tensor:
        """Map outputs (N, K) to samples (N, K), by the noise of seeds (N,) int64, with the given blocks."""
        layout = self.layout
        values = outputs.index_select(1, layout.value_places)
        categories = outputs.index_select(1, layout.category_places)
        if layout.num_coded:
            categories = self._choose(categories, seed)
        if given is not None:
            known = given["known"].index_select(1, layout.owners)
            known_categories = known.index_select(1, layout.category_places) > 0
            given_categories = given["values"].index_select(1, layout.category_places)
            categories = torch.where(known_categories, given_categories, categories)
        gates = layout.gates(categories)
        fixed = categories @ layout.category_values
        if given is not None:
            is_known = known.index_select(1, layout.value_places)
            fixed = torch.where(is_known > 0, given["values"].index_select(1, layout.value_places), fixed)
            gates = gates * (1 - is_known)
        if self.numbers is None:
            return layout.join(categories, fixed + gates * values)
        return layout.join(categories, self.numbers.compose(categories, values, gates, fixed))

    def _choose(self, logits: Tensor, seed: Tensor) -> Tensor:
        """Return one-hot categories (N, C) of all blocks, with the gradients of a softmax of each block."""
        uniform = seeded_rng.uniform(seed, logits.shape[1], self.seed_stream)
        noisy = (logits - (-uniform.log()).log()) / self.temperature
        count = noisy.shape[0]  # `len` would fix it in an exported program
        owners = self.layout.category_owners.expand(count, -1)
        peaks = noisy.new_full((count, self.layout.num_coded), -torch.inf)
        peaks = peaks.scatter_reduce(1, owners, noisy.detach(), "amax").gather(1, owners)
        weights = (noisy - peaks).exp()
        sums = weights.new_zeros(count, self.layout.num_coded).scatter_add(1, owners, weights)
        soft = weights / sums.gather(1, owners)
        hard = (noisy.detach() >= peaks).to(soft.dtype)
        return hard + (soft - soft.detach())  # exactly 0 and 1, as in real samples


class Generator(nn.Module):
    """Map latents, with the given part of a row, to rows."""

    def __init__(
        self, latent_size: int, spec: TensorSpec, widths: Sequence[int], *, takes_given: bool,
        activation: Activation, norm: Norm, factory: LayerFactory, temperature: float,
    ) -> None:  # fmt: skip
        super().__init__()
        (size,) = spec.shape
        self.takes_given = takes_given
        self.condition_inputs = ("seed", "condition") if takes_given else ("seed",)
        in_features = latent_size + (size + len(spec.blocks) if takes_given else 0)
        self.hidden_layers = ConcatLayers(in_features, widths, activation, norm, factory)
        self.output_layer = factory.linear(self.hidden_layers.out_features, size)
        self.block_output = BlockOutput(spec, temperature, seeded_rng.RandomStream.CATEGORY)

    def forward(self, latent: Tensor, seed: Tensor | None = None, condition: Given | None = None) -> Tensor:
        """Map latents (N, L) to rows (N, K).

        Args:
            latent: (N, L).
            seed: (N,) int64 by which categories are drawn; None: those of seed 0, for all rows.
            condition: the given part of each row; None: nothing is given.
        """
        if seed is None:
            seed = torch.zeros(latent.shape[0], dtype=torch.int64, device=latent.device)
        inputs = latent
        if self.takes_given:
            assert condition is not None, "the game passes what is given"
            inputs = torch.cat([latent, condition["values"], condition["known"]], 1)
        output: Tensor = self.output_layer(self.hidden_layers(inputs))
        output = output.to(torch.promote_types(output.dtype, torch.float32))
        row: Tensor = self.block_output(output, seed, condition if self.takes_given else None)
        return row


class Discriminator(nn.Module):
    """Map rows, with what of them is given, to scores; several rows may be scored as one."""

    def __init__(
        self, spec: TensorSpec, widths: Sequence[int], *, takes_given: bool, pack: int, activation: Activation,
        factory: LayerFactory, norm: Norm, dropout: float, bias_range: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.takes_given, self.pack = takes_given, pack
        self.condition_inputs = ("condition",) if takes_given else ()
        size = spec.shape[0] + (len(spec.blocks) if takes_given else 0)
        self.layout = BlockLayout(spec.blocks)
        self.numbers = NormalNumbers(spec.number_model, self.layout) if spec.number_model else None
        if spec.number_model:
            size += len(spec.number_model.offsets)
        self.hidden_layers = ConcatLayers(size * pack, widths, activation, norm, factory, dropout, bias_range)
        self.score = factory.linear(self.hidden_layers.out_features, 1)

    def forward(self, sample: Tensor, condition: Given | None = None) -> DiscriminatorOutput:
        """Map rows (N, K) to an output with score (N,); packed rows have the same score, a multiple of `pack` of them.

        Lin et al. 2018, "PacGAN: the power of two samples in generative adversarial networks", arXiv:1712.04086.
        """
        rows = sample.flatten(1)
        if self.takes_given:
            assert condition is not None, "the game passes what is given"
            rows = torch.cat([rows, condition["known"].to(rows.dtype)], 1)
        scores = to_score(self.score(self.hidden_layers(rows.view(len(rows) // self.pack, -1))))
        return DiscriminatorOutput(scores.repeat_interleave(self.pack) if self.pack > 1 else scores)

    def transform_samples(self, sample: Tensor) -> Tensor:
        """Return rows (N, K) with the residuals of their numbers, (N, K + V): so what ties numbers together is seen."""
        if self.numbers is None:
            return sample
        places = self.layout.category_places, self.layout.value_places
        categories, values = (sample.index_select(1, place) for place in places)
        residuals = self.numbers.residuals(categories, values)
        # where a category says what a number is, it was chosen without regard to the others: far from what they ask for
        return torch.cat([sample, residuals * self.layout.gates(categories)], 1)

    def stages_from_sample(self) -> Stages:
        """Return the hidden layers."""
        return [[layer] for layer in self.hidden_layers.layers]
