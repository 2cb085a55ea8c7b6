"""Small datasets, and games with known faults, for the tests of the diagnosis."""

import copy
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zerosum.data.dataset import Dataset
from zerosum.data.images.codec import ImageCodec
from zerosum.data.points.kind import PointCodec
from zerosum.data.points.mixtures import GaussianMixture, make_ring_mixture
from zerosum.data.summary import DatasetSummary
from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.game import seeded_rng
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.latent import Normal
from zerosum.game.objective import NonSaturating, Wasserstein
from zerosum.game.optimizer import Adam
from zerosum.game.parts import GameParts
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.types import Batch, DiscriminatorOutput
from zerosum.networks.configs import MLPDiscriminatorConfig, MLPGeneratorConfig

NUM_SAMPLES = 256
CPU = torch.device("cpu")


def sample_modes(mixture: GaussianMixture, modes: list[int], count: int, seed: int) -> np.ndarray:
    """Exactly `count` points of each of these modes, mode by mode: (len(modes) * count, 2) float32."""
    offsets = mixture.std * np.random.default_rng(seed).standard_normal((len(modes) * count, 2))
    return (mixture.modes[np.repeat(modes, count)] + offsets).astype(np.float32)


def make_dataset(train: np.ndarray, held_out: np.ndarray, labels: np.ndarray | None = None) -> Dataset:
    """A dataset of points or images, with classes if there are labels."""
    values = np.concatenate([train, held_out])
    classes = () if labels is None else tuple(str(name) for name in range(labels.max() + 1))
    labels = np.zeros(len(values), np.int64) if labels is None else labels.astype(np.int64)
    indices, kind = np.arange(len(values)), "points" if train.ndim == 2 else "images"
    height, width, channels = train.shape[1:] if kind == "images" else (0, 0, 0)
    codec = PointCodec(train.shape[1]) if kind == "points" else ImageCodec((channels, height, width))
    summary = DatasetSummary("here", kind, len(values), train=len(train), held_out=len(held_out))
    keys = np.arange(len(values), dtype=np.uint64)
    return Dataset(values, labels, classes, keys, indices[: len(train)], indices[len(train) :], summary, codec)


def ring_dataset(classes: bool = False) -> Dataset:
    """The ring with 200 training and 32 held-out points per mode; a mode is a class."""
    modes = list(range(8))
    labels = np.concatenate([np.repeat(modes, 200), np.repeat(modes, 32)])
    return make_dataset(
        sample_modes(make_ring_mixture(), modes, 200, 1),
        sample_modes(make_ring_mixture(), modes, 32, 2),
        labels if classes else None,
    )


def make_reference_set(
    dataset: Dataset | None = None, num_samples: int = NUM_SAMPLES, batch_size: int = 64
) -> ReferenceSet:
    return ReferenceSet(dataset or ring_dataset(), num_samples, batch_size, CPU)


class ShiftGenerator(nn.Module):
    """Scales and shifts its latent (N, 2): samples are normal around `shift`."""

    def __init__(self, shift: tuple[float, float] = (0.0, 0.0), scale: float = 1.0) -> None:
        super().__init__()
        self.shift, self.scale = nn.Parameter(torch.tensor(shift)), scale

    def forward(self, latent: Tensor) -> Tensor:
        return self.scale * latent + self.shift


class LinearDiscriminator(nn.Module):
    """A linear score of points."""

    def __init__(self, weight: tuple[float, float]) -> None:
        super().__init__()
        self.score = nn.Linear(2, 1, bias=False)
        with torch.no_grad():
            self.score.weight.copy_(torch.tensor([weight]))

    def forward(self, sample: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.score(sample)[:, 0])


def linear_game(generator: nn.Module, weight: tuple[float, float], lr: float = 0.01) -> AdversarialGame:
    """A Wasserstein game with a linear discriminator; a step of Adam without momentum changes a weight by `lr`."""
    optimizer = Adam(lr=lr, beta1=0.0, beta2=0.5)
    parts = GameParts(
        generator, LinearDiscriminator(weight), Normal(size=2), Wasserstein(), optimizer, TensorSpec((2,)),
        ema_half_life=50.0,
    )  # fmt: skip
    return AdversarialGame(parts)


def mlp_game(
    objective: Any = None, terms: Any = None, lr: float = 1e-3, classes: int = 0, **discriminator: Any
) -> AdversarialGame:
    """Two small networks; `discriminator` holds settings of the discriminator."""
    torch.manual_seed(0)
    generator_condition = {"condition": "concat", "condition_size": 3} if classes else {}
    discriminator_condition = {"condition": "projection", "condition_size": 2} if classes else {}
    settings = {"dropout": 0} | discriminator_condition | discriminator
    parts = GameParts(
        MLPGeneratorConfig(widths=(16,), **generator_condition).build(4, TensorSpec((2,)), classes),
        MLPDiscriminatorConfig(widths=(16, 16), **settings).build(TensorSpec((2,)), classes),
        Normal(size=4), objective or NonSaturating(), Adam(lr=lr, beta1=0.5, beta2=0.9), TensorSpec((2,)),
        terms or {}, 50.0, class_priors=[1 / classes] * classes if classes else (),
    )  # fmt: skip
    return AdversarialGame(parts)


def normal_batches(count: int, batch_size: int = 64, offset: int = 0) -> list[Batch]:
    """Batches of standard normal points (batch_size, 2) with seeds."""
    rng = np.random.default_rng(offset)
    points = [torch.from_numpy(rng.standard_normal((batch_size, 2)).astype(np.float32)) for _ in range(count)]
    return [
        {"real": real, "seed": seeded_rng.derive_seeds(5, offset + batch_size * index, batch_size)}
        for index, real in enumerate(points)
    ]


def snapshot(game: AdversarialGame) -> list[Any]:
    """A copy of the game's state: weights, gradients, optimizers, hooks, and the global random state."""
    return [
        torch.get_rng_state(),
        {name: tensor.clone() for name, tensor in game.state_dict().items()},
        [module.training for module in game.modules()],
        [(p.requires_grad, p.grad is None or p.grad.clone()) for p in game.parameters()],
        [copy.deepcopy(player.optimizer.state_dict()) for player in game.players.values()],
        [len(module._forward_pre_hooks) + len(module._forward_hooks) for module in game.modules()],
    ]


def is_identical(first: Any, second: Any) -> bool:
    """Whether two trees of tensors and numbers are equal to the last bit."""
    if isinstance(first, Tensor):
        return isinstance(second, Tensor) and first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(is_identical(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(is_identical, first, second))
    return bool(first == second) or (isinstance(first, float) and math.isnan(first) and math.isnan(second))
