"""The settings of every network, checkable without torch: each shape builds its network on demand.

A generator's shape builds `forward(latent (N, latent)) -> (N, *shape)`; a discriminator's builds
`forward(sample (N, *shape)) -> Verdict`. What else a network is called with, it names in `takes`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zerosum.networks.shapes.base import DiscriminatorShape, GeneratorShape
from zerosum.networks.shapes.dcgan import DCGANDiscriminator, DCGANGenerator
from zerosum.networks.shapes.fastgan import FastGANDiscriminator, FastGANGenerator
from zerosum.networks.shapes.mlp import MLPDiscriminator, MLPGenerator
from zerosum.networks.shapes.progan import ProGANDiscriminator, ProGANGenerator
from zerosum.networks.shapes.projected import ProjectedDiscriminator
from zerosum.networks.shapes.r3gan import R3GANDiscriminator, R3GANGenerator
from zerosum.networks.shapes.resnet import ResNetDiscriminator, ResNetGenerator
from zerosum.networks.shapes.stylegan2 import StyleGAN2Discriminator, StyleGAN2Generator

__all__ = [
    "DCGANDiscriminator", "DCGANGenerator", "Discriminator", "DiscriminatorShape", "FastGANDiscriminator",
    "FastGANGenerator", "Generator", "GeneratorShape", "MLPDiscriminator", "MLPGenerator", "ProGANDiscriminator",
    "ProGANGenerator", "ProjectedDiscriminator", "R3GANDiscriminator", "R3GANGenerator", "ResNetDiscriminator",
    "ResNetGenerator", "StyleGAN2Discriminator", "StyleGAN2Generator",
]  # fmt: skip

Generator = Annotated[
    MLPGenerator
    | DCGANGenerator
    | R3GANGenerator
    | ResNetGenerator
    | ProGANGenerator
    | StyleGAN2Generator
    | FastGANGenerator,
    Field(discriminator="kind"),
]
Discriminator = Annotated[
    MLPDiscriminator
    | DCGANDiscriminator
    | R3GANDiscriminator
    | ResNetDiscriminator
    | ProGANDiscriminator
    | StyleGAN2Discriminator
    | FastGANDiscriminator
    | ProjectedDiscriminator,
    Field(discriminator="kind"),
]
