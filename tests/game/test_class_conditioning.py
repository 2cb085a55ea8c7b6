"""Class conditioning of games: networks, gradients, replay buffer, class priors, and settings that conflict."""

import math

import pytest
import torch
from torch.nn import functional

from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.config import AdversarialGameConfig
from zerosum.game.latent import Normal
from zerosum.game.objective import Hinge, NonSaturating
from zerosum.game.optimizer import Adam
from zerosum.game.parts import GameParts
from zerosum.game.play import DiscriminatorInput, input_gradient_norm_sq
from zerosum.game.replay_buffer import ReplayBuffer
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Progress
from zerosum.game.terms import R1, ClassifyFake, ClassifyReal, GradientPenalty
from zerosum.game.types import Batch
from zerosum.networks import heads
from zerosum.networks.configs import DCGANDiscriminatorConfig, MLPDiscriminatorConfig, MLPGeneratorConfig
from zerosum.networks.layers import LayerFactory, init_kaiming
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import play_round
from zerosum.training.meter import Meter

CLASS_PRIORS = (0.5, 0.3, 0.2)


def make_batch(n: int = 6, seed: int = 1) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    real = torch.randn(n, 2, generator=generator)
    return {"real": real, "seed": seeded_rng.derive_seeds(seed, 0, n), "label": torch.arange(n) % 3}


def make_game(condition: str = "projection", terms=None, objective=None, **config) -> AdversarialGame:
    torch.manual_seed(0)
    generator = MLPGeneratorConfig(widths=(16,), condition="concat", condition_size=3).build(4, TensorSpec((2,)), 3)
    discriminator_config = MLPDiscriminatorConfig(widths=(16,), dropout=0, condition=condition, condition_size=2)
    discriminator = discriminator_config.build(TensorSpec((2,)), 3)
    parts = GameParts(
        generator, discriminator, Normal(size=4), objective or NonSaturating(), Adam(lr=1e-2, beta1=0.5, beta2=0.9),
        TensorSpec((2,)), terms or {}, class_priors=CLASS_PRIORS, per_sample=True,
    )  # fmt: skip
    return AdversarialGame(parts, AdversarialGameConfig(**config))


@pytest.mark.parametrize("condition", ["projection", "concat"])
def test_networks_depend_on_the_class(condition: str) -> None:
    game = make_game(condition)
    batch, other_batch = make_batch(), make_batch()
    other_batch["label"] = (batch["label"] + 1) % 3
    assert not torch.equal(game.generate(batch, Progress()), game.generate(other_batch, Progress()))
    score, other_score = (game.build_play(b, Progress()).real_score for b in (batch, other_batch))
    assert not torch.equal(score, other_score)


def test_unconditional_discriminator_receives_no_label() -> None:
    torch.manual_seed(0)
    networks = (
        MLPGeneratorConfig(widths=(8,)).build(4, TensorSpec((2,))),
        MLPDiscriminatorConfig(widths=(8,)).build(TensorSpec((2,))),
    )
    game = AdversarialGame(GameParts(*networks, Normal(size=4), NonSaturating(), Adam(), TensorSpec((2,))))
    assert game.build_play(make_batch(), Progress()).real.label is None


def test_concatenated_real_and_fake_have_the_same_scores() -> None:
    game = make_game()
    separate, concatenated = (
        game.build_play(make_batch(), Progress(), concat_real_fake=concat) for concat in (False, True)
    )
    for name in ("real_score", "fake_score"):
        torch.testing.assert_close(getattr(separate, name), getattr(concatenated, name))


def test_input_gradients_are_those_of_the_sample_with_its_class() -> None:
    game, batch = make_game(), make_batch()
    game.double()
    sample = batch["real"].double()
    output, gradient_norm_sq = input_gradient_norm_sq(game.discriminate, DiscriminatorInput(sample, batch["label"]))
    for row in range(len(sample)):
        point = sample[row : row + 1].clone().requires_grad_(True)
        score = game.discriminator(point, label=batch["label"][row : row + 1]).score
        (gradient,) = torch.autograd.grad(score.sum(), point)
        assert gradient_norm_sq[row].item() == pytest.approx(gradient.square().sum().item(), rel=1e-9)
        assert output.score[row].item() == pytest.approx(score.item(), rel=1e-9)


