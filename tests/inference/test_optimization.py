"""The search for samples with a high score in the latent space of a generator."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from point_scores import PointScores
from zerosum.data.codec import Items
from zerosum.data.item_scores import ScoreRange
from zerosum.data.points.kind import PointCodec
from zerosum.errors import BadInput
from zerosum.game.latent import Normal
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.types import Sample
from zerosum.inference import optimization
from zerosum.inference.generator import Generator
from zerosum.inference.optimization import LatentSearch, Objective, choose_different


class Plane(nn.Module):
    """The first two numbers of the latent, in the square from -2 to 2."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))

    def forward(self, latent: Tensor) -> Tensor:
        return 2 * (self.scale * latent[:, :2]).tanh()


class AskedPlane(Plane):
    """The same, moved to the right by what is asked for."""

    condition_inputs = ("condition",)

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        return super().forward(latent) + torch.cat([condition, torch.zeros_like(condition)], 1)


class AskedCodec(PointCodec):
    """Points whose first coordinate can be asked for."""

    condition_spec = TensorSpec((1,))
    condition_names = ("x",)

    def draw_conditions(self, seed: Tensor, label: Tensor | None) -> Sample:
        return torch.zeros(len(seed), 1)

    def set_condition(self, condition: Tensor, name: str, value: str) -> Sample:  # type: ignore[override]
        return torch.full_like(condition, float(value))


def make_search(objective: Objective, seed: int = 0) -> LatentSearch:
    generator = Generator(Plane(), Normal(size=4), "points", PointCodec(2), "00000064")
    return LatentSearch(generator, PointScores(), objective, num_parents=10, seed=seed)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_rounds_around_the_best_find_better_ones_than_new_draws(sign: float) -> None:
    drawn, improved = make_search(Objective("x", sign)), make_search(Objective("x", sign))
    for number in range(6):
        drawn.explore(100)
        improved.explore(100) if number == 0 else improved.improve(100)
    assert drawn.num_drawn == improved.num_drawn == 600
    means = [sign * search.choose(10, (1.0,)).scores.mean() for search in (drawn, improved)]
    assert means[1] > means[0] + (0.05 if sign > 0 else 0)
    if sign < 0:
        assert improved.choose(600, (1.0,)).scores.min() >= -1, "what is less is invalid"


def test_the_search_is_reproducible() -> None:
    scores = []
    for seed in (3, 3, 4):
        search = make_search(Objective("x", 1.0), seed)
        search.improve(50)  # without parents yet
        search.improve(50)
        scores.append(search.choose(5).scores.tolist())
    assert scores[0] == scores[1] != scores[2]


def test_what_does_not_pass_or_is_known_or_was_found_is_left_out() -> None:
    known = set(PointScores().name_items(make_search(Objective("x", 1.0))._generator.sample(20).numpy()))
    objective = Objective(
        "x", 1.0, lambda items: items[:, 1] > 0, lambda names: np.array([name in known for name in names])
    )
    search = make_search(objective)
    search.explore(100)
    found = search.choose(100, (1.0,))
    assert (found.items[:, 1] > 0).all()
    assert not known & set(PointScores().name_items(found.items))
    assert search.num_found == len(found.scores) < 60
    count = search.num_found
    search._add(found.latents, found.seeds, found.requests)
    assert search.num_found == count, "equal ones are no others"


def test_chosen_ones_differ_from_each_other() -> None:
    search = make_search(Objective("x", 1.0))
    search.explore(400)
    chosen = search.choose(8)
    similarity = PointScores().compare(chosen.items, chosen.items)
    assert len(chosen.scores) == 8
    assert (similarity[~np.eye(8, dtype=bool)] < 0.5).all()
    assert (np.diff(chosen.scores) <= 0).all(), "the best comes first"

    def compare(items: Items, others: Items) -> NDArray[np.float32]:
        return (1 - np.abs(items[:, None] - others)).astype(np.float32)

    assert len(choose_different(np.ones(5), compare, 3, 1.0)) == 3, "a limit of 1 leaves none out"
    assert len(choose_different(np.ones(5), compare, 3, 0.9)) == 1


@pytest.mark.parametrize("together", [1, 7, 100])
def test_items_are_chosen_alike_however_many_are_compared_together(
    together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Greedily: each chosen one is less similar than the limit to all chosen before it, and no other left out is."""
    monkeypatch.setattr(optimization, "COMPARED_TOGETHER", together)
    items = np.random.default_rng(0).random(60)
    expected: list[int] = []
    for place, item in enumerate(items):
        if len(expected) < 12 and all(1 - abs(item - items[other]) < 0.95 for other in expected):
            expected.append(place)
    chosen = choose_different(items, lambda first, second: 1 - np.abs(first[:, None] - second), 12, 0.95)
    assert chosen.tolist() == expected


def test_high_scores_are_asked_for_as_far_as_the_training_data_have_them() -> None:
    scores = PointScores()
    scores.range = ScoreRange(mean=1.0, low=-3.0, high=5.0)
    generator = Generator(AskedPlane(), Normal(size=4), "points", AskedCodec(2), "00000064")
    ends = {}
    for sign in (1.0, -1.0):
        search = LatentSearch(generator, scores, Objective("x", sign), 10, 0)
        search.explore(300)
        ends[sign] = search.choose(1).scores[0]
    assert 5 < ends[1.0] < 7, "5 at most is asked for, and the network makes up to 2 more"
    assert ends[-1.0] >= -1


def test_nothing_found_is_refused() -> None:
    search = make_search(Objective("x", 1.0, lambda items: items[:, 0] > 100))
    search.explore(50)
    with pytest.raises(BadInput, match=r"^none of \d+ valid ones of 50 samples is new and passes `keep`"):
        search.choose(1)
