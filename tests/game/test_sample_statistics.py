"""Statistics of single samples that training logs."""

import torch

from zerosum.game.sample_statistics import compare_values


def test_an_image_of_one_color_has_no_contrast_and_may_be_saturated() -> None:
    noise = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)).mul(0.3).clamp(-0.9, 0.9)
    statistics = compare_values(noise, torch.ones(4, 3, 16, 16))
    assert statistics["fake_contrast"].tolist() == [0.0] * 4
    assert statistics["fake_saturation"].tolist() == [1.0] * 4
    assert statistics["real_saturation"].tolist() == [0.0] * 4
    assert torch.all((statistics["real_contrast"] - 0.3).abs() < 0.05)


def test_trees_are_measured_as_a_whole_and_points_not_at_all() -> None:
    tree = {"a": torch.zeros(2, 64), "b": torch.ones(2, 64)}
    assert compare_values(tree, tree)["real_saturation"].tolist() == [0.5, 0.5]
    assert compare_values(torch.zeros(2, 2), torch.zeros(2, 2)) == {}
