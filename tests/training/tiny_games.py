"""Small datasets, networks and games that several training tests use."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from zerosum.data.loader import FetchedPart
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.config import AdversarialGameConfig
from zerosum.game.latent import Normal
from zerosum.game.objective import NonSaturating
from zerosum.game.optimizer import Adam
from zerosum.game.parts import GameParts
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.types import Batch, DiscriminatorOutput


class Points:
    """A fixed table of points, as a batch source."""

    epoch_size = property(lambda points: len(points.train))
    train_rows = property(lambda points: (points.train,))

    def __init__(self, n: int = 100, features: int = 2, seed: int = 0) -> None:
        self.values = np.random.default_rng(seed).normal(size=(n, features)).astype(np.float32)
        self.train = np.arange(n)

    def epoch_order(self, rng: np.random.Generator) -> np.ndarray:
        return rng.permutation(self.train)[:, None]

    def fetch(self, part: int, rows: np.ndarray) -> FetchedPart:
        fetched: FetchedPart = {"raw": torch.from_numpy(self.values[rows])}
        label = self.label(rows)
        return fetched if label is None else fetched | {"label": label}

    def make_batch(self, parts: Sequence[FetchedPart], seed: Tensor) -> Batch:
        (part,) = parts
        batch = self.collate(self.scale(part["raw"]), seed) | {"seed": seed}
        return batch | {"label": part["label"]} if "label" in part else batch

    def label(self, rows: np.ndarray) -> Tensor | None:
        return None

    def scale(self, raw: Tensor) -> Tensor:
        return raw

    def collate(self, scaled: Tensor, seed: Tensor) -> Batch:
        return {"real": scaled}


class TinyDiscriminator(nn.Module):
    """A small fully connected discriminator."""

    def __init__(self, features: int = 2, width: int = 16) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(features, width), nn.SiLU(), nn.Linear(width, 1))

    def forward(self, sample: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.body(sample)[:, 0])


def points_game(
    terms=None, objective=None, discriminator_steps: int = 1, optimizer: Adam | None = None, half_life=50.0,
    reuse_fakes=False, **options
) -> AdversarialGame:  # fmt: skip
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(4, 16), nn.SiLU(), nn.Linear(16, 2))
    parts = GameParts(
        generator, TinyDiscriminator(), Normal(size=4), objective or NonSaturating(),
        optimizer or Adam(lr=1e-3, beta1=0.5, beta2=0.9), TensorSpec((2,)), terms or {}, half_life, **options,
    )  # fmt: skip
    return AdversarialGame(
        parts, AdversarialGameConfig(discriminator_steps=discriminator_steps, reuse_fakes=reuse_fakes)
    )


def weights(game: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in game.state_dict().items()}
