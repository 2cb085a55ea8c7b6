"""BigGAN's orthogonal term against the sum over pairs of filters."""

from itertools import permutations

import pytest
import torch
from torch import Tensor, nn

from zerosum.game.play import Play
from zerosum.game.schedule import Progress
from zerosum.game.terms.orthogonal import OrthogonalRegularization
from zerosum.networks.configs.resnet import ResNetGeneratorConfig


class Stage(nn.Module):
    """A game as far as the term can see it."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator


def value(generator: nn.Module) -> Tensor:
    nothing = torch.zeros(1, 1)
    never = pytest.fail
    return OrthogonalRegularization()(Play(Stage(generator), never, nothing, never, {"real": nothing}, Progress()))


def by_pairs(filters: list[Tensor]) -> float:
    """The squared products of all ordered pairs of different filters."""
    return sum((a.flatten() @ b.flatten()).item() ** 2 for a, b in permutations(filters, 2))


def test_it_is_the_sum_over_pairs_of_filters() -> None:
    torch.manual_seed(0)
    linear, convolution = nn.Linear(3, 5).double(), nn.Conv2d(2, 4, 3).double()
    transposed = nn.ConvTranspose2d(2, 3, 4).double()  # its weight has the inputs first
    expected = [by_pairs(list(linear.weight)), by_pairs(list(convolution.weight))]
    expected.append(by_pairs(list(transposed.weight.transpose(0, 1))))
    assert min(expected) > 0.01
    for layer, each in zip((linear, convolution, transposed), expected, strict=True):
        assert value(layer).item() == pytest.approx(each, rel=1e-12)
    assert value(nn.Sequential(linear, convolution, transposed)).item() == pytest.approx(sum(expected), rel=1e-12)


def test_filters_at_right_angles_cost_nothing_whatever_their_length() -> None:
    layer = nn.Linear(4, 3, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.diag(torch.tensor([1.0, 20.0, 0.1, 7.0]))[:3])
    assert value(layer).item() == 0
    with torch.no_grad():
        layer.weight[0, 1] = 0.5  # |w0 . w1|^2 = (0.5 * 20)^2, twice
    assert value(layer).item() == pytest.approx(200)


def test_class_vectors_norms_and_biases_are_spared() -> None:
    torch.manual_seed(0)
    shape = ResNetGeneratorConfig(
        widths=(4,), condition="norm", hierarchical_latent=True, attention_side=8, spectral_norm=True
    )
    network = shape.build(6, (1, 16, 16), bounded=True, num_classes=5)
    before = value(network)
    before.backward()
    learning = {name for name, each in network.named_parameters() if each.grad is not None and each.grad.any()}
    spared = {name for name, _ in network.named_parameters()} - learning
    lone = "picture.1.parametrizations.weight.original"  # one channel: a single filter has none to be at an angle with
    narrow = {f"after.0.{name}.parametrizations.weight.original" for name in ("query", "key")}
    assert "told.vectors.table.weight" in spared
    assert {name for name in spared if not name.endswith("bias")} == {
        "told.vectors.table.weight",
        "after.0.gain",
        "norm.norm.weight",
        lone,
        *narrow,
    }
    expected = sum(
        by_pairs(list(each.detach().flatten(1)))
        for name, each in network.named_parameters()
        if each.dim() > 1 and name != "told.vectors.table.weight"
    )
    assert before.item() == pytest.approx(expected, rel=1e-5)


def test_it_pulls_by_four_times_the_skew() -> None:
    """d |W W^T (1 - I)|^2 / d W = 4 (W W^T (1 - I)) W."""
    torch.manual_seed(0)
    layer = nn.Linear(6, 4, bias=False).double()
    value(layer).backward()
    weight = layer.weight.detach()
    expected = 4 * ((weight @ weight.T) * (1 - torch.eye(4))) @ weight
    torch.testing.assert_close(layer.weight.grad, expected)


def test_half_precision_does_not_reach_it() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(64, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = value(layer)
    assert rounded.dtype == torch.float32
    assert rounded.item() == pytest.approx(value(layer).item(), rel=1e-6)


def test_it_is_the_generators_and_weighs_as_in_the_paper() -> None:
    assert (
        OrthogonalRegularization().player,
        OrthogonalRegularization().weight,
        OrthogonalRegularization().every_rounds,
    ) == ("generator", 1e-4, 1)
    assert OrthogonalRegularization().input_gradients_at == frozenset()
