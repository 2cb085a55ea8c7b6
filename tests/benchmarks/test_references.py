"""The loops that steps are timed against do what ours do: from the same weights, on the same batches and numbers."""

import copy
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from zerosum.data.loader import BatchLoader
from zerosum.game import seeded_rng
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.play import DiscriminatorInput
from zerosum.game.schedule import Progress
from zerosum.game.types import Batch
from zerosum.training.loop import play_round
from zerosum.training.meter import Meter

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import references_family as family
import step

LINEAR: dict[str, object] = {"optimizer.lr": 0.01, "optimizer.eps": 1.0}
"""Adam's first step is the gradient's sign and hides how large a loss is; with this it is nearly the gradient."""
TOLD: dict[str, dict[str, object]] = {
    # nothing is random but what both sides can be given
    "acgan": {"discriminator.dropout": 0},
    "fastgan": {"augment.p": 0},
    "projected": {"augment.p": 0},
    # what is small at first tells
    "biggan": {"terms.orthogonal.weight": 0.1},
    "wgan": {"optimizer.weight_clip.discriminator": 1.005},
}
APART = {"cgan-projection": 5e-3, "projected": 5e-3, "sngan": 0.03}
"""How far apart the two may end, as a part of the way they went: ours judges real and fake in one go where it can, so
its spectral norms are a pass younger."""


class Record(Iterator[Batch]):
    """Batches, and what of them the reference is to be given: real pictures, and what fakes are made of."""

    def __init__(self, game: AdversarialGame, batches: Iterator[Batch]) -> None:
        self.batches = batches
        self.reals: list[tuple[Tensor, Tensor]] = []
        self.fakes: list[dict[str, Tensor]] = []
        self.prior = game.latent_distribution
        self.owed = [
            (move.player, move.every_rounds > 1)
            for move in game.moves
            if not move.reuses_batch
            for _ in range(move.steps)
        ]

    def __next__(self) -> Batch:
        batch, (player, lazy) = next(self.batches), self.owed.pop(0)
        label = batch.get("label", torch.zeros(len(batch["seed"]), dtype=torch.int64))
        if player == "discriminator":
            self.reals.append((batch["real"].clone(), label))
        if player == "generator" or not lazy:
            drawn = {"latent": self.prior.sample(batch["seed"]), "label": label, "seed": batch["seed"]}
            self.fakes.append(drawn)
        return batch


class Given:
    """Numbers that ours made from seeds, in place of those a reference would draw."""

    def __init__(self, fakes: list[dict[str, Tensor]]) -> None:
        self.fakes = fakes

    def draw(self) -> dict[str, Tensor]:
        self.last = self.fakes.pop(0)
        return self.last

    def rand(self, *shape: int) -> Tensor:
        return seeded_rng.uniform(self.last["seed"], 1, seeded_rng.RandomStream.INTERPOLATION).view(shape)

    def rand_like(self, sample: Tensor) -> Tensor:
        return seeded_rng.uniform(self.last["seed"], sample[0].numel(), seeded_rng.RandomStream.PERTURBATION).view_as(
            sample
        )

    def randn_like(self, sample: Tensor) -> Tensor:
        return seeded_rng.normal(self.last["seed"], sample[0].numel(), seeded_rng.RandomStream.LAYER_NOISE).view_as(
            sample
        )


def settle(game: AdversarialGame, batch: Batch) -> None:
    """Ours judges real and fake in one go where it can: spectral norms shall be as good after one pass as after two."""
    with torch.no_grad():
        for _ in range(30):
            game.discriminate(DiscriminatorInput(batch["real"][:2], batch["label"][:2] if "label" in batch else None))


def weights(network: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


@pytest.mark.parametrize("name", list(step.FAMILY))
def test_a_round_is_the_references(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row = replace(step.FAMILY[name], batch=8)
    row.settings = row.settings | LINEAR | TOLD.get(name, {})
    examples = step.noise_images(row, 64)
    game, accelerator = step.seated(row, examples)
    settle(game.train(), next(BatchLoader(examples, 8, 0)))
    theirs = {"generator": copy.deepcopy(game.generator), "discriminator": copy.deepcopy(game.discriminator)}
    before = {player: weights(network) for player, network in theirs.items()}
    record = Record(game, BatchLoader(examples, 8, 0))
    play_round(game, record, accelerator, Progress(), Meter())

    given, recipe = Given(record.fakes), step.settled(row)
    monkeypatch.setattr(family.Pair, "draw", lambda pair: given.draw())
    monkeypatch.setattr(family, "diffaugment", lambda picture, policy: picture)
    monkeypatch.setattr(family, "unseed", lambda generator: None)
    reference = row.reference(theirs["generator"], theirs["discriminator"], iter(record.reals), recipe)
    with monkeypatch.context() as patch:
        for function in ("rand", "rand_like", "randn_like"):
            patch.setattr(torch, function, getattr(given, function))
        reference()
    assert not record.fakes
    for player, network in theirs.items():
        mine, other = weights(game.players[player].network) - before[player], weights(network) - before[player]
        assert (mine - other).norm() < APART.get(name, 1e-3) * mine.norm(), player
