"""Image-to-image translation games: inputs of the networks, gradients of each move, and every term by hand."""

import math

import pytest
import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.adversarial import FAKE, REAL
from zerosum.game.config import TranslationGameConfig
from zerosum.game.latent import Normal
from zerosum.game.objective import NonSaturating, RelativisticAverage
from zerosum.game.optimizer import Adam
from zerosum.game.parts import GameParts
from zerosum.game.play import Play
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Linear, Progress, Schedule
from zerosum.game.terms import (
    FeatureMatching,
    L1Reconstruction,
    PatchNCE,
    PerceptualLoss,
)
from zerosum.game.translation import TranslationGame
from zerosum.game.types import Batch, DiscriminatorOutput
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import play_round, train
from zerosum.training.meter import Meter


class ScaleTranslator(nn.Module):
    """y = a x: a translator whose outputs and losses are known in closed form."""

    condition_inputs = ()
    receptive_field_radius, size_multiple = 0, 1

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.factor * inputs


class MeanDiscriminator(nn.Module):
    """Scores an image by its mean; the image itself and its double are the feature maps."""

    condition_inputs: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))

    def forward(self, sample: Tensor, inputs: Tensor | None = None) -> DiscriminatorOutput:
        weighted = self.weight * sample
        return DiscriminatorOutput(weighted.mean((2, 3)).mean(1), feature_maps=(weighted, 2 * weighted))


class ConditionalDiscriminator(MeanDiscriminator):
    """Scores an image by its mean difference from the input."""

    condition_inputs = ("inputs",)

    def forward(self, sample: Tensor, inputs: Tensor | None = None) -> DiscriminatorOutput:
        assert inputs is not None
        return DiscriminatorOutput(self.weight * (sample - inputs).mean((1, 2, 3)))


