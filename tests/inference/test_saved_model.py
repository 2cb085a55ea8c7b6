"""Weights are loaded whole, or refused with the reason."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from zerosum.errors import BadInput
from zerosum.inference import saved_model
from zerosum.inference.saved_model import SavedModel
from zerosum.recipes.recipe import Recipe


def make_model(folder: Path, tensors: dict[str, torch.Tensor], is_foreign: bool = False) -> SavedModel:
    path = folder / "networks.safetensors"
    save_file(tensors, path)

    def read_codec() -> None:
        raise AssertionError("weights need no codec")

    recipe = Recipe.model_construct()
    return SavedModel(folder, recipe, "00000064", path, read_codec, repair="train it again", is_foreign=is_foreign)


def linear() -> nn.Linear:
    return nn.Linear(2, 3)


@pytest.mark.parametrize("is_foreign", [False, True])
def test_the_weights_of_a_prefix_are_loaded(tmp_path: Path, is_foreign: bool) -> None:
    wanted = linear().state_dict()
    tensors = {f"a.{name}": tensor for name, tensor in wanted.items()} | {"b.other": torch.zeros(1)}
    model = make_model(tmp_path, tensors, is_foreign)
    network = model.load_into(linear, "a.", torch.device("cpu"))
    assert torch.equal(network.weight, wanted["weight"])
    assert not network.training
    assert not network.weight.requires_grad
    assert model.read_tensors().keys() == tensors.keys()


def test_weights_are_interpolated_towards_those_of_another_prefix(tmp_path: Path) -> None:
    tensors = {f"{prefix}{name}": torch.full_like(tensor, value) for prefix, value in (("a.", 0.0), ("b.", 4.0))
               for name, tensor in linear().state_dict().items()}  # fmt: skip
    network = make_model(tmp_path, tensors).load_into(
        linear, "a.", torch.device("cpu"), other_prefix="b.", other_weight=0.25
    )
    assert bool((network.weight == 1).all())


@pytest.mark.parametrize("is_foreign", [False, True])
@pytest.mark.parametrize(
    "tensors",
    [
        {"a.weight": torch.zeros(3, 2)},
        {"a.weight": torch.zeros(3, 3), "a.bias": torch.zeros(3)},
        {"a.weight": torch.zeros(3, 2), "a.bias": torch.zeros(3), "a.more": torch.zeros(3)},
    ],
)
def test_weights_of_another_network_are_refused(
    tmp_path: Path, tensors: dict[str, torch.Tensor], is_foreign: bool
) -> None:
    with pytest.raises(BadInput, match=r"networks\.safetensors cannot be read \(.*\); train it again"):
        make_model(tmp_path, tensors, is_foreign).load_into(linear, "a.", torch.device("cpu"))


def test_a_damaged_file_is_refused_also_if_the_error_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise TypeError

    model = make_model(tmp_path, {"a.weight": torch.zeros(3, 2)})
    monkeypatch.setattr(saved_model, "_read_tensors", fail)
    with pytest.raises(BadInput, match=r"networks\.safetensors cannot be read \(TypeError\)"):
        model.load_into(linear, "a.", torch.device("cpu"))
