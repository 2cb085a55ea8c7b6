"""A linear probe: logistic regression that tells classes by the features of a pretrained network.

It hears a class by other means than a classifier of the samples themselves: a generator is not trained on anything
like it. How well it does on real items that it was not fitted to says how far to trust it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

WEIGHT_DECAY = 50.0
"""Factor of the squared norm of the weights, against the sum of the losses: C = 0.01 of scikit-learn."""
MAX_STEPS = 300
MIN_DEVIATION = 1e-6
"""Features that vary less are left as they are."""


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """Logistic regression on standardized features.

    Example:
        >>> features = torch.tensor([[0.0, 5.0], [1.0, 5.0], [8.0, 5.0], [9.0, 5.0]])
        >>> probe = LinearProbe.fit(features, np.array([0, 0, 1, 1]), num_classes=2)
        >>> probe.predict(torch.tensor([[-1.0, 5.0], [7.0, 5.0]])).tolist()
        [0, 1]
    """

    mean: Tensor
    """(D,)"""
    scale: Tensor
    """(D,)"""
    weight: Tensor
    """(K, D)"""
    bias: Tensor
    """(K,)"""

    @classmethod
    def fit(cls, features: Tensor, labels: NDArray[np.int64], num_classes: int) -> Self:
        """Fit a probe; the same features give the same one.

        Args:
            features: (N, D) features of real items.
            labels: (N,) their classes.
            num_classes: K; a class without items is never predicted.
        """
        values, targets = features.double(), torch.from_numpy(labels)
        mean, deviation = values.mean(0), values.std(0, correction=0)
        scale = torch.where(deviation > MIN_DEVIATION, deviation, 1.0)
        standardized = (values - mean) / scale
        weight = torch.zeros(num_classes, values.shape[1], dtype=torch.float64, requires_grad=True)
        bias = torch.zeros(num_classes, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([weight, bias], max_iter=MAX_STEPS, line_search_fn="strong_wolfe")

        def compute_loss() -> Tensor:
            optimizer.zero_grad()
            logits = functional.linear(standardized, weight, bias)
            loss = functional.cross_entropy(logits, targets, reduction="sum") + WEIGHT_DECAY * weight.square().sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        with torch.enable_grad():
            optimizer.step(compute_loss)  # type: ignore[no-untyped-call]
        return cls(mean, scale, weight.detach(), bias.detach())

    def predict(self, features: Tensor) -> NDArray[np.int64]:
        """Return the most probable class (N,) of features (N, D)."""
        standardized = (features.double() - self.mean) / self.scale
        classes: NDArray[np.int64] = functional.linear(standardized, self.weight, self.bias).argmax(1).numpy()
        return classes

    def accuracy(self, features: Tensor, labels: NDArray[np.int64]) -> float:
        """Return the fraction of items whose predicted class is theirs, of features (N, D) and labels (N,)."""
        return float((self.predict(features) == labels).mean())
