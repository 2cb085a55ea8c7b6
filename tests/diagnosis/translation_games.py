"""Image-to-image datasets, and translation games whose generator is a known formula."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from broken_games import CPU, make_dataset
from torch import Tensor, nn

from zerosum.data.dataset import Dataset
from zerosum.data.images.pixels import bytes_to_unit
from zerosum.diagnosis.measures import Signals
from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.diagnosis.translation_probe import TranslationProbe
from zerosum.game.build import build
from zerosum.game.config import CycleGameConfig, TranslationGameConfig
from zerosum.game.latent import Normal
from zerosum.game.objective import NonSaturating
from zerosum.game.optimizer import Adam
from zerosum.game.parts import GameParts
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Progress
from zerosum.game.translation import TranslationGame
from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.cycle_pair import DiscriminatorPair, GeneratorPair
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import trial_step

TRIAL_STEP = trial_step(Accelerator())
PROGRESS = Progress(3, 192)
SIDE = 32
Formula = Callable[..., Tensor]
"""From inputs (N, 3, SIDE, SIDE), and seeds (N,) if asked for, to outputs."""


def smooth_images(count: int, seed: int, low: int = 40, high: int = 216) -> np.ndarray:
    """Smooth color images: (count, SIDE, SIDE, 3) uint8 within these levels."""
    coarse = torch.rand(count, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    fine = nn.functional.interpolate(coarse, size=SIDE, mode="bicubic").clamp(0, 1)
    return (low + (high - low) * fine).round().byte().permute(0, 2, 3, 1).numpy()


@dataclass(frozen=True, eq=False)
class TranslationDataset(Dataset):
    """Target images, and input images of the same index; `paired` if these belong together."""

    input_values: np.ndarray = None  # type: ignore[assignment]
    paired: bool = True

    @property
    def has_targets(self) -> bool:
        return self.paired

    def inputs(self, indices: np.ndarray) -> Tensor:
        return bytes_to_unit(torch.from_numpy(self.input_values[indices]))


def make_translation_dataset(
    targets: np.ndarray, inputs: np.ndarray, paired: bool, num_held_out: int = 24
) -> TranslationDataset:
    dataset = make_dataset(targets[:-num_held_out], targets[-num_held_out:])
    return TranslationDataset(**vars(dataset), input_values=inputs, paired=paired)


INPUTS = smooth_images(72, 1)
TINTED = (INPUTS * np.array([1.0, 0.5, 0.25])).round().astype(np.uint8)
PAIRED = make_translation_dataset(TINTED, INPUTS, True)
UNPAIRED = make_translation_dataset(smooth_images(72, 2), INPUTS, False)


class FormulaGenerator(nn.Module):
    """Translates by a formula, and can learn a brightness."""

    condition_inputs: tuple[str, ...] = ()
    receptive_field_radius, size_multiple = 0, 1

    def __init__(self, formula: Formula, condition_inputs: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.brightness, self.formula, self.condition_inputs = (
            nn.Parameter(torch.zeros(1, 1)),
            formula,
            condition_inputs,
        )

    def forward(self, inputs: Tensor, seed: Tensor | None = None) -> Tensor:
        return self.formula(inputs, *([] if seed is None else [seed])) + self.brightness


class BrightnessDiscriminator(nn.Module):
    """Scores patches by their brightness."""

    condition_inputs: tuple[str, ...] = ()

    def __init__(self, weight: float = 4.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1, 1), weight))

    def forward(self, sample: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.weight * nn.functional.avg_pool2d(sample.mean(1, keepdim=True), 8))


def make_game(
    formula: Formula,
    reverse_formula: Formula | None = None,
    condition_inputs: tuple[str, ...] = (),
    brightness_weight: float = 4.0,
    terms: dict[str, Any] | None = None,
    **settings: Any,
) -> TranslationGame:
    """A game whose generator is a formula; in both directions with a formula for the reverse direction."""
    generator: nn.Module = FormulaGenerator(formula, condition_inputs)
    discriminator: nn.Module = BrightnessDiscriminator(brightness_weight)
    if reverse_formula:
        generator = GeneratorPair(generator, FormulaGenerator(reverse_formula, condition_inputs))
        discriminator = DiscriminatorPair(discriminator, BrightnessDiscriminator(brightness_weight))
    image = TensorSpec((3, SIDE, SIDE), bounded=True)
    spec = {"a_to_b": image, "b_to_a": image} if reverse_formula else image
    parts = GameParts(
        generator, discriminator, Normal(size=2), NonSaturating(), Adam(lr=1e-3), spec, terms or {}, ema_half_life=50.0
    )
    config = CycleGameConfig if reverse_formula else TranslationGameConfig
    return build(config(**settings), parts)


def run_probe(game: TranslationGame, dataset: Dataset = PAIRED, with_duality_gap: bool = False) -> Signals:
    probe = TranslationProbe(ReferenceSet(dataset, 64, 16, CPU), TRIAL_STEP)
    return probe(game, PROGRESS, with_duality_gap=with_duality_gap)


# ---------------------------------------------------------------------- formulas


def tint(inputs: Tensor) -> Tensor:
    """The targets of the paired dataset, except for rounding."""
    return (inputs + 1) * torch.tensor([1.0, 0.5, 0.25])[:, None, None] - 1


def checkerboard(inputs: Tensor) -> Tensor:
    """1 and -1 alternately."""
    index = torch.arange(SIDE)
    return (1.0 - 2 * ((index[:, None] + index) % 2)).expand_as(inputs)


def copy_input(inputs: Tensor) -> Tensor:
    return inputs


def invert(inputs: Tensor) -> Tensor:
    return -inputs


def constant(inputs: Tensor) -> Tensor:
    return torch.full_like(inputs, 0.1)


HIDDEN_CONTRAST = 0.01


def hide_color(inputs: Tensor) -> Tensor:
    """A gray image that contains the colors at an invisible contrast."""
    gray = inputs.mean(1, keepdim=True)
    return gray + HIDDEN_CONTRAST * (inputs - gray)


def reveal_color(images: Tensor) -> Tensor:
    gray = images.mean(1, keepdim=True)
    return gray + (images - gray) / HIDDEN_CONTRAST
