"""Which classes a trained generator can be asked for."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from zerosum.errors import BadInput
from zerosum.game.latent import Normal
from zerosum.inference.generator import Generator
from zerosum.inference.writers import write_class_grid


class Grey(nn.Module):
    """A picture as bright as its class's number says."""

    takes = ("label",)

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Parameter(torch.tensor(0.25))

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        return (self.step * label).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)


def generator(*shares: float) -> Generator:
    return Generator(Grey(), Normal(size=4), (1, 8, 8), "00000064", ("cat", "cow", "dog"), shares)


@pytest.mark.parametrize("label", ["cow", 1])
def test_a_class_of_which_all_images_were_held_out_is_refused(label: str | int) -> None:
    one = generator(0.75, 0.0, 0.25)
    said = f"--class {label}: all its images were held out of training; choose one of cat, dog"
    with pytest.raises(BadInput, match=f"^{said}$"):
        one.sample(2, label=label)
    with pytest.raises(BadInput, match="held out"):
        one.interpolate_labels("cat", label, torch.linspace(0, 1, 3))
    assert one.sample(2, label="dog").unique().tolist() == [0.5]
    assert one.sample(100).unique().tolist() == [0.0, 0.5]
    assert generator(0.5, 0.25, 0.25).sample(2, label=label).unique().tolist() == [0.25]


def test_without_a_class_the_first_one_that_was_trained_on_is_shown() -> None:
    latents = torch.zeros(3, 4)
    assert generator(0.5, 0.25, 0.25).generate(latents).unique().tolist() == [0.0]
    assert generator(0.0, 0.5, 0.5).generate(latents).unique().tolist() == [0.25]


def test_the_sheet_of_classes_leaves_it_out(tmp_path: Path) -> None:
    heights = []
    for number, shares in enumerate(((0.5, 0.25, 0.25), (0.75, 0.0, 0.25), (1.0, 0.0, 0.0))):
        write_class_grid(generator(*shares), tmp_path / str(number), 0, float("inf"))
        heights.append(Image.open(tmp_path / str(number) / "classes.png").height)
    assert heights[0] - heights[1] == heights[1] - heights[2] > 0
