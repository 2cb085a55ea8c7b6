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
from zerosum.game.sample_spec import Block
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


class BlockOutput(nn.Module):
    """Turns logits and numbers (N, K) into samples: one category of each block, and its value where it counts."""

    category_places: Tensor
    category_owners: Tensor
    value_places: Tensor
    gate_places: Tensor
    order: Tensor
    category_values: Tensor

    def __init__(self, blocks: Sequence[Block], temperature: float, seed_stream: seeded_rng.RandomStream) -> None:
        """Prepare for these blocks; `temperature` is that of the softmax that passes the gradients."""
        super().__init__()
        self.temperature, self.seed_stream = temperature, seed_stream
        places: list[int] = []
        owners: list[int] = []
        values: list[int] = []
        gates: list[int] = []
        start = self.num_coded = 0
        for block in blocks:
            places += range(start, start + block.categories)
            owners += [self.num_coded] * block.categories
            if block.has_value:
                values.append(start + block.categories)
                gates.append(len(places) - 1 if block.categories else -1)
            self.num_coded += block.categories > 0
            start += block.size
        category_values = torch.zeros(len(places), len(values))
        end = place = 0
        for block in blocks:
            if block.category_values:
                category_values[end : end + block.categories - 1, place] = torch.tensor(block.category_values)
            end, place = end + block.categories, place + block.has_value
        self.register_buffer("category_values", category_values, persistent=False)
        for name, indices in (
            ("category_places", places), ("category_owners", owners), ("value_places", values), ("gate_places", gates),
        ):  # fmt: skip
            self.register_buffer(name, torch.tensor(indices, dtype=torch.int64), persistent=False)
        # places are numbered in the order of blocks; here, all categories come before all values
        self.register_buffer("order", torch.tensor(places + values).argsort(), persistent=False)

    def forward(self, outputs: Tensor, seed: Tensor) -> Tensor:
        """Map outputs (N, K) to samples (N, K), by the noise of seeds (N,) int64."""
        values = outputs[:, self.value_places]
        if not self.num_coded:
            return values
        chosen = self._choose(outputs[:, self.category_places], seed)
        # a block without categories has a value that always counts: the column of ones after all categories
        gates = torch.cat([chosen, torch.ones_like(chosen[:, :1])], 1)[:, self.gate_places]
        return torch.cat([chosen, values * gates + chosen @ self.category_values], 1)[:, self.order]

    def _choose(self, logits: Tensor, seed: Tensor) -> Tensor:
        """Return one-hot categories (N, C) of all blocks, with the gradients of a softmax of each block."""
        uniform = seeded_rng.uniform(seed, logits.shape[1], self.seed_stream)
        noisy = (logits - (-uniform.log()).log()) / self.temperature
        count = noisy.shape[0]  # `len` would fix it in an exported program
        owners = self.category_owners.expand(count, -1)
        peaks = noisy.new_full((count, self.num_coded), -torch.inf)
        peaks = peaks.scatter_reduce(1, owners, noisy.detach(), "amax").gather(1, owners)
        weights = (noisy - peaks).exp()
        sums = weights.new_zeros(count, self.num_coded).scatter_add(1, owners, weights)
        soft = weights / sums.gather(1, owners)
        hard = (noisy.detach() >= peaks).to(soft.dtype)
        return hard + (soft - soft.detach())  # exactly 0 and 1, as in real samples


class Generator(nn.Module):
    """Map latents, with the given part of a row, to rows."""

    owners: Tensor

    def __init__(
        self, latent_size: int, blocks: Sequence[Block], widths: Sequence[int], *, takes_given: bool,
        activation: Activation, norm: Norm, factory: LayerFactory, temperature: float,
    ) -> None:  # fmt: skip
        super().__init__()
        size = sum(block.size for block in blocks)
        self.takes_given = takes_given
        self.condition_inputs = ("seed", "condition") if takes_given else ("seed",)
        in_features = latent_size + (size + len(blocks) if takes_given else 0)
        self.hidden_layers = ConcatLayers(in_features, widths, activation, norm, factory)
        self.output_layer = factory.linear(self.hidden_layers.out_features, size)
        self.block_output = BlockOutput(blocks, temperature, seeded_rng.RandomStream.CATEGORY)
        owners = [index for index, block in enumerate(blocks) for _ in range(block.size)]
        self.register_buffer("owners", torch.tensor(owners, dtype=torch.int64), persistent=False)

    def forward(self, latent: Tensor, seed: Tensor | None = None, condition: Given | None = None) -> Tensor:
        """Map latents (N, L) to rows (N, K).

        Args:
            latent: (N, L).
            seed: (N,) int64 by which categories are drawn; None: those of seed 0, for all rows.
            condition: the given part of each row; None: nothing is given.
        """
        if seed is None:
            seed = torch.zeros(latent.shape[0], dtype=torch.int64, device=latent.device)
        if not self.takes_given:
            row: Tensor = self.block_output(self._output(latent), seed)
            return row
        assert condition is not None, "the game passes what is given"
        values, known = condition["values"], condition["known"]
        generated = self.block_output(self._output(torch.cat([latent, values, known], 1)), seed)
        is_given = known[:, self.owners]
        return torch.where(is_given > 0, values, generated)

    def _output(self, inputs: Tensor) -> Tensor:
        output: Tensor = self.output_layer(self.hidden_layers(inputs))
        return output.to(torch.promote_types(output.dtype, torch.float32))


class Discriminator(nn.Module):
    """Map rows, with what of them is given, to scores; several rows may be scored as one."""

    def __init__(
        self, blocks: Sequence[Block], widths: Sequence[int], *, takes_given: bool, pack: int, activation: Activation,
        factory: LayerFactory, norm: Norm, dropout: float, bias_range: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.takes_given, self.pack = takes_given, pack
        self.condition_inputs = ("condition",) if takes_given else ()
        size = sum(block.size for block in blocks) + (len(blocks) if takes_given else 0)
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

    def stages_from_sample(self) -> Stages:
        """Return the hidden layers."""
        return [[layer] for layer in self.hidden_layers.layers]
