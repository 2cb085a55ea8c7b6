"""Networks of MolGAN for small graphs of atoms and bonds (De Cao and Kipf 2018, arXiv:1805.11973).

The generator is fully connected, so it knows no order of the atoms but its own; the discriminator is a relational graph
convolution (Schlichtkrull et al. 2017, arXiv:1703.06103), whose score does not depend on their order. The paper's
reward network, which trains the generator for properties of molecules, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.layers import Activation, LayerFactory, to_score
from zerosum.networks.stages import Stages, list_stages

TANH = Activation(nn.Tanh, 5 / 3)


def choose_one_hot(logits: Tensor, uniform: Tensor, temperature: float) -> Tensor:
    """Draw one-hot values (..., K) by the Gumbel-max trick, with the gradients of a softmax (arXiv:1611.01144).

    Args:
        logits: (..., K).
        uniform: (..., K) uniform numbers in (0, 1).
        temperature: that of the softmax, which does not change what is drawn.
    """
    noisy = logits - (-uniform.log()).log()
    soft = (noisy / temperature).softmax(-1)
    hard = (noisy.detach() >= noisy.detach().amax(-1, keepdim=True)).to(soft.dtype)
    return hard + (soft - soft.detach())  # exactly 0 and 1, as in real samples


class Generator(nn.Module):
    """Map latents to graphs whose bonds are symmetric, and join atoms only."""

    condition_inputs = ("seed",)

    def __init__(
        self, latent_size: int, atoms: TensorSpec, bonds: TensorSpec, widths: Sequence[int], *, temperature: float,
        factory: LayerFactory,
    ) -> None:  # fmt: skip
        """Prepare for atoms (A, T) and bonds (A, A, B), of which the first entry means no atom, or no bond."""
        super().__init__()
        self.temperature = temperature
        self.num_atoms, self.num_types = atoms.shape
        self.num_bonds = bonds.shape[-1]
        self.hidden_layers = nn.Sequential(
            *(
                nn.Sequential(factory.linear(before, after, TANH.gain), TANH.build())
                for before, after in pairwise((latent_size, *widths))
            )
        )
        self.num_pairs = self.num_atoms * (self.num_atoms - 1) // 2
        self.atom_layer = factory.linear(widths[-1], self.num_atoms * self.num_types)
        self.bond_layer = factory.linear(widths[-1], self.num_pairs * self.num_bonds)
        self.pairs: Tensor
        first, second = torch.triu_indices(self.num_atoms, self.num_atoms, 1)
        pairs = torch.zeros(self.num_atoms, self.num_atoms, dtype=torch.int64)  # 0: an atom and itself, without a bond
        pairs[first, second] = pairs[second, first] = torch.arange(1, self.num_pairs + 1)
        self.register_buffer("pairs", pairs.flatten(), persistent=False)
        self.no_bond: Tensor
        self.register_buffer("no_bond", torch.eye(self.num_bonds)[0], persistent=False)

    def forward(self, latent: Tensor, seed: Tensor | None = None) -> Mapping[str, Tensor]:
        """Map latents (N, L) to one-hot "atoms" (N, A, T) and "bonds" (N, A, A, B).

        Args:
            latent: (N, L).
            seed: (N,) int64 by which they are drawn; None: those of seed 0, for all graphs.
        """
        if seed is None:
            seed = torch.zeros(latent.shape[0], dtype=torch.int64, device=latent.device)
        hidden = self.hidden_layers(latent)
        logits = torch.cat([self.atom_layer(hidden), self.bond_layer(hidden)], 1)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        uniform = seeded_rng.uniform(seed, logits.shape[1], seeded_rng.RandomStream.CATEGORY)
        size = self.num_atoms * self.num_types
        atoms = self._choose(logits[:, :size], uniform[:, :size], (self.num_atoms, self.num_types))
        bonds = self._choose(logits[:, size:], uniform[:, size:], (self.num_pairs, self.num_bonds))
        return {"atoms": atoms, "bonds": self._join(atoms, bonds)}

    def _choose(self, logits: Tensor, uniform: Tensor, shape: tuple[int, int]) -> Tensor:
        return choose_one_hot(logits.view(-1, *shape), uniform.view(-1, *shape), self.temperature)

    def _join(self, atoms: Tensor, bonds: Tensor) -> Tensor:
        """Return the bonds (N, A, A, B) of pairs (N, P, B), and none where a place has no atom."""
        itself = self.no_bond.to(bonds.dtype).expand(bonds.shape[0], 1, self.num_bonds)
        full = torch.cat([itself, bonds], 1).index_select(1, self.pairs)
        full = full.view(-1, self.num_atoms, self.num_atoms, self.num_bonds)
        is_atom = 1 - atoms[:, :, :1]  # (N, A, 1)
        is_pair = (is_atom * is_atom.transpose(1, 2))[..., None]
        return full * is_pair + self.no_bond.to(full.dtype) * (1 - is_pair)


class RelationalConv(nn.Module):
    """Add to each atom the mean message of those it is bound to, with weights of each kind of bond.

    Schlichtkrull et al. 2017, arXiv:1703.06103, equation 2, normalized by the number of bonds of the atom.
    """

    def __init__(self, in_features: int, out_features: int, num_relations: int, factory: LayerFactory) -> None:
        super().__init__()
        self.shape = num_relations, out_features
        self.own = factory.linear(in_features, out_features)
        self.messages = factory.linear(in_features, num_relations * out_features)

    def forward(self, hidden: Tensor, relations: Tensor) -> Tensor:
        """Map atoms (N, A, C) and relations (N, A, A, R) to atoms (N, A, O), in (-1, 1)."""
        messages = self.messages(hidden).unflatten(-1, self.shape)
        received = torch.einsum("nijr,njro->nio", relations.to(messages.dtype), messages)
        degree = relations.sum((2, 3)).clamp(min=1)[..., None]
        activated: Tensor = (self.own(hidden) + received / degree).tanh()
        return activated


class GatedSum(nn.Module):
    """Sum what atoms say of their graph, each weighted by a gate of its own (Li et al. 2015, arXiv:1511.05493)."""

    def __init__(self, in_features: int, out_features: int, factory: LayerFactory) -> None:
        super().__init__()
        self.gate = factory.linear(in_features, out_features)
        self.value = factory.linear(in_features, out_features)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map atoms (N, A, C) to graphs (N, O), in (-1, 1)."""
        summed: Tensor = (self.gate(hidden).sigmoid() * self.value(hidden).tanh()).sum(1).tanh()
        return summed


