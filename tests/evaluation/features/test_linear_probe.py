"""The linear probe has the weights of scikit-learn's logistic regression."""

import numpy as np
import torch
from sklearn import linear_model, preprocessing

from zerosum.evaluation.features.linear_probe import WEIGHT_DECAY, LinearProbe


def blobs(count: int, seed: int) -> tuple[torch.Tensor, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    features = rng.normal(size=(count, 12)) * np.linspace(0.1, 30, 12)
    features[:, 3] += 12 * (labels == 1)
    features[:, 5] -= 20 * (labels == 2)
    features[:, 7] = 4.0  # a feature that does not vary
    return torch.from_numpy(features).float(), labels


def test_the_probe_is_logistic_regression() -> None:
    features, labels = blobs(200, 0)
    probe, (others, other_labels) = LinearProbe.fit(features, labels, 3), blobs(300, 1)
    scaler = preprocessing.StandardScaler().fit(features.numpy())
    reference = linear_model.LogisticRegression(C=1 / (2 * WEIGHT_DECAY), max_iter=1000, tol=1e-8)
    reference.fit(scaler.transform(features.numpy()), labels)
    assert np.allclose(probe.weight.numpy(), reference.coef_, atol=1e-3)
    assert (probe.predict(others) == reference.predict(scaler.transform(others.numpy()))).mean() > 0.99
    assert probe.accuracy(others, other_labels) > 0.5
    assert torch.equal(LinearProbe.fit(features, labels, 3).weight, probe.weight)


def test_a_class_without_items_is_never_heard() -> None:
    features, labels = blobs(100, 0)
    probe = LinearProbe.fit(features, labels, 5)
    assert probe.predict(blobs(500, 1)[0]).max() < 3