@pytest.mark.parametrize("terms", [{"r1": R1()}, {"gp": GradientPenalty()}])
@pytest.mark.parametrize("config", [{}, {"reuse_fakes": True}, {"replay_buffer": 12}])
def test_a_round_with_classes_trains_both_players(terms, config) -> None:
    game = make_game(terms=terms, objective=Hinge(), **config)
    before = {name: tensor.clone() for name, tensor in game.state_dict().items()}
    play_round(game, iter([make_batch(seed=n) for n in range(4)]), Accelerator(), Progress(), Meter())
    after = game.state_dict()
    for player in ("generator.", "discriminator."):
        assert any(not torch.equal(before[key], after[key]) for key in before if key.startswith(player))


def test_auxiliary_classifier_terms_are_cross_entropy() -> None:
    terms = {"real": ClassifyReal(), "fake": ClassifyFake()}
    game, batch = make_game("auxiliary-classifier", terms), make_batch()
    play = game.build_play(batch, Progress())
    class_logits = game.discriminator(batch["real"]).class_logits
    expected = functional.cross_entropy(class_logits, batch["label"], reduction="none")
    torch.testing.assert_close(terms["real"](play), expected)
    class_logits = game.discriminator(game.generate(batch, Progress())).class_logits
    expected = functional.cross_entropy(class_logits, batch["label"], reduction="none")
    torch.testing.assert_close(terms["fake"](play), expected)


def test_projection_head_adds_the_product_with_the_class_embedding() -> None:
    torch.manual_seed(0)
    head = heads.ProjectionHead(5, LayerFactory(init_kaiming), num_classes=3).double()
    features, label = torch.randn(4, 5, dtype=torch.float64), torch.tensor([0, 2, 1, 2])
    embedding = head.class_embedding.embedding.weight  # (5, 3)
    expected = features @ head.score.weight[0] + head.score.bias + (features * embedding.T[label]).sum(1)
    torch.testing.assert_close(head(features, label).score, expected)
    class_weights = torch.tensor([[0.5, 0.5, 0.0]], dtype=torch.float64)
    interpolated = head(features[:1], class_weights).score
    endpoints = [head(features[:1], torch.tensor([k])).score for k in (0, 1)]
    torch.testing.assert_close(interpolated, (endpoints[0] + endpoints[1]) / 2)


def test_sampled_classes_follow_the_class_priors() -> None:
    """4,000 draws; each count within 4.5 standard deviations: a false alarm once in 50,000 seeds."""
    label = seeded_rng.sample_classes(
        seeded_rng.derive_seeds(7, 0, 4_000), torch.tensor(CLASS_PRIORS, dtype=torch.float64)
    )
    counts = torch.bincount(label, minlength=3)
    for count, prior in zip(counts.tolist(), CLASS_PRIORS, strict=True):
        assert abs(count - 4_000 * prior) < 4.5 * math.sqrt(4_000 * prior * (1 - prior))


def test_a_class_with_prior_zero_is_never_sampled() -> None:
    label = seeded_rng.sample_classes(seeded_rng.derive_seeds(7, 0, 2_000), torch.tensor([0.0, 0.6, 0.0, 0.4, 0.0]))
    assert set(label.tolist()) == {1, 3}


def numbered_inputs(first: int, n: int = 4) -> DiscriminatorInput:
    return DiscriminatorInput(
        torch.arange(first, first + n).float()[:, None].expand(n, 2).clone(), torch.arange(first, first + n)
    )


def test_replay_buffer_returns_new_fakes_until_it_is_full() -> None:
    replay_buffer = ReplayBuffer(8, TensorSpec((2,)))
    for first in (0, 4):
        fakes = numbered_inputs(first)
        replayed = replay_buffer.push_and_sample(fakes, seeded_rng.derive_seeds(first, 0, 4))
        assert torch.equal(replayed.sample, fakes.sample)
        assert torch.equal(replayed.label, fakes.label)
    assert replay_buffer.samples[:, 0].tolist() == list(range(8))


