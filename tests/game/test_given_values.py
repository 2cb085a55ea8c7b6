"""Conditions of which any value may be given: what networks see of them, and errors of predictions."""

import torch

from zerosum.game.given_values import GivenValues

TRAINING = {
    "values": torch.tensor([[1.0, 2.0], [0.0, 3.0]]),
    "known": torch.tensor([[1.0, 0.0], [1.0, 1.0]]),
    "labeled": torch.tensor([[1.0, 1.0], [0.0, 1.0]]),
}
PREDICTED = torch.tensor([[4.0, 4.0], [7.0, 5.0]])


def test_networks_see_values_that_are_given_and_true() -> None:
    joined = GivenValues.of(TRAINING).join(torch.zeros(2, 1))
    assert joined.tolist() == [[0, 1, 0, 1, 0], [0, 0, 3, 0, 1]]


def test_predictions_stand_for_what_is_not_known() -> None:
    completed = GivenValues.of(TRAINING).complete(PREDICTED)
    assert GivenValues.of(completed).join(torch.zeros(2, 0)).tolist() == [[1, 0, 1, 0], [7, 3, 1, 1]]


def test_what_a_generator_is_asked_for_needs_no_labels() -> None:
    asked = {"values": torch.tensor([[2.0]]), "known": torch.tensor([[1.0]])}
    assert GivenValues.of(asked).join(torch.zeros(1, 0)).tolist() == [[2, 1]]


def test_errors_are_those_of_true_values_and_of_given_ones() -> None:
    given = GivenValues.of(TRAINING)
    assert given.squared_error(PREDICTED).tolist() == [(9 + 4) / 2, 4 / 2]
    assert given.squared_distance(PREDICTED).tolist() == [9 / 2, (49 + 4) / 2]
