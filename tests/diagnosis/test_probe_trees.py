"""Probes of games whose samples are trees of tensors, generated under numeric conditions."""

import math

import numpy as np
import pytest
import torch
from broken_games import CPU, is_identical, snapshot
from torch import Tensor, nn

from zerosum.data.codec import Codec, Items
from zerosum.data.dataset import Dataset
from zerosum.data.loader import BatchLoader
from zerosum.data.summary import DatasetSummary
from zerosum.diagnosis.probe import GameProbe
from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.diagnosis.signal_catalog import describe_signal
from zerosum.game import seeded_rng
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.latent import Normal
from zerosum.game.objective import NonSaturating
from zerosum.game.optimizer import Adam
from zerosum.game.parts import GameParts
from zerosum.game.sample_spec import SampleSpec, TensorSpec
from zerosum.game.schedule import Progress
from zerosum.game.terms import R1
from zerosum.game.types import DiscriminatorOutput, Sample
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import play_round, trial_step
from zerosum.training.meter import Meter

PROGRESS = Progress(3, 192)


class OrderCodec(Codec):
    """An order: its amounts (3,) and whether it was paid (1,), stored as bytes and as a bit."""

    @property
    def spec(self) -> SampleSpec:
        return {"amounts": TensorSpec((3,)), "paid": TensorSpec((1,), bounded=True)}

    def encode(self, raw: Sample) -> Sample:
        return {"amounts": raw["amounts"].float() / 100 - 1, "paid": 2 * raw["paid"].float() - 1}

    def decode(self, sample: Sample, seed: Tensor) -> Items:
        return np.asarray(self.embed(sample).numpy())

    def embed(self, sample: Sample) -> Tensor:
        return torch.cat([sample["amounts"], sample["paid"]], 1).detach().float().cpu()

    def draw_conditions(self, seed: Tensor, label: Tensor | None) -> Sample:
        return {"budget": seeded_rng.uniform(seed, 1, seeded_rng.RandomStream.CLASS)}


class OrderGenerator(nn.Module):
    condition_inputs = ("condition",)

    def __init__(self) -> None:
        super().__init__()
        self.amounts, self.paid = nn.Linear(5, 3), nn.Linear(5, 1)

    def forward(self, latent: Tensor, condition: Sample) -> Sample:
        hidden = torch.cat([latent, condition["budget"]], 1)
        return {"amounts": self.amounts(hidden), "paid": self.paid(hidden).tanh()}


class OrderDiscriminator(nn.Module):
    condition_inputs = ("condition",)

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(5, 16), nn.SiLU(), nn.Linear(16, 1))

    def forward(self, sample: Sample, condition: Sample) -> DiscriminatorOutput:
        return DiscriminatorOutput(
            self.body(torch.cat([sample["amounts"], sample["paid"], condition["budget"]], 1))[:, 0]
        )


@pytest.fixture(scope="module")
def orders() -> Dataset:
    rng, indices = np.random.default_rng(0), np.arange(400)
    values = {
        "amounts": rng.integers(0, 200, (400, 3)).astype(np.uint8),
        "paid": rng.integers(0, 2, (400, 1)).astype(bool),
    }
    return Dataset(
        values, np.zeros(400, np.int64), (), indices.astype(np.uint64), indices[:300], indices[300:],
        DatasetSummary("here", "orders", 400), OrderCodec(),
        conditions={"budget": rng.uniform(size=(400, 1)).astype(np.float32)},
    )  # fmt: skip


@pytest.fixture
def game(orders: Dataset) -> AdversarialGame:
    """A game after two rounds."""
    torch.manual_seed(0)
    game = AdversarialGame(
        GameParts(
            OrderGenerator(), OrderDiscriminator(), Normal(size=4), NonSaturating(), Adam(lr=1e-2), orders.spec,
            {"r1": R1()}, 50.0, draw_conditions=orders.codec.draw_conditions,
        )
    )  # fmt: skip
    loader, accelerator = BatchLoader(orders, 16, 0), Accelerator()
    for index in range(2):
        play_round(game, loader, accelerator, Progress(index, 16 * index), Meter())
    return game


def test_batches_have_trees_and_conditions(orders: Dataset) -> None:
    """Those of training and of held-out examples, each example with its own condition."""
    reference_set = ReferenceSet(orders, 64, 16, CPU)
    for batch in (*reference_set.train_batches(), *reference_set.held_out_batches()):
        assert {name: tuple(leaf.shape) for name, leaf in batch["real"].items()} == {
            "amounts": (16, 3),
            "paid": (16, 1),
        }
        for amounts, budget in zip(batch["real"]["amounts"], batch["condition"]["budget"], strict=True):
            stored = orders.conditions["budget"][:, 0] == budget.item()
            raw = (100 * (amounts.numpy() + 1)).round()
            assert any(np.array_equal(row, raw) for row in orders.values["amounts"][stored])
    assert reference_set.train_features.shape == (300, 4)


def test_a_probe_measures_trees_and_does_not_change_the_game(orders: Dataset, game: AdversarialGame) -> None:
    before = snapshot(game)
    probe = GameProbe(ReferenceSet(orders, 64, 16, CPU), trial_step(Accelerator()))
    signals = probe(game, PROGRESS, with_duality_gap=True)
    assert signals["monitor/finite"] == 1
    assert {"monitor/duality_gap", "monitor/diversity", "monitor/latent_sensitivity"} <= signals.keys()
    assert signals["monitor/score_input_gradient"] > 0
    assert all(math.isfinite(value) and describe_signal(name) for name, value in signals.items())
    assert is_identical(before, snapshot(game))


def test_a_tree_with_one_nan_is_found(orders: Dataset, game: AdversarialGame) -> None:
    with torch.no_grad():
        game.generator.paid.bias.fill_(math.nan)
    assert GameProbe(ReferenceSet(orders, 64, 16, CPU), trial_step(Accelerator()))(game, PROGRESS) == {
        "monitor/finite": 0.0
    }
