"""Settings of all networks, which can be validated without torch: each config builds its network on demand.

The generators are called as `forward(latent (N, L)) -> (N, *shape)`, translators as
`forward(inputs (N, C_in, h, w)) -> (N, C, H, W)`, and discriminators as
`forward(sample (N, *shape)) -> DiscriminatorOutput`. A network names its further arguments in `condition_inputs`.

Example:
    >>> from zerosum.game.sample_spec import TensorSpec
    >>> from zerosum.networks.configs import DCGANGeneratorConfig
    >>> generator = DCGANGeneratorConfig(width=16).build(latent_size=64, spec=TensorSpec((3, 32, 32), bounded=True))
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from zerosum.networks.configs.autoencoder import AutoencoderConfig, ConvolutionalAutoencoderConfig
from zerosum.networks.configs.base import DiscriminatorConfig, GeneratorConfig, TranslatorConfig
from zerosum.networks.configs.dcgan import DCGANDiscriminatorConfig, DCGANGeneratorConfig
from zerosum.networks.configs.fastgan import FastGANDiscriminatorConfig, FastGANGeneratorConfig
from zerosum.networks.configs.gat import GATDiscriminatorConfig, GATGeneratorConfig
from zerosum.networks.configs.gated_conv import GatedConvGeneratorConfig
from zerosum.networks.configs.hifigan import HiFiGANDiscriminatorConfig
from zerosum.networks.configs.mlp import MLPDiscriminatorConfig, MLPGeneratorConfig
from zerosum.networks.configs.molecular_graph import MolecularGraphDiscriminatorConfig, MolecularGraphGeneratorConfig
from zerosum.networks.configs.patchgan import PatchGANDiscriminatorConfig
from zerosum.networks.configs.progan import ProGANDiscriminatorConfig, ProGANGeneratorConfig
from zerosum.networks.configs.projected import ProjectedDiscriminatorConfig
from zerosum.networks.configs.r3gan import R3GANDiscriminatorConfig, R3GANGeneratorConfig
from zerosum.networks.configs.residual_mlp import ResidualMLPDiscriminatorConfig, ResidualMLPGeneratorConfig
from zerosum.networks.configs.resnet import ResNetDiscriminatorConfig, ResNetGeneratorConfig
from zerosum.networks.configs.resnet_translator import ResNetTranslatorConfig
from zerosum.networks.configs.sequence_autoencoder import RecurrentAutoencoderConfig
from zerosum.networks.configs.stylegan2 import StyleGAN2DiscriminatorConfig, StyleGAN2GeneratorConfig
from zerosum.networks.configs.super_resolution import RRDBGeneratorConfig, SRResNetGeneratorConfig
from zerosum.networks.configs.tabular import TabularDiscriminatorConfig, TabularGeneratorConfig
from zerosum.networks.configs.unet import UNetGeneratorConfig
from zerosum.networks.configs.vocos import VocosGeneratorConfig

__all__ = [
    "AnyAutoencoderConfig",
    "AnyDiscriminatorConfig",
    "AnyGeneratorConfig",
    "AutoencoderConfig",
    "ConvolutionalAutoencoderConfig",
    "DCGANDiscriminatorConfig",
    "DCGANGeneratorConfig",
    "DiscriminatorConfig",
    "FastGANDiscriminatorConfig",
    "FastGANGeneratorConfig",
    "GATDiscriminatorConfig",
    "GATGeneratorConfig",
    "GatedConvGeneratorConfig",
    "GeneratorConfig",
    "HiFiGANDiscriminatorConfig",
    "MLPDiscriminatorConfig",
    "MLPGeneratorConfig",
    "MolecularGraphDiscriminatorConfig",
    "MolecularGraphGeneratorConfig",
    "PatchGANDiscriminatorConfig",
    "ProGANDiscriminatorConfig",
    "ProGANGeneratorConfig",
    "ProjectedDiscriminatorConfig",
    "R3GANDiscriminatorConfig",
    "R3GANGeneratorConfig",
    "RRDBGeneratorConfig",
    "RecurrentAutoencoderConfig",
    "ResNetDiscriminatorConfig",
    "ResNetGeneratorConfig",
    "ResNetTranslatorConfig",
    "ResidualMLPDiscriminatorConfig",
    "ResidualMLPGeneratorConfig",
    "SRResNetGeneratorConfig",
    "StyleGAN2DiscriminatorConfig",
    "StyleGAN2GeneratorConfig",
    "TabularDiscriminatorConfig",
    "TabularGeneratorConfig",
    "TranslatorConfig",
    "UNetGeneratorConfig",
    "VocosGeneratorConfig",
]  # fmt: skip

AnyGeneratorConfig = Annotated[
    MLPGeneratorConfig
    | ResidualMLPGeneratorConfig
    | TabularGeneratorConfig
    | MolecularGraphGeneratorConfig
    | DCGANGeneratorConfig
    | R3GANGeneratorConfig
    | ResNetGeneratorConfig
    | ProGANGeneratorConfig
    | StyleGAN2GeneratorConfig
    | FastGANGeneratorConfig
    | GATGeneratorConfig
    | UNetGeneratorConfig
    | ResNetTranslatorConfig
    | RRDBGeneratorConfig
    | SRResNetGeneratorConfig
    | GatedConvGeneratorConfig
    | VocosGeneratorConfig,
    Field(discriminator="kind"),
]
"""Settings of a generator, selected by `kind`."""
AnyDiscriminatorConfig = Annotated[
    MLPDiscriminatorConfig
    | ResidualMLPDiscriminatorConfig
    | TabularDiscriminatorConfig
    | MolecularGraphDiscriminatorConfig
    | DCGANDiscriminatorConfig
    | R3GANDiscriminatorConfig
    | ResNetDiscriminatorConfig
    | ProGANDiscriminatorConfig
    | StyleGAN2DiscriminatorConfig
    | FastGANDiscriminatorConfig
    | ProjectedDiscriminatorConfig
    | GATDiscriminatorConfig
    | PatchGANDiscriminatorConfig
    | HiFiGANDiscriminatorConfig,
    Field(discriminator="kind"),
]
"""Settings of a discriminator, selected by `kind`."""
AnyAutoencoderConfig = Annotated[
    ConvolutionalAutoencoderConfig | RecurrentAutoencoderConfig, Field(discriminator="kind")
]
"""Settings of an autoencoder, selected by `kind`."""
