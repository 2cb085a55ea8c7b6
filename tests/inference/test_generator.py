"""Classes, seeds and conditions of a trained generator; classes without training examples are refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from zerosum.data.codec import Codec, Items
from zerosum.data.images.codec import ImageCodec
from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.latent import Normal
from zerosum.game.sample_spec import SampleSpec, TensorSpec
from zerosum.game.types import Sample
from zerosum.inference.conditions import repeat_condition
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
    codec = ImageCodec((1, 8, 8))
    return Generator(ConstantImage(), Normal(size=4), "images", codec, "00000064", ("cat", "cow", "dog"), class_priors)


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


# ---------------------------------------------------------------------- codecs: seeds, conditions, trees


class RoundingCodec(Codec):
    """Samples are trees of two tensors, generated under a condition; items are their sums, randomly rounded."""

    @property
    def spec(self) -> SampleSpec:
        return {"whole": TensorSpec((1,)), "part": {"half": TensorSpec((1,))}}

    def encode(self, raw: Sample) -> Sample:
        return raw

    def decode(self, sample: Sample, seed: Tensor) -> Items:
        total = sample["whole"] + sample["part"]["half"]
        threshold = seeded_rng.uniform(seed, 1, seeded_rng.RandomStream.INTERPOLATION)
        return np.asarray((total + threshold).floor().numpy())

    def embed(self, sample: Sample) -> Tensor:
        return sample["whole"]

    @property
    def condition_spec(self) -> SampleSpec:
        return {"target": TensorSpec((1,))}

    def draw_conditions(self, seed: Tensor, label: Tensor | None) -> Sample:
        return {"target": 10 * seeded_rng.uniform(seed, 1, seeded_rng.RandomStream.LAYER_NOISE)}


class TreeGenerator(nn.Module):
    """Generates the condition, divided into two parts."""

    condition_inputs = ("condition",)

    def __init__(self) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.tensor(0.75))

    def forward(self, latent: Tensor, condition: Sample) -> Sample:
        return {"whole": self.share * condition["target"], "part": {"half": (1 - self.share) * condition["target"]}}


@pytest.fixture
def tree_generator() -> Generator:
    return Generator(TreeGenerator(), Normal(size=4), "trees", RoundingCodec(), "00000064")


def test_a_sample_of_a_seed_is_always_the_same_item(tree_generator: Generator) -> None:
    """Whatever the batch and the number of the first sample: latents, conditions and the decoding follow its seed."""
    samples = tree_generator.sample(20, seed=3)
    items = tree_generator.decode(samples, seed=3)
    later = tree_generator.sample(8, seed=3, first=12, batch_size=3)
    assert torch.equal(later["part"]["half"], samples["part"]["half"][12:])
    assert np.array_equal(tree_generator.decode(later, seed=3, first=12), items[12:])
    assert not np.array_equal(tree_generator.decode(samples, seed=4), items), "the decoding is random"
    total = (samples["whole"] + samples["part"]["half"]).numpy()
    assert np.all(np.abs(items - total) <= 1)
    assert total.std() > 1, "conditions are drawn"


def test_samples_are_generated_under_given_conditions(tree_generator: Generator) -> None:
    wanted = torch.tensor([[2.0], [4.0], [8.0]])
    samples = tree_generator.sample(3, condition={"target": wanted}, batch_size=2)
    assert torch.allclose(samples["whole"], 0.75 * wanted)
    assert torch.allclose(samples["part"]["half"], 0.25 * wanted)


def test_one_condition_is_repeated_for_all_samples(tree_generator: Generator) -> None:
    condition = repeat_condition(tree_generator.codec, [4.0], 3)
    assert torch.equal(condition["target"], torch.full((3, 1), 4.0))
    assert torch.allclose(tree_generator.sample(3, condition=condition)["whole"], torch.tensor(3.0))
    for numbers in ([1.0, 2.0], [float("nan")]):
        with pytest.raises(BadInput, match="`given`"):
            repeat_condition(tree_generator.codec, numbers, 3)
