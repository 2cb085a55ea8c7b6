"""Small data and games whose state of health is known, for the doctor to look at."""

import copy
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zerosum.data.dataset import Dataset
from zerosum.data.images.summary import DatasetSummary
from zerosum.data.points.mixtures import GaussianMixture, make_ring_mixture
from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.game import seeded_rng
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.config import AdversarialGameConfig
from zerosum.game.latent import Normal
from zerosum.game.objective import NonSaturating, Wasserstein
from zerosum.game.optimizer import Adam
from zerosum.game.types import Batch, DiscriminatorOutput
from zerosum.networks.configs import MLPDiscriminatorConfig, MLPGeneratorConfig

SAMPLES = 256
CPU = torch.device("cpu")


def shown(toy: GaussianMixture, modes: list[int], each: int, seed: int) -> np.ndarray:
    """Exactly so many points of each of these modes, mode by mode: (len(modes) * each, 2) float32."""
    offsets = toy.std * np.random.default_rng(seed).standard_normal((len(modes) * each, 2))
    return (toy.modes[np.repeat(modes, each)] + offsets).astype(np.float32)


def examples(train: np.ndarray, held_out: np.ndarray, labels: np.ndarray | None = None) -> Dataset:
    """Points (or pictures), and their classes where there are any, as the intake would give them."""
    values = np.concatenate([train, held_out])
    classes = () if labels is None else tuple(str(name) for name in range(labels.max() + 1))
    labels = np.zeros(len(values), np.int64) if labels is None else labels.astype(np.int64)
    places, kind = np.arange(len(values)), "points" if train.ndim == 2 else "images"
    summary = DatasetSummary("here", kind, len(values), train=len(train), held_out=len(held_out))
    keys = np.arange(len(values), dtype=np.uint64)
    return Dataset(values, labels, classes, keys, places[: len(train)], places[len(train) :], summary)


def ring_examples(classes: bool = False) -> Dataset:
    """The ring, evenly: 200 points a mode to train on, 32 a mode held out. A class is a mode."""
    everywhere = list(range(8))
    labels = np.concatenate([np.repeat(everywhere, 200), np.repeat(everywhere, 32)])
    return examples(
        shown(make_ring_mixture(), everywhere, 200, 1),
        shown(make_ring_mixture(), everywhere, 32, 2),
        labels if classes else None,
    )


def bench(data: Dataset | None = None, samples: int = SAMPLES, part: int = 64) -> ReferenceSet:
    return ReferenceSet(data or ring_examples(), samples, part, CPU)


class Shift(nn.Module):
    """A generator that moves its latent (N, 2): samples are normal around `where`."""

    def __init__(self, where: tuple[float, float] = (0.0, 0.0), scale: float = 1.0) -> None:
        super().__init__()
        self.where, self.scale = nn.Parameter(torch.tensor(where)), scale

    def forward(self, latent: Tensor) -> Tensor:
        return self.scale * latent + self.where


class Slope(nn.Module):
    """A linear discriminator of the plane."""

    def __init__(self, weight: tuple[float, float]) -> None:
        super().__init__()
        self.score = nn.Linear(2, 1, bias=False)
        with torch.no_grad():
            self.score.weight.copy_(torch.tensor([weight]))

    def forward(self, sample: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.score(sample)[:, 0])


def flat_game(generator: nn.Module, weight: tuple[float, float], lr: float = 0.01, objective=None, **more: Any):
    """Against a linear discriminator, for scores themselves; a step of Adam without memory is `lr` a weight."""
    rule = Adam(lr=lr, beta1=0.0, beta2=0.5)
    return AdversarialGame(generator, Slope(weight), Normal(size=2), objective or Wasserstein(), {}, rule, 50.0, **more)


def mlp_game(objective=None, terms=None, lr: float = 1e-3, classes: int = 0, **more: Any) -> AdversarialGame:
    """Two small networks; `more` sets the discriminator's shape."""
    torch.manual_seed(0)
    conditioning = {"condition": "concat", "condition_size": 3} if classes else {}
    heard = {"condition": "projection", "condition_size": 2} if classes else {}
    generator = MLPGeneratorConfig(widths=(16,), **conditioning).build(4, (2,), False, classes)
    discriminator = MLPDiscriminatorConfig(widths=(16, 16), **{"dropout": 0} | heard | more).build((2,), classes)
    return AdversarialGame(
        generator, discriminator, Normal(size=4), objective or NonSaturating(), terms or {},
        Adam(lr=lr, beta1=0.5, beta2=0.9), 50.0, config=AdversarialGameConfig(),
        class_priors=[1 / classes] * classes if classes else (), sample_shape=(2,),
    )  # fmt: skip


def normal_batches(count: int, n: int = 64, first: int = 0) -> list[Batch]:
    """Standard normal points of the plane with seeds."""
    dice = np.random.default_rng(first)
    points = [torch.from_numpy(dice.standard_normal((n, 2)).astype(np.float32)) for _ in range(count)]
    return [{"real": real, "seed": seeded_rng.derive_seeds(5, first + n * k, n)} for k, real in enumerate(points)]


def everything(game: AdversarialGame) -> list[Any]:
    """All that a game is, and the dice, copied: weights, gradients, what optimizers remember, who may learn."""
    return [
        torch.get_rng_state(),
        {name: tensor.clone() for name, tensor in game.state_dict().items()},
        [module.training for module in game.modules()],
        [(p.requires_grad, p.grad is None or p.grad.clone()) for p in game.parameters()],
        [copy.deepcopy(player.optimizer.state_dict()) for player in game.players.values()],
        [len(module._forward_pre_hooks) + len(module._forward_hooks) for module in game.modules()],
    ]


def same(one: Any, other: Any) -> bool:
    """Whether two trees are equal to the last bit."""
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) or (isinstance(one, float) and math.isnan(one) and math.isnan(other))
