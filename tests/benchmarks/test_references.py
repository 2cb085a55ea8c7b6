"""The reference loops of benchmarks/step.py compute what Zerosum computes, from the same weights, data and numbers."""

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
import references_family
import references_pair
import step_rows

NEARLY_LINEAR: dict[str, object] = {"optimizer.lr": 0.01, "optimizer.eps": 1.0}
"""Adam's first step is the sign of the gradient, which hides the scale of a loss; here it is nearly the gradient."""
ROW_SETTINGS: dict[str, dict[str, object]] = {
    # no randomness except what both sides can share
    "acgan": {"discriminator.dropout": 0},
    "fastgan": {"augment.p": 0},
    "projected": {"augment.p": 0},
    # effects that are small in the first round, made larger
    "biggan": {"terms.orthogonal.weight": 0.1},
    "wgan": {"optimizer.weight_clip.discriminator": 1.005},
}
TOLERANCES = {"cgan-projection": 5e-3, "projected": 5e-3, "sngan": 0.03}
"""Largest difference of the weights as a fraction of their change. Zerosum processes real and fake samples in one batch
where it can, so its spectral norms have had one power iteration less."""


class RecordingLoader(Iterator[Batch]):
    """A loader that records what the reference needs: real images, and the inputs of the generator for fakes."""

    def __init__(self, game: AdversarialGame, batches: Iterator[Batch]) -> None:
        self.batches = batches
        self.reals: list[tuple[Tensor, Tensor]] = []
        self.fake_inputs: list[dict[str, Tensor]] = []
        self.latent_distribution = game.latent_distribution
        self.expected_moves = [
            (move.player, move.every_rounds > 1)
            for move in game.moves
            if not move.reuses_batch
            for _ in range(move.steps)
        ]

    def __next__(self) -> Batch:
        batch, (player, is_lazy) = next(self.batches), self.expected_moves.pop(0)
        label = batch.get("label", torch.zeros(len(batch["seed"]), dtype=torch.int64))
        if player == "discriminator":
            self.reals.append((batch["real"].clone(), label))
        if player == "generator" or not is_lazy:
            latent = self.latent_distribution.sample(batch["seed"])
            self.fake_inputs.append({"latent": latent, "label": label, "seed": batch["seed"]})
        return batch


class RecordedNumbers:
    """Replaces the random numbers of a reference by those that Zerosum derived from seeds."""

    def __init__(self, fake_inputs: list[dict[str, Tensor]]) -> None:
        self.fake_inputs = fake_inputs

    def draw(self) -> dict[str, Tensor]:
        self.last = self.fake_inputs.pop(0)
        return self.last

    def rand(self, *shape: int) -> Tensor:
        return seeded_rng.uniform(self.last["seed"], 1, seeded_rng.RandomStream.INTERPOLATION).view(shape)

    def rand_like(self, sample: Tensor) -> Tensor:
        numbers = seeded_rng.uniform(self.last["seed"], sample[0].numel(), seeded_rng.RandomStream.PERTURBATION)
        return numbers.view_as(sample)

    def randn_like(self, sample: Tensor) -> Tensor:
        numbers = seeded_rng.normal(self.last["seed"], sample[0].numel(), seeded_rng.RandomStream.LAYER_NOISE)
        return numbers.view_as(sample)


def converge_spectral_norms(game: AdversarialGame, batch: Batch) -> None:
    """Run power iterations until one pass more or less makes no difference.

    Zerosum processes real and fake samples in one batch where it can, the references in two.
    """
    with torch.no_grad():
        for _ in range(30):
            game.discriminate(DiscriminatorInput(batch["real"][:2], batch["label"][:2] if "label" in batch else None))


def flat_weights(network: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


@pytest.mark.parametrize("name", list(step_rows.FAMILY))
def test_a_round_changes_the_weights_as_the_reference_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row = replace(step_rows.FAMILY[name], batch_size=8)
    row.settings = row.settings | NEARLY_LINEAR | ROW_SETTINGS.get(name, {})
    dataset = step_rows.make_noise_dataset(row, 64)
    game, accelerator = step_rows.build_row_game(row, dataset)
    converge_spectral_norms(game.train(), next(BatchLoader(dataset, 8, 0)))
    networks = {"generator": copy.deepcopy(game.generator), "discriminator": copy.deepcopy(game.discriminator)}
    initial_weights = {player: flat_weights(network) for player, network in networks.items()}
    loader = RecordingLoader(game, BatchLoader(dataset, 8, 0))
    play_round(game, loader, accelerator, Progress(), Meter())

    numbers, recipe = RecordedNumbers(loader.fake_inputs), step_rows.build_recipe(row)
    monkeypatch.setattr(references_pair.Pair, "draw", lambda pair: numbers.draw())
    monkeypatch.setattr(references_pair, "diffaugment", lambda images, policy: images)
    monkeypatch.setattr(references_family, "use_global_rng", lambda generator: None)
    reference_step = row.reference(networks["generator"], networks["discriminator"], iter(loader.reals), recipe)
    with monkeypatch.context() as patch:
        for function in ("rand", "rand_like", "randn_like"):
            patch.setattr(torch, function, getattr(numbers, function))
        reference_step()
    assert not loader.fake_inputs
    for player, network in networks.items():
        change = flat_weights(game.players[player].network) - initial_weights[player]
        reference_change = flat_weights(network) - initial_weights[player]
        assert (change - reference_change).norm() < TOLERANCES.get(name, 1e-3) * change.norm(), player
