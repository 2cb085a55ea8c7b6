"""What is rounded, and what is not."""

import pytest
import torch
from tiny_games import Points, Score, points_game
from torch import nn

from zerosum.data.loader import BatchLoader
from zerosum.game.play import input_gradient_norm_sq
from zerosum.game.schedule import Progress
from zerosum.game.terms import R1, GradientPenalty
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.training.accelerator import PRECISIONS, Accelerator
from zerosum.training.loop import play_round
from zerosum.training.meter import Meter
from zerosum.workflows.build_game import build_game


@pytest.mark.parametrize("term", [R1(every_rounds=2), GradientPenalty(every_rounds=2)], ids=["r1", "gradient penalty"])
def test_penalties_are_float32_in_bfloat16(term) -> None:
    """A term of its own move, so that nothing before it has rounded."""
    values, gradients = [], []
    for precision in (torch.float32, torch.bfloat16):
        game, accelerator = points_game({"term": term}), Accelerator(dtype=precision)
        move = next(move for move in game.moves if move.every_rounds == 2)
        batch = next(BatchLoader(Points(), 8, 1))
        # what lies between real and fake must be the same point in both
        game.generator.register_forward_hook(lambda module, inputs, fake: fake.float() * 0)
        with accelerator.training_player(game, game.players["discriminator"]):
            with accelerator.autocast():
                value = move.loss_fn(batch, Progress()).losses["term"]
            value.mean().backward()
            values.append(value.detach())
            gradients.append([p.grad.clone() for p in game.discriminator.parameters() if p.grad is not None])
    assert values[1].dtype == torch.float32
    torch.testing.assert_close(values[1], values[0], rtol=1e-6, atol=1e-6)
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_bfloat16_reaches_everything_but_slopes() -> None:
    network, seen = Score(), []
    network.body[0].register_forward_hook(lambda module, inputs, out: seen.append(out.dtype))
    with Accelerator(dtype=torch.bfloat16).autocast():
        network(torch.ones(2, 2))
        output, steep = input_gradient_norm_sq(network, torch.ones(2, 2))
    assert seen == [torch.bfloat16, torch.float32]
    assert output.score.dtype == steep.dtype == torch.float32


def policy() -> tuple:
    cudnn = torch.backends.cudnn
    return torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark


@pytest.mark.parametrize(("name", "wanted"), [("float32", ("high", True, True)), ("strict", ("highest", False, True))])
def test_what_a_gpu_may_round_ends_with_the_move(name: str, wanted: tuple) -> None:
    game, before = points_game(), policy()
    accelerator = Accelerator("cuda", 1, *PRECISIONS[name])
    with accelerator.training_player(game, game.players["generator"]):
        assert policy() == wanted
    assert policy() == before
    with pytest.raises(ZeroDivisionError), accelerator.backend_flags():
        raise ZeroDivisionError
    assert policy() == before


def test_a_cpu_rounds_nothing() -> None:
    before, accelerator = policy(), Accelerator()
    with accelerator.backend_flags():
        assert policy() == before


@pytest.mark.parametrize("name", ["dcgan", "r3gan"])
def test_pictures_stay_in_channels_last(name: str) -> None:
    """From each network's first convolution on, forwards and through a slope: no layer turns them back."""
    file = RecipeFile(name)
    file.apply_variant("nano" if name == "dcgan" else "small")  # where its networks are its own
    changes = {("generator", "norm"): "batch", ("discriminator", "norm"): "none", ("terms", "r1", "weight"): 1}
    for path, value in changes.items():
        if name == "dcgan" or path[0] == "terms":
            file.settings_tree.set(path, value, "")
    accelerator, shape = Accelerator(), (3, 16, 16)
    game = build_game(check_recipe(file.settings_tree).resolve_schedules(1000), shape, True, accelerator)
    source, turned, seen = Points(16, 3 * 16 * 16), [], []
    source.values = source.values.reshape(16, 16, 16, 3).clip(-1, 1)
    source.scale = lambda raw: raw.permute(0, 3, 1, 2)  # as images are stored
    started = {"generator": False, "discriminator": False}

    def watch(side: str, label: str, starts: bool):
        def hook(module, inputs, out) -> None:
            started[side] |= starts
            if started[side] and isinstance(out, torch.Tensor) and out.dim() == 4:
                seen.append(label)
                if not out.is_contiguous(memory_format=torch.channels_last):
                    turned.append(label)

        return hook

    for side in started:
        for label, module in getattr(game, side).named_modules():
            if not list(module.children()):
                starts = isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
                module.register_forward_hook(watch(side, f"{side}.{label}", starts))
    play_round(game, BatchLoader(source, 4, 0), accelerator, Progress(), Meter())
    assert len(set(seen)) > 8
    assert turned == []
