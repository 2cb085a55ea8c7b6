"""Precision: what is computed in bfloat16 or TF32, and what in float32."""

import pytest
import torch
from tiny_games import Points, TinyDiscriminator, points_game
from torch import nn

from zerosum.data.loader import BatchLoader
from zerosum.game.play import input_gradient_norm_sq
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Progress
from zerosum.game.terms import R1, GradientPenalty
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.training.accelerator import PRECISIONS, Accelerator
from zerosum.training.loop import play_round
from zerosum.training.meter import Meter
from zerosum.workflows.build_game import DataInfo, build_game


@pytest.mark.parametrize("term", [R1(every_rounds=2), GradientPenalty(every_rounds=2)], ids=["r1", "gradient penalty"])
def test_penalties_are_float32_in_bfloat16(term) -> None:
    """The term has a move of its own, so that nothing is rounded before it."""
    values, gradients = [], []
    for precision in (torch.float32, torch.bfloat16):
        game, accelerator = points_game({"term": term}), Accelerator(dtype=precision)
        move = next(move for move in game.moves if move.every_rounds == 2)
        batch = next(BatchLoader(Points(), 8, 1))
        # constant fakes, so that points interpolated between real and fake are equal in both precisions
        game.generator.register_forward_hook(lambda module, inputs, fake: fake.float() * 0)
        with accelerator.training_player(game, game.players["discriminator"]):
            with accelerator.autocast():
                value = move.loss_fn(batch, Progress()).losses["term"]
            value.mean().backward()
            values.append(value.detach())
            gradients.append([p.grad.clone() for p in game.discriminator.parameters() if p.grad is not None])
    assert values[1].dtype == torch.float32
    torch.testing.assert_close(values[1], values[0], rtol=1e-6, atol=1e-6)
    for exact, rounded in zip(*gradients, strict=True):
        torch.testing.assert_close(exact, rounded, rtol=1e-6, atol=1e-6)


def test_input_gradients_are_float32_under_autocast() -> None:
    network, dtypes = TinyDiscriminator(), []
    network.body[0].register_forward_hook(lambda module, inputs, out: dtypes.append(out.dtype))
    with Accelerator(dtype=torch.bfloat16).autocast():
        network(torch.ones(2, 2))
        output, gradient_norm_sq = input_gradient_norm_sq(network, torch.ones(2, 2))
    assert dtypes == [torch.bfloat16, torch.float32]
    assert output.score.dtype == gradient_norm_sq.dtype == torch.float32


def float32_flags() -> tuple:
    cudnn = torch.backends.cudnn
    return torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark


@pytest.mark.parametrize(
    ("name", "expected"), [("float32", ("high", True, True)), ("strict", ("highest", False, True))]
)
def test_backend_flags_are_restored_after_the_move(name: str, expected: tuple) -> None:
    game, former = points_game(), float32_flags()
    accelerator = Accelerator("cuda", 1, *PRECISIONS[name])
    with accelerator.training_player(game, game.players["generator"]):
        assert float32_flags() == expected
    assert float32_flags() == former
    with pytest.raises(ZeroDivisionError), accelerator.backend_flags():
        raise ZeroDivisionError
    assert float32_flags() == former


def test_backend_flags_are_unchanged_on_a_cpu() -> None:
    former, accelerator = float32_flags(), Accelerator()
    with accelerator.backend_flags():
        assert float32_flags() == former


def test_tiny_numbers_are_zero_during_a_move_on_a_cpu() -> None:
    tiny, accelerator = torch.full((64,), 1e-30), Accelerator()
    with accelerator.backend_flags():
        assert not (tiny * 1e-10).any()
        with accelerator.backend_flags():
            pass
        assert not (tiny * 1e-10).any(), "moves within a move leave the flag as it was"
    assert (tiny * 1e-10).all()


@pytest.mark.parametrize("name", ["dcgan", "r3gan"])
def test_feature_maps_stay_in_channels_last(name: str) -> None:
    """No layer after the first convolution changes the memory format, in forward and in input gradients."""
    file = RecipeFile(name)
    file.apply_variant("nano" if name == "dcgan" else "small")  # the variant with the networks of the recipe
    changes = {("generator", "norm"): "batch", ("discriminator", "norm"): "none", ("terms", "r1", "weight"): 1}
    for path, value in changes.items():
        if name == "dcgan" or path[0] == "terms":
            file.settings_tree.set(path, value, "")
    accelerator, shape = Accelerator(), (3, 16, 16)
    game = build_game(
        check_recipe(file.settings_tree).resolve_schedules(1000), DataInfo(TensorSpec(shape, bounded=True)), accelerator
    )
    source, changed_layers, checked_layers = Points(16, 3 * 16 * 16), [], []
    source.values = source.values.reshape(16, 16, 16, 3).clip(-1, 1)
    source.scale = lambda raw: raw.permute(0, 3, 1, 2)  # channels last, as images are stored
    reached_convolution = {"generator": False, "discriminator": False}

    def make_hook(player: str, layer: str, is_convolution: bool):
        def hook(module, inputs, out) -> None:
            reached_convolution[player] |= is_convolution
            if reached_convolution[player] and isinstance(out, torch.Tensor) and out.dim() == 4:
                checked_layers.append(layer)
                if not out.is_contiguous(memory_format=torch.channels_last):
                    changed_layers.append(layer)

        return hook

    for player in reached_convolution:
        for layer, module in getattr(game, player).named_modules():
            if not list(module.children()):
                is_convolution = isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
                module.register_forward_hook(make_hook(player, f"{player}.{layer}", is_convolution))
    play_round(game, BatchLoader(source, 4, 0), accelerator, Progress(), Meter())
    assert len(set(checked_layers)) > 8
    assert changed_layers == []
