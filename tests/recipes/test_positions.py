"""Discriminators of spectrograms see positions: which pitch, and which time."""

import pytest
import torch
from torch import Tensor

from zerosum.data.kind import DATA_KINDS
from zerosum.game.sample_spec import TensorSpec
from zerosum.recipes.files import check_recipe
from zerosum.recipes.variants import build_settings_tree

SPEC = TensorSpec((1, 32, 32), bounded=True)
TRAITS = DATA_KINDS.find("audio").traits
SMALL = {"dcgan": {"width": 8, "max_width": 8}, "r3gan": {}, "resnet": {"widths": (8,)}}


def score_of_moved_maps(recipe: str, traits: tuple[str, ...], size: str = "nano") -> tuple[Tensor, Tensor]:
    """The scores of two samples, and those where the last map of features is moved by a cell to either side."""
    config = check_recipe(build_settings_tree(recipe, size, {}, {}, traits)).discriminator
    config = config.model_copy(update=SMALL[config.kind])
    torch.manual_seed(0)
    network = config.build(SPEC, 3 if config.condition != "none" else 0).eval()
    inputs = [torch.randn(2, *SPEC.shape), *([torch.tensor([0, 2])] if config.condition != "none" else [])]
    last_map = [module for name, module in network.named_modules() if name.endswith(("stages", "same_size_blocks"))][-1]
    with torch.no_grad():
        score = network(*inputs).score
        last_map.register_forward_hook(lambda module, given, output: output.roll((1, 1), (2, 3)))
        return score, network(*inputs).score


@pytest.mark.parametrize("size", ["nano", "small"])
@pytest.mark.parametrize("recipe", ["auto", "cgan", "r3gan", "biggan", "sngan", "cgan-projection"])
def test_the_score_depends_on_positions(recipe: str, size: str) -> None:
    score, moved = score_of_moved_maps(recipe, TRAITS, size)
    assert isinstance(score, Tensor)
    assert (score - moved).abs().max() > 0.02 * score.abs().max()


def test_that_of_images_is_a_sum_over_positions_where_the_paper_has_it() -> None:
    score, moved = score_of_moved_maps("biggan", ())
    assert torch.allclose(score, moved, rtol=1e-4)
