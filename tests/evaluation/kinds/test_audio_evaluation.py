"""Evaluation of sounds: their features, the class that is heard, and thumbnails."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sounds import write_hits
from zerosum.data.audio.config import AudioDataConfig
from zerosum.data.dataset import Dataset
from zerosum.data.kind import LoadOptions, ignore_progress, load_dataset
from zerosum.errors import BadInput
from zerosum.evaluation.kinds.base import EVALUATION_KINDS

CPU = torch.device("cpu")
KIND = EVALUATION_KINDS.find("audio")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("hits")
    write_hits(folder)
    config = AudioDataConfig(source=str(folder), size=32, rate=8_000, seconds=0.25)
    return load_dataset(config, LoadOptions())


def test_the_class_is_heard_in_sounds(dataset: Dataset) -> None:
    classifier = KIND.train_classifier(dataset, CPU, ignore_progress, "features")
    assert classifier is not None
    sounds = dataset.items(dataset.train)
    probabilities = classifier(KIND.network_input(sounds, CPU, dataset.codec)).probabilities
    assert probabilities is not None
    heard = probabilities.argmax(1).numpy()
    assert (heard == dataset.labels[dataset.train]).mean() > 0.9


def test_spectrograms_are_features_without_weights(dataset: Dataset) -> None:
    network = KIND.load_features("log_mel", dataset, CPU, "features")
    sounds = dataset.items(dataset.train[:3])
    features = network(KIND.network_input(sounds, CPU, dataset.codec)).features
    assert np.allclose(features.numpy(), dataset.codec.encode_sounds(sounds).flatten(1), atol=1e-5)  # type: ignore[attr-defined]
    assert KIND.thumbnails(sounds, dataset.codec).shape == (3, 256)  # type: ignore[union-attr]


def test_without_weights_training_is_evaluated_by_spectrograms(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert KIND.online_features("") == "log_mel"
    with pytest.raises(BadInput, match="or choose `features` log_mel"):
        KIND.default_features()
