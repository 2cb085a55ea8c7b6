"""Batches of inputs and targets for the probes of translation games."""

import pytest
import torch
from broken_games import CPU
from torch import Tensor
from translation_games import INPUTS, PAIRED, TINTED, UNPAIRED, make_translation_dataset, tint

from zerosum.data.dataset import Dataset
from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.diagnosis.translation_reference_set import TranslationReferenceSet
from zerosum.errors import BadInput
from zerosum.game.types import Batch


def make_reference_set(dataset: Dataset, batch_size: int = 16) -> TranslationReferenceSet:
    return TranslationReferenceSet(ReferenceSet(dataset, 64, batch_size, CPU))


def concat(batches: list[Batch], name: str) -> Tensor:
    return torch.cat([batch[name] for batch in batches])


def test_each_held_out_input_comes_once_with_its_target() -> None:
    batches = make_reference_set(PAIRED).held_out_batches()
    assert [len(batch["seed"]) for batch in batches] == [16, 8]
    inputs, targets = concat(batches, "inputs"), concat(batches, "real")
    assert torch.allclose(targets, tint(inputs), atol=1 / 127)
    assert len(inputs.flatten(1).unique(dim=0)) == len(concat(batches, "seed").unique()) == 24
    sums, expected = (images.sum((1, 2, 3)).sort().values for images in (inputs, PAIRED.inputs(PAIRED.held_out)))
    assert torch.allclose(sums, expected)


def test_unpaired_inputs_come_with_some_image_of_the_target_domain() -> None:
    reference_set = make_reference_set(UNPAIRED, batch_size=64)
    (batch,) = reference_set.held_out_batches()
    assert len(batch["inputs"]) == len(batch["real"]) == 24
    assert len(batch["real"].flatten(1).unique(dim=0)) == 24


def test_training_batches_wrap_around() -> None:
    reference_set = make_reference_set(PAIRED)
    first, later = (concat(reference_set.train_batches(8, offset), "inputs") for offset in (0, 8))
    assert not torch.equal(first, later)
    assert torch.equal(first, concat(reference_set.train_batches(8, 48), "inputs"))
    assert len(concat(reference_set.train_batches(), "seed")) == 48


def test_too_few_held_out_images_are_refused() -> None:
    dataset = make_translation_dataset(TINTED, INPUTS, True, num_held_out=1)
    with pytest.raises(BadInput, match="1 held-out example: the monitor needs at least 2"):
        make_reference_set(dataset)
