"""Classes of a trained generator: those without training examples are refused."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from zerosum.errors import BadInput
from zerosum.game.latent import Normal
from zerosum.inference.generator import Generator
from zerosum.inference.writers import write_class_grid


class ConstantImage(nn.Module):
    """Generates a constant image whose level is proportional to the class index."""

    condition_inputs = ("label",)

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Parameter(torch.tensor(0.25))

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        return (self.step * label).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)


def generator(*class_priors: float) -> Generator:
    return Generator(ConstantImage(), Normal(size=4), (1, 8, 8), "00000064", ("cat", "cow", "dog"), class_priors)


@pytest.mark.parametrize("label", ["cow", 1])
def test_a_class_without_training_examples_is_refused(label: str | int) -> None:
    without_cow = generator(0.75, 0.0, 0.25)
    with pytest.raises(BadInput, match=f"^`label` {label}: all its examples were held out .* one of cat, dog$"):
        without_cow.sample(2, label=label)
    with pytest.raises(BadInput):
        without_cow.interpolate_labels("cat", label, torch.linspace(0, 1, 3))
    assert without_cow.sample(2, label="dog").unique().tolist() == [0.5]
    assert without_cow.sample(100).unique().tolist() == [0.0, 0.5]
    assert generator(0.5, 0.25, 0.25).sample(2, label=label).unique().tolist() == [0.25]


def test_the_default_class_is_the_first_trained_one() -> None:
    latents = torch.zeros(3, 4)
    assert generator(0.5, 0.25, 0.25).generate(latents).unique().tolist() == [0.0]
    assert generator(0.0, 0.5, 0.5).generate(latents).unique().tolist() == [0.25]


def test_the_class_grid_has_rows_for_trained_classes_only(tmp_path: Path) -> None:
    heights = []
    for index, class_priors in enumerate(((0.5, 0.25, 0.25), (0.75, 0.0, 0.25), (1.0, 0.0, 0.0))):
        write_class_grid(generator(*class_priors), tmp_path / str(index), 0, float("inf"))
        heights.append(Image.open(tmp_path / str(index) / "classes.png").height)
    assert heights[0] - heights[1] == heights[1] - heights[2] > 0