def test_full_replay_buffer_exchanges_half_of_the_fakes() -> None:
    """2,000 samples; the number of exchanged ones is within 4.5 standard deviations of a half."""
    replay_buffer, num_exchanged = ReplayBuffer(40, TensorSpec((2,))), 0
    for step in range(510):
        before = replay_buffer.samples[:, 0].clone()
        fakes = numbered_inputs(4 * step)
        replayed = replay_buffer.push_and_sample(fakes, seeded_rng.derive_seeds(step, 0, 4))
        assert torch.equal(replayed.sample[:, 0].long(), replayed.label), "a sample keeps its class"
        exchanged = replayed.label != fakes.label
        if step < 10:
            assert not exchanged.any()
            continue
        num_exchanged += int(exchanged.sum())
        assert all(value in before.tolist() for value in replayed.sample[exchanged, 0].tolist())
        assert all(value in replay_buffer.samples[:, 0].tolist() for value in fakes.sample[exchanged, 0].tolist())
    assert abs(num_exchanged - 1_000) < 4.5 * math.sqrt(2_000 / 4)


CONFLICTS = {
    "conditional generator only": ({"generator.condition": "concat"}, "generator.condition"),
    "conditional discriminator only": ({"discriminator.condition": "projection"}, "discriminator.condition"),
    "auxiliary classifier without terms": (
        {"generator.condition": "concat", "discriminator.condition": "auxiliary-classifier"}, "classify.real"),
    "classification term without a classifier": ({"terms.classify_real.weight": 1}, "discriminator.condition"),
    "gradient penalty with batch norm": ({"discriminator.norm": "batch"}, "discriminator.norm"),
    "path length without styles": ({"terms.path_length.weight": 1}, "terms.path_length"),
    "progressive game without growable networks": ({"game.kind": "progressive"}, "game.kind"),
    "replay buffer smaller than a batch": ({"game.replay_buffer": 8}, "game.replay_buffer.* 32"),
    "replay buffer with micro-batches": (
        {"game.replay_buffer": 64, "training.accumulate": 2}, "training.accumulate"),
    "style mixing without normal latents": (
        {"generator.kind": "stylegan2", "discriminator.kind": "stylegan2"}, "latent.kind"),
    "gradient penalty between different classes": (
        {"game.replay_buffer": 64, "terms.gp.kind": "gradient-penalty", "generator.condition": "concat",
         "discriminator.condition": "projection"}, "terms.gp"),
    "evaluation in the discriminator's features": (
        {"discriminator.kind": "projected", "evaluation.features": "lite0"}, "evaluation.features"),
    "two historical averages of one player": (
        {"terms.a.kind": "historical", "terms.b.kind": "historical"}, "terms"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFLICTS)
def test_conflicting_settings_are_refused(case: str) -> None:
    settings, field = CONFLICTS[case]
    file = RecipeFile("auto")
    file.apply_variant("nano")
    for name, value in settings.items():
        file.settings_tree.set(tuple(name.split(".")), value, f"`{name}`")
    with pytest.raises(BadInput, match=field):
        check_recipe(file.settings_tree)


def test_concat_condition_adds_class_channels_to_the_image() -> None:
    torch.manual_seed(0)
    network = DCGANDiscriminatorConfig(width=4, norm="none", condition="concat", condition_size=2).build(
        TensorSpec((1, 16, 16)), 3
    )
    sample = torch.randn(2, 1, 16, 16)
    scores = [network(sample, label=torch.tensor([k, k])).score for k in range(3)]
    assert not torch.equal(scores[0], scores[1])
    channels = network.class_embedding(torch.tensor([1, 1]))[:, :, None, None].expand(2, 2, 16, 16)
    assert torch.equal(network.network(torch.cat([sample, channels], 1)).score, scores[1])