def random_images(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def make_game(generator=None, discriminator=None, terms=None, objective=None, config=None, **kwargs) -> TranslationGame:
    parts = GameParts(
        generator or ScaleTranslator(0.5), discriminator or MeanDiscriminator(), Normal(size=2),
        objective or NonSaturating(), Adam(lr=1e-2, beta1=0.0, beta2=0.9), TensorSpec((3, 8, 8), bounded=True),
        terms or {}, 100.0, per_sample=True, **kwargs,
    )  # fmt: skip
    return TranslationGame(parts, config or TranslationGameConfig())


def make_batch(n: int = 4) -> Batch:
    inputs, real = random_images(0, n, 3, 8, 8), random_images(1, n, 3, 8, 8)
    return {"inputs": inputs, "real": real, "seed": seeded_rng.derive_seeds(5, 0, n)}


def test_paired_terms_match_their_formulas() -> None:
    game, batch = make_game(), make_batch()
    play = game.build_play(batch, Progress())
    close = torch.testing.assert_close
    fake, real = 0.5 * batch["inputs"], batch["real"]
    distance = (fake - real).abs().mean((1, 2, 3))
    close(L1Reconstruction()(play), distance)
    close(FeatureMatching()(play), (distance + 2 * distance) / 2)
    game.perceptual_distance = lambda outputs, targets: (outputs - targets).square().mean((1, 2, 3))
    close(PerceptualLoss()(play), (fake - real).square().mean((1, 2, 3)))


def test_conditional_discriminator_receives_the_inputs() -> None:
    game, batch = make_game(discriminator=ConditionalDiscriminator()), make_batch()
    play = game.build_play(batch, Progress())
    torch.testing.assert_close(play.fake_score, (-0.5 * batch["inputs"]).mean((1, 2, 3)))
    torch.testing.assert_close(play.real_score, (batch["real"] - batch["inputs"]).mean((1, 2, 3)))


def test_generator_move_skips_the_discriminator_while_the_objective_has_weight_zero() -> None:
    weight = Linear(start=0, end=2, examples=(100, 200))
    game = make_game(terms={"l1": L1Reconstruction(weight=1)}, config=TranslationGameConfig(adversarial_weight=weight))
    move = next(move for move in game.moves if move.player == "generator")
    batch = make_batch()
    calls: list[int] = []
    hook = game.discriminator.register_forward_hook(lambda *args: calls.append(1))
    assert set(move.loss_fn(batch, Progress(0, 50)).losses) == {"l1"}
    assert not calls
    half_weight = move.loss_fn(batch, Progress(0, 150)).losses
    full_weight = move.loss_fn(batch, Progress(0, 300)).losses
    hook.remove()
    assert len(calls) == 2
    torch.testing.assert_close(2 * half_weight["objective"], full_weight["objective"])


def test_discriminator_does_not_move_if_the_objective_always_has_weight_zero() -> None:
    game = make_game(terms={"l1": L1Reconstruction(weight=1)}, config=TranslationGameConfig(adversarial_weight=0))
    assert [move.player for move in game.moves] == ["generator"]
    before = game.discriminator.weight.detach().clone()

    def loader():
        while True:
            yield make_batch()

    train(game, loader(), Accelerator(), Progress(), 4, Meter(), [], lambda progress: progress.round == 3)
    assert torch.equal(before, game.discriminator.weight)
    assert float(game.generator.factor) != 0.5


def test_the_discriminator_moves_from_when_the_objective_has_a_weight_for_it() -> None:
    weight = Linear(start=0, end=2, examples=(100, 200))
    config = TranslationGameConfig(adversarial_weight=weight, discriminator_weight=weight)
    game = make_game(terms={"l1": L1Reconstruction(weight=1)}, config=config)
    batch, meter = make_batch(), Meter()
    before = game.discriminator.weight.detach().clone()
    play_round(game, iter([batch] * 2), Accelerator(), Progress(0, 50), meter)
    assert not any(name.startswith("discriminator/") for name in meter.sums)
    assert torch.equal(before, game.discriminator.weight)
    move = next(move for move in game.moves if move.player == "discriminator")
    half_weight, full_weight = (move.loss_fn(batch, Progress(0, now)).losses["objective"] for now in (150, 300))
    torch.testing.assert_close(2 * half_weight, full_weight)
    play_round(game, iter([batch] * 2), Accelerator(), Progress(0, 150), meter)
    assert not torch.equal(before, game.discriminator.weight)


def test_every_set_of_losses_is_timed() -> None:
    l1 = L1Reconstruction(weight=Linear(start=1, end=0, examples=(800, 900)))
    config = TranslationGameConfig(
        adversarial_weight=Linear(start=0, end=1, examples=(300, 500)),
        discriminator_weight=Linear(start=0, end=1, examples=(200, 500)),
    )
    points = make_game(terms={"l1": l1}, config=config).timing_points(1000)
    assert [progress.examples for progress, _ in points] == [1, 201, 301, 901]
    assert [fraction for _, fraction in points] == pytest.approx([0.2, 0.1, 0.6, 0.1])
    assert make_game(terms={"l1": L1Reconstruction()}).timing_points(1000) == [(Progress(0, 1), 1.0)]


class RollTranslator(nn.Module):
    """A translator that shifts images cyclically; the image itself is the feature map, projected to unit length."""

    condition_inputs: tuple[str, ...] = ()

    def __init__(self, shift: int) -> None:
        super().__init__()
        self.shift, self.gain = shift, nn.Parameter(torch.tensor(1.0))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.gain * inputs.roll(self.shift, -1)

    def encode(self, inputs: Tensor) -> list[Tensor]:
        return [inputs]

    def project(self, level: int, vectors: Tensor) -> Tensor:
        return nn.functional.normalize(vectors, dim=1)


def test_patch_nce_matches_patches_at_the_same_location() -> None:
    """One-hot colors: for an identity the cross-entropy has a closed form; if all pixels move, it is far larger."""
    colors = torch.eye(4)[torch.arange(4)].T.reshape(1, 4, 2, 2)
    batch = {"inputs": colors, "real": colors, "seed": seeded_rng.derive_seeds(0, 0, 1)}
    term = PatchNCE(num_patches=4, temperature=0.5)
    expected = -math.log(math.exp(2) / (math.exp(2) + 3))
    identity = term(make_game(generator=RollTranslator(0)).build_play(batch, Progress()))
    torch.testing.assert_close(identity, torch.tensor([expected]))
    shifted = term(make_game(generator=RollTranslator(1)).build_play(batch, Progress()))
    assert float(shifted.detach()) == pytest.approx(-math.log(1 / (math.exp(2) + 3)), rel=1e-5)


def test_patch_nce_keys_have_no_gradient() -> None:
    """With constant outputs, the loss has no gradient by the inputs."""
    game, batch = make_game(generator=RollTranslator(0)), make_batch(2)
    loss = PatchNCE(identity=False)(game.build_play(batch, Progress()))
    (gradient,) = torch.autograd.grad(loss.sum(), game.generator.gain)
    assert gradient.isfinite()
    inputs = batch["inputs"].requires_grad_(True)
    outputs = torch.zeros_like(inputs)
    play = Play(
        game,
        game.discriminate,
        game.prepare_discriminator_input(batch["real"], REAL, batch, Progress()),
        lambda: game.prepare_discriminator_input(outputs, FAKE, batch, Progress()),
        batch,
        Progress(),
    )
    assert not PatchNCE(identity=False)(play).requires_grad


def test_relativistic_average_matches_its_formula() -> None:
    game, batch = make_game(objective=RelativisticAverage()), make_batch()
    play = game.build_play(batch, Progress())
    r, f = play.real_score, play.fake_score
    softplus = lambda x: torch.log(1 + torch.exp(x))  # noqa: E731
    expected_d = softplus(f.mean() - r) + softplus(f - r.mean())
    torch.testing.assert_close(game.objective.discriminator_loss(play), expected_d)
    expected_g = softplus(r - f.mean()) + softplus(r.mean() - f)
    torch.testing.assert_close(game.objective.generator_loss(play), expected_g)


def test_translate_uses_the_ema() -> None:
    game, inputs = make_game(), random_images(3, 2, 3, 5, 7)
    with torch.no_grad():
        game.generator.factor.fill_(9.0)
    torch.testing.assert_close(game.translate(inputs), 0.5 * inputs)
    with pytest.raises(ValueError, match="translate"):
        game.sample(seeded_rng.derive_seeds(0, 0, 2))


def test_a_move_without_any_weight_is_not_played() -> None:
    """The generator has no loss between the fall of its term and the rise of the objective."""
    weights = {
        "l1": Linear(start=1, end=0, examples=(0, 100)),
        "objective": Linear(start=0, end=1, examples=(200, 300)),
    }
    config = TranslationGameConfig(adversarial_weight=weights["objective"])
    game = make_game(terms={"l1": L1Reconstruction(weight=weights["l1"])}, config=config)
    meter = Meter()
    play_round(game, iter([make_batch()] * 2), Accelerator(), Progress(0, 150), meter)
    assert game.generator.factor.item() == 0.5
    assert not any(name.startswith("generator/") for name in meter.sums)
    play_round(game, iter([make_batch()] * 2), Accelerator(), Progress(0, 250), meter)
    assert game.generator.factor.item() != 0.5


@pytest.mark.parametrize(
    "weight", [0.0, Linear(start=0, end=1, examples=(0, 9)), Linear(start=1, end=0, examples=(0, 9))]
)
def test_no_generator_learns_from_a_discriminator_that_is_not_trained(weight: Schedule) -> None:
    with pytest.raises(ValueError, match="`discriminator_weight` is 0 where `adversarial_weight` is not"):
        TranslationGameConfig(discriminator_weight=weight)
    TranslationGameConfig(adversarial_weight=weight, discriminator_weight=weight)
