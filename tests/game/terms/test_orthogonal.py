"""Orthogonal regularization against the sum over pairs of filters."""

from itertools import permutations

import pytest
import torch
from torch import Tensor, nn

from zerosum.game.play import DiscriminatorInput, Play
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Progress
from zerosum.game.terms.orthogonal import OrthogonalRegularization
from zerosum.networks.configs.resnet import ResNetGeneratorConfig


class GameStub(nn.Module):
    """The part of a game that the term reads."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator


def orthogonal_term(generator: nn.Module) -> Tensor:
    real = torch.zeros(1, 1)
    play = Play(GameStub(generator), pytest.fail, DiscriminatorInput(real), pytest.fail, {"real": real}, Progress())
    return OrthogonalRegularization()(play)


def sum_over_pairs(filters: list[Tensor]) -> float:
    """Return the sum of the squared inner products of all ordered pairs of different filters."""
    return sum((a.flatten() @ b.flatten()).item() ** 2 for a, b in permutations(filters, 2))


def test_term_equals_the_sum_over_pairs_of_filters() -> None:
    torch.manual_seed(0)
    linear, convolution = nn.Linear(3, 5).double(), nn.Conv2d(2, 4, 3).double()
    transposed = nn.ConvTranspose2d(2, 3, 4).double()  # its weight has the input channels first
    expected = [sum_over_pairs(list(linear.weight)), sum_over_pairs(list(convolution.weight))]
    expected.append(sum_over_pairs(list(transposed.weight.transpose(0, 1))))
    assert min(expected) > 0.01
    for layer, expected_term in zip((linear, convolution, transposed), expected, strict=True):
        assert orthogonal_term(layer).item() == pytest.approx(expected_term, rel=1e-12)
    assert orthogonal_term(nn.Sequential(linear, convolution, transposed)).item() == pytest.approx(
        sum(expected), rel=1e-12
    )


def test_orthogonal_filters_of_any_norm_have_term_zero() -> None:
    layer = nn.Linear(4, 3, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.diag(torch.tensor([1.0, 20.0, 0.1, 7.0]))[:3])
    assert orthogonal_term(layer).item() == 0
    with torch.no_grad():
        layer.weight[0, 1] = 0.5  # |w0 . w1|^2 = (0.5 * 20)^2, twice
    assert orthogonal_term(layer).item() == pytest.approx(200)


def test_class_embeddings_norms_and_biases_are_excluded() -> None:
    torch.manual_seed(0)
    config = ResNetGeneratorConfig(
        widths=(4,), condition="conditional-batch-norm", hierarchical_latent=True, attention_side=8, spectral_norm=True
    )
    network = config.build(6, TensorSpec((1, 16, 16), bounded=True), num_classes=5)
    term = orthogonal_term(network)
    term.backward()
    regularized = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    excluded = {name for name, _ in network.named_parameters()} - regularized
    class_embedding = "conditioning.class_embedding.embedding.weight"
    single_filter = "output_layer.1.parametrizations.weight.original"  # one output channel has no pairs of filters
    single_filters = {f"attentions.0.{name}.parametrizations.weight.original" for name in ("query", "key")}
    assert {name for name in excluded if not name.endswith("bias")} == {
        class_embedding,
        "attentions.0.gain",
        "output_norm.norm.weight",
        single_filter,
        *single_filters,
    }
    expected = sum(
        sum_over_pairs(list(p.detach().flatten(1)))
        for name, p in network.named_parameters()
        if p.dim() > 1 and name != class_embedding
    )
    assert term.item() == pytest.approx(expected, rel=1e-5)


def test_gradient_of_the_term() -> None:
    """d |W W^T (1 - I)|^2 / d W = 4 (W W^T (1 - I)) W."""
    torch.manual_seed(0)
    layer = nn.Linear(6, 4, bias=False).double()
    orthogonal_term(layer).backward()
    weight = layer.weight.detach()
    expected = 4 * ((weight @ weight.T) * (1 - torch.eye(4))) @ weight
    torch.testing.assert_close(layer.weight.grad, expected)


def test_autocast_does_not_change_the_term() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(64, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        term = orthogonal_term(layer)
    assert term.dtype == torch.float32
    assert term.item() == pytest.approx(orthogonal_term(layer).item(), rel=1e-6)


def test_defaults_are_those_of_the_paper() -> None:
    term = OrthogonalRegularization()
    assert (term.player, term.weight, term.every_rounds) == ("generator", 1e-4, 1)
    assert term.input_gradients_at == frozenset()