class Discriminator(nn.Module):
    """Map graphs to scores that do not depend on the order of the atoms."""

    def __init__(
        self, atoms: TensorSpec, bonds: TensorSpec, widths: Sequence[int], graph_width: int, *, factory: LayerFactory
    ) -> None:
        """Prepare for atoms (A, T) and bonds (A, A, B), of which the first entry means no bond."""
        super().__init__()
        num_types, num_relations = atoms.shape[-1], bonds.shape[-1] - 1
        before = [num_types, *(width + num_types for width in widths)]
        self.convs = nn.ModuleList(
            RelationalConv(inputs, width, num_relations, factory)
            for inputs, width in zip(before[:-1], widths, strict=True)
        )
        self.pool = GatedSum(before[-1], graph_width, factory)
        self.hidden_layer = nn.Sequential(factory.linear(graph_width, graph_width, TANH.gain), TANH.build())
        self.score = factory.linear(graph_width, 1)

    def forward(self, sample: Mapping[str, Tensor]) -> DiscriminatorOutput:
        """Map "atoms" (N, A, T) and "bonds" (N, A, A, B) to an output with score (N,)."""
        atoms, relations = sample["atoms"], sample["bonds"][..., 1:]
        hidden = atoms
        for conv in self.convs:
            hidden = torch.cat([conv(hidden, relations), atoms.to(hidden.dtype)], -1)
        return DiscriminatorOutput(to_score(self.score(self.hidden_layer(self.pool(hidden)))))

    def stages_from_sample(self) -> Stages:
        """Return the graph convolutions."""
        return list_stages([], self.convs)[1:]
