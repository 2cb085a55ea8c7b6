"""Settings of networks for small graphs, such as molecules of few atoms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field

from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec
from zerosum.networks.configs.base import (
    DiscriminatorConfig,
    GeneratorConfig,
    InitName,
    Width,
    Widths,
    build_layer_factory,
)

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.sample_spec import SampleSpec


class _GraphSpec(NamedTuple):
    atoms: TensorSpec
    """(A, T)"""
    bonds: TensorSpec
    """(A, A, B)"""


def _require_graph(spec: SampleSpec) -> _GraphSpec:
    """Return the specification of atoms and bonds.

    Raises:
        BadInput: the samples are no graphs.
    """
    if isinstance(spec, Mapping) and set(spec) == set(_GraphSpec._fields):
        atoms, bonds = spec["atoms"], spec["bonds"]
        if isinstance(atoms, TensorSpec) and isinstance(bonds, TensorSpec) and atoms.one_hot and bonds.one_hot:
            size = atoms.shape[0]
            if (len(atoms.shape), len(bonds.shape), bonds.shape[:2]) == (2, 3, (size, size)) and size > 1:
                return _GraphSpec(atoms, bonds)
    raise BadInput(
        "molecular-graph needs samples that are graphs of at least 2 atoms, with one-hot atoms and bonds: of small "
        "molecules, set `data.form` graph; for other data, choose another `recipe`"
    )


class MolecularGraphGeneratorConfig(GeneratorConfig):
    """Fully connected generator of the atoms and the bonds of small molecules (arXiv:1805.11973)."""

    kind: Literal["molecular-graph"] = "molecular-graph"
    widths: Widths = (128, 256, 512)
    """Widths of the hidden layers."""
    temperature: float = Field(1.0, gt=0)
    """Temperature of the softmax by which atoms and bonds pass gradients (arXiv:1611.01144)."""
    init: InitName = "kaiming"
    """Initialization of the weights."""
    condition: Literal["none"] = "none"
    """It takes no condition."""

    def build(
        self,
        latent_size: int,
        spec: SampleSpec,
        num_classes: int = 0,
        input_spec: SampleSpec | None = None,
        condition_spec: SampleSpec | None = None,
    ) -> nn.Module:
        """Build the network, latents (N, L) to the tree of "atoms" (N, A, T) and "bonds" (N, A, A, B).

        Raises:
            BadInput: the samples are no graphs.
        """
        from zerosum.networks import molecular_graph

        return molecular_graph.Generator(
            latent_size,
            *_require_graph(spec),
            self.widths,
            temperature=self.temperature,
            factory=build_layer_factory(self.init),
        )


class MolecularGraphDiscriminatorConfig(DiscriminatorConfig):
    """Relational graph convolutions, whose score does not depend on the order of the atoms (arXiv:1703.06103)."""

    kind: Literal["molecular-graph"] = "molecular-graph"
    widths: Widths = (64, 32)
    """Widths of the graph convolutions."""
    graph_width: Width = 128
    """Width of what the atoms say together of their graph, and of the hidden layer after it."""
    init: InitName = "kaiming"
    """Initialization of the weights."""
    condition: Literal["none"] = "none"
    """It takes no condition."""

    def build(
        self,
        spec: SampleSpec,
        num_classes: int = 0,
        input_spec: SampleSpec | None = None,
        condition_spec: SampleSpec | None = None,
    ) -> nn.Module:
        """Build the network, trees of "atoms" (N, A, T) and "bonds" (N, A, A, B) to a `DiscriminatorOutput`.

        Raises:
            BadInput: the samples are no graphs.
        """
        from zerosum.networks import molecular_graph

        return molecular_graph.Discriminator(
            *_require_graph(spec), self.widths, self.graph_width, factory=build_layer_factory(self.init)
        )
