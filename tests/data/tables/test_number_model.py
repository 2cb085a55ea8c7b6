"""The normal distribution of the numbers of rows, given their categories."""

import torch

from zerosum.data.tables.number_model import find_tight, fit_number_model, model_tensors, restore_model
from zerosum.game.sample_spec import Block, TensorSpec

SPEC = TensorSpec((5,), blocks=(Block(2), Block(has_value=True), Block(has_value=True), Block(has_value=True)))


def make_rows(count: int = 4_000) -> torch.Tensor:
    """The first number is 1 higher in the second category; the second is the first, nearly; the third is alone."""
    generator = torch.Generator().manual_seed(0)
    category = torch.randint(2, (count,), generator=generator)
    first = category + 0.5 * torch.randn(count, generator=generator)
    second = first + 0.05 * torch.randn(count, generator=generator)
    alone = torch.randn(count, generator=generator)
    return torch.cat([torch.eye(2)[category], torch.stack([first, second, alone], 1)], 1)


def test_means_depend_on_categories_and_deviations_are_what_is_left() -> None:
    model = fit_number_model(make_rows(), SPEC)
    assert model is not None
    weights, covariance = torch.tensor(model.weights), torch.tensor(model.covariance)
    assert (weights[:, 2:] == 0).all(), "of categories alone"
    steps = weights[:, 1] - weights[:, 0]
    assert torch.allclose(steps, torch.tensor([1.0, 1.0, 0.0]), atol=0.1)
    assert torch.allclose(covariance.diagonal().sqrt(), torch.tensor([0.5, 0.5, 1.0]), atol=0.03)


def test_numbers_that_determine_each_other_are_found() -> None:
    rows = make_rows()
    model = fit_number_model(rows, SPEC)
    assert model is not None
    assert find_tight(model, rows, SPEC) == [1, 2]


def test_the_distribution_is_saved() -> None:
    model = fit_number_model(make_rows(), SPEC)
    assert restore_model(model_tensors(model)) == model
    assert restore_model({}) is None
    assert model_tensors(None) == {}


def test_nothing_is_fitted_to_one_number_or_too_few_rows() -> None:
    assert fit_number_model(make_rows()[:, :3], TensorSpec((3,), blocks=SPEC.blocks[:2])) is None
    assert fit_number_model(make_rows(9), SPEC) is None
