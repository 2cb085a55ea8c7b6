"""The settings of every network, checkable without torch: each shape builds its network on demand.

A generator's shape builds `forward(latent (N, latent)) -> (N, *shape)`, or if it translates
`forward(given (N, Ci, h, w)) -> (N, C, H, W)`; a discriminator's builds
`forward(sample (N, *shape)) -> Verdict`. What else a network is called with, it names in `takes`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zerosum.networks.configs.base import DiscriminatorShape, GeneratorShape, TranslatorShape
from zerosum.networks.configs.dcgan import DCGANDiscriminator, DCGANGenerator
from zerosum.networks.configs.fastgan import FastGANDiscriminator, FastGANGenerator
from zerosum.networks.configs.gated_conv import GatedGenerator
from zerosum.networks.configs.mlp import MLPDiscriminator, MLPGenerator
from zerosum.networks.configs.patchgan import PatchDiscriminator
from zerosum.networks.configs.progan import ProGANDiscriminator, ProGANGenerator
from zerosum.networks.configs.projected import ProjectedDiscriminator
from zerosum.networks.configs.r3gan import R3GANDiscriminator, R3GANGenerator
from zerosum.networks.configs.resnet import ResNetDiscriminator, ResNetGenerator
from zerosum.networks.configs.resnet_translator import TranslatorGenerator
from zerosum.networks.configs.stylegan2 import StyleGAN2Discriminator, StyleGAN2Generator
from zerosum.networks.configs.super_resolution import RRDBGenerator, SRResNetGenerator
from zerosum.networks.configs.unet import UNetGenerator

__all__ = [
    "DCGANDiscriminator", "DCGANGenerator", "Discriminator", "DiscriminatorShape", "FastGANDiscriminator",
    "FastGANGenerator", "GatedGenerator", "Generator", "GeneratorShape", "MLPDiscriminator", "MLPGenerator",
    "PatchDiscriminator", "ProGANDiscriminator", "ProGANGenerator", "ProjectedDiscriminator", "R3GANDiscriminator",
    "R3GANGenerator", "RRDBGenerator", "ResNetDiscriminator", "ResNetGenerator", "SRResNetGenerator",
    "StyleGAN2Discriminator", "StyleGAN2Generator", "TranslatorGenerator", "TranslatorShape", "UNetGenerator",
]  # fmt: skip

Generator = Annotated[
    MLPGenerator
    | DCGANGenerator
    | R3GANGenerator
    | ResNetGenerator
    | ProGANGenerator
    | StyleGAN2Generator
    | FastGANGenerator
    | UNetGenerator
    | TranslatorGenerator
    | RRDBGenerator
    | SRResNetGenerator
    | GatedGenerator,
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
    | ProjectedDiscriminator
    | PatchDiscriminator,
    Field(discriminator="kind"),
]
