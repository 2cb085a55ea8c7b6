"""The steps of the generative family, as in the well-known code of each paper: see `references.py`.

Each combines `alternate`, a step of both players with two losses, with the additions of its paper: a penalty, weight
clipping, classes, augmentation, lazy terms. Numbers are the recipe's, and learning rates stay at their first value, so
that both sides do the same arithmetic (`tests/benchmarks/test_references.py`). Random numbers do not come from the
seeds of samples as in Zerosum, except for style mixing: latents are always normal, classes of fakes are uniform, noise
is `torch.randn`, and DiffAugment is `references.diffaugment`. The discriminator's gradients in the generator's step are
computed and discarded, unless the paper's code freezes the other player (`references_pair.Pair.freeze_opponent`). There
is an EMA if that code has one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from references import Step, ema_step, every_rounds, gradient_penalty, interpolate, sequence, use_global_rng
from references_pair import (
    AugmentedPair,
    DiscriminatorLoss,
    GeneratorLoss,
    LabeledBatches,
    LabeledImages,
    Pair,
    alternate,
)
from torch import Tensor, nn
from torch.nn import functional as F

from zerosum.recipes.recipe import Recipe

# ---------------------------------------------------------------------- losses


class Losses(NamedTuple):
    """Losses of scores: of real and fake for the discriminator, of fake for the generator."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


def target_losses(loss_fn: Callable[[Tensor, Tensor], Tensor]) -> Losses:
    """Return losses with the discriminator's targets 1 (real) and 0 (fake), and the generator's target 1 (fake)."""

    def d_loss(real: Tensor, fake: Tensor) -> Tensor:
        return loss_fn(real, torch.ones_like(real)) + loss_fn(fake, torch.zeros_like(fake))

    return Losses(d_loss, lambda fake: loss_fn(fake, torch.ones_like(fake)))


CROSS_ENTROPY, LEAST_SQUARES = target_losses(F.binary_cross_entropy_with_logits), target_losses(F.mse_loss)
LOGISTIC = Losses(lambda real, fake: F.softplus(-real).mean() + F.softplus(fake).mean(),
                  lambda fake: F.softplus(-fake).mean())  # fmt: skip
WASSERSTEIN = Losses(lambda real, fake: fake.mean() - real.mean(), lambda fake: -fake.mean())
HINGE = Losses(lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(), lambda fake: -fake.mean())


def image_losses(losses: Losses, pair: Pair) -> tuple[DiscriminatorLoss, GeneratorLoss]:
    """Return losses of images; the discriminator processes real and fake images one after the other."""

    def d_loss(real: LabeledImages, fake: LabeledImages) -> Tensor:
        return losses.discriminator(pair.score(real), pair.score(fake))

    return d_loss, lambda fake: losses.generator(pair.score(fake))


def pair_gradient_penalty(pair: Pair, images: Tensor, label: Tensor) -> Tensor:
    """Return the gradient penalty with target 1 of a pair's discriminator at these images."""
    return gradient_penalty(lambda images: pair.score(LabeledImages(images, label)), images)


def r1_step(pair: Pair) -> Step:
    """Return the discriminator's lazy R1 step, with the weight multiplied by its interval."""
    term: Any = pair.recipe.terms["r1"]

    def step() -> None:
        real = pair.real()
        pair.freeze_opponent(pair.discriminator)
        real.images.requires_grad_(True)
        gradient = torch.autograd.grad(pair.score(real).sum(), real.images, create_graph=True)[0]
        pair.d_optimizer.zero_grad()
        loss = term.weight / 2 * term.every_rounds * gradient.square().sum((1, 2, 3)).mean()
        loss.backward()
        pair.d_optimizer.step()
        loss.item()

    return every_rounds(term.every_rounds, step)


# ---------------------------------------------------------------------- the steps


def lsgan(generator: nn.Module, discriminator: nn.Module, data: LabeledBatches, recipe: Recipe) -> Step:
    """Least squares: PyTorch-GAN's lsgan.py, which halves the discriminator's loss and takes its step last."""
    pair = Pair(generator, discriminator, data, recipe)
    return alternate(pair, *image_losses(LEAST_SQUARES, pair), reuse_fakes=True)


def wgan(generator: nn.Module, critic: nn.Module, data: LabeledBatches, recipe: Recipe) -> Step:
    """The authors' WassersteinGAN: RMSprop, weight clipping, and the other player is frozen.

    Weights are clipped after the critic's step, in theirs before it. Theirs takes 100 critic steps in each of the first
    25 rounds and in every 500th; here the number is the same in all rounds.
    """
    pair = Pair(generator, critic, data, recipe, freeze_opponents=True)
    bound = recipe.optimizer.weight_clip["discriminator"]

    def clip() -> None:
        for parameter in critic.parameters():
            parameter.data.clamp_(-bound, bound)

    return alternate(pair, *image_losses(WASSERSTEIN, pair), after_d_step=clip)


def dragan(generator: nn.Module, discriminator: nn.Module, data: LabeledBatches, recipe: Recipe) -> Step:
    """Cross-entropy and a gradient penalty at perturbed data; the authors' code interpolates data and noisy data."""
    pair = Pair(generator, discriminator, data, recipe)
    term: Any = recipe.terms["dragan"]
    objective_loss, g_loss = image_losses(CROSS_ENTROPY, pair)

    def d_loss(real: LabeledImages, fake: LabeledImages) -> Tensor:
        perturbed = real.images + term.noise_scale * real.images.std() * torch.rand_like(real.images)
        penalty: Tensor = term.weight * pair_gradient_penalty(pair, perturbed, real.label)
        return objective_loss(real, fake) + penalty

    return alternate(pair, d_loss, g_loss)


def cgan(generator: nn.Module, discriminator: nn.Module, data: LabeledBatches, recipe: Recipe) -> Step:
    """Cross-entropy with both networks conditioned on the class: PyTorch-GAN's cgan.py; with the recipe's lazy R1."""
    pair = Pair(generator, discriminator, data, recipe)
    return sequence(r1_step(pair), alternate(pair, *image_losses(CROSS_ENTROPY, pair), reuse_fakes=True))


def acgan(generator: nn.Module, discriminator: nn.Module, data: LabeledBatches, recipe: Recipe) -> Step:
    """Cross-entropy of scores and of class logits: PyTorch-GAN's acgan.py, which halves both players' losses.

    There the discriminator learns from the classes of fakes too, here from those of the data alone, as in the recipe.
    """
    pair = Pair(generator, discriminator, data, recipe)

    def d_loss(real: LabeledImages, fake: LabeledImages) -> Tensor:
        output = pair.discriminate(real)
        assert output.class_logits is not None, "an auxiliary classifier has class logits"
        adversarial_loss = CROSS_ENTROPY.discriminator(output.score, pair.score(fake))
        return adversarial_loss + F.cross_entropy(output.class_logits, real.label)

    def g_loss(fake: LabeledImages) -> Tensor:
        output = pair.discriminate(fake)
        assert output.class_logits is not None, "an auxiliary classifier has class logits"
        return CROSS_ENTROPY.generator(output.score) + F.cross_entropy(output.class_logits, fake.label)

    return alternate(pair, d_loss, g_loss, reuse_fakes=True)


def sngan(generator: nn.Module, discriminator: nn.Module, data: LabeledBatches, recipe: Recipe) -> Step:
    """Hinge loss, several discriminator steps per round: the authors' sngan_projection, with or without classes.

    Theirs takes the generator's step first, on batches twice as large.
    """
    pair = Pair(generator, discriminator, data, recipe)
    return alternate(pair, *image_losses(HINGE, pair))


def progan(generator: nn.Module, discriminator: nn.Module, data: LabeledBatches, recipe: Recipe) -> Step:
    """WGAN-GP with one step each and an EMA: the authors' program without its drift term, as in the recipe."""
    pair = Pair(generator, discriminator, data, recipe)
    objective_loss, g_loss = image_losses(WASSERSTEIN, pair)
    term: Any = recipe.terms["gradient_penalty"]

    def d_loss(real: LabeledImages, fake: LabeledImages) -> Tensor:
        interpolated = interpolate(real.images, fake.images)
        penalty: Tensor = term.weight * pair_gradient_penalty(pair, interpolated, real.label)
        return objective_loss(real, fake) + penalty

    return alternate(pair, d_loss, g_loss, update_ema=ema_step(generator))


def path_length_step(pair: Pair) -> Step:
    """Return the generator's lazy step of path length regularization."""
    term: Any = pair.recipe.terms["path_length"]
    generator: Any = pair.generator
    mean = torch.zeros(())

    def step() -> None:
        inputs = pair.draw()
        pair.freeze_opponent(generator)
        styles = generator.styles(inputs["latent"])
        image = generator.synthesize(styles, inputs["seed"])
        direction = torch.randn_like(image) / (image.shape[2] * image.shape[3]) ** 0.5
        gradient = torch.autograd.grad((image * direction).sum(), styles, create_graph=True)[0]
        length = gradient.square().sum(2).mean(1).sqrt()
        mean.copy_(mean + 0.01 * (length.detach().mean() - mean))
        pair.g_optimizer.zero_grad()
        loss = term.weight * term.every_rounds * (length - mean).square().mean()
        loss.backward()
        pair.g_optimizer.step()
        loss.item()

    return every_rounds(term.every_rounds, step)


def stylegan2(generator: nn.Module, discriminator: nn.Module, data: LabeledBatches, recipe: Recipe) -> Step:
    """Logistic loss, lazy R1 and path length, an EMA, the other player frozen: rosinality's stylegan2-pytorch.

    The original regularizes after the main steps, here before them as in Zerosum. It computes R1 on the images of the
    main step, and path lengths of mixed styles on half a batch, here on a full one. New fakes for each player.
    """
    pair = Pair(generator, discriminator, data, recipe, freeze_opponents=True)
    use_global_rng(generator)
    main = alternate(pair, *image_losses(LOGISTIC, pair), update_ema=ema_step(generator))
    return sequence(r1_step(pair), path_length_step(pair), main)


def biggan(generator: nn.Module, discriminator: nn.Module, data: LabeledBatches, recipe: Recipe) -> Step:
    """Hinge loss on one batch of real and fake, orthogonal regularization as a gradient: the authors' BigGAN-PyTorch.

    The other player is frozen, as in its training scripts. Its orthogonal gradient is half that of the paper's equation
    3; here it has the full value, as in Zerosum.
    """
    pair = Pair(generator, discriminator, data, recipe, freeze_opponents=True)
    term: Any = recipe.terms["orthogonal"]
    matrices = [p for name, p in generator.named_parameters() if p.dim() > 1 and "embedding" not in name.split(".")]

    def d_loss(real: LabeledImages, fake: LabeledImages) -> Tensor:
        batch = LabeledImages(torch.cat([fake.images, real.images]), torch.cat([fake.label, real.label]))
        fake_score, real_score = pair.score(batch).chunk(2)
        return HINGE.discriminator(real_score, fake_score)

    @torch.no_grad()
    def add_orthogonal_gradient() -> None:
        for parameter in matrices:
            matrix = parameter.flatten(1)
            off_diagonal = matrix @ matrix.T * (1 - torch.eye(len(matrix)))
            assert parameter.grad is not None, "every weight has a gradient"
            parameter.grad += (4 * term.weight * off_diagonal @ matrix).view_as(parameter)

    g_loss = image_losses(HINGE, pair)[1]
    return alternate(pair, d_loss, g_loss, before_g_step=add_orthogonal_gradient, update_ema=ema_step(generator))


def fastgan(generator: nn.Module, discriminator: nn.Module, data: LabeledBatches, recipe: Recipe) -> Step:
    """Hinge loss, DiffAugment, decoders for real images alone: the authors' FastGAN-pytorch.

    Theirs draws the margins between 0.8 and 1 and compares reconstructions by LPIPS; here both are as in the recipe.
    One augmented batch of fakes is used by both players, as in theirs; Zerosum augments it for each.
    """
    pair = AugmentedPair(generator, discriminator, data, recipe)
    decoders: Any = discriminator.decoders
    term: Any = recipe.terms["self_supervision"]
    use_global_rng(generator)

    def score_without_decoding(fake: LabeledImages) -> Tensor:
        # an argument of theirs says whether images are real; ours decodes if the decoders require gradients
        decoders.requires_grad_(False)
        score = pair.score(fake)
        decoders.requires_grad_(True)
        return score

    def d_loss(real: LabeledImages, fake: LabeledImages) -> Tensor:
        output = pair.discriminate(real)
        assert output.reconstructions is not None, "the decoders require gradients"
        small = F.adaptive_avg_pool2d(real.images, output.reconstructions.shape[3])
        reconstruction_error = F.l1_loss(output.reconstructions, small.repeat(1, len(decoders), 1, 1))
        objective_loss = HINGE.discriminator(output.score, score_without_decoding(fake))
        reconstruction_loss: Tensor = term.weight * reconstruction_error
        return objective_loss + reconstruction_loss

    def g_loss(fake: LabeledImages) -> Tensor:
        return HINGE.generator(score_without_decoding(fake))

    return alternate(pair, d_loss, g_loss, reuse_fakes=True, update_ema=ema_step(generator))


def projected(generator: nn.Module, discriminator: nn.Module, data: LabeledBatches, recipe: Recipe) -> Step:
    """Hinge loss on all scales, DiffAugment, the other player frozen: the authors' projected_gan.

    Theirs adds the losses of the scales; here it is their mean, as in Zerosum.
    """
    pair = AugmentedPair(generator, discriminator, data, recipe, freeze_opponents=True)
    return alternate(pair, *image_losses(HINGE, pair), update_ema=ema_step(generator))


STEPS = {"lsgan": lsgan, "wgan": wgan, "dragan": dragan, "cgan": cgan, "acgan": acgan, "cgan-projection": sngan,
         "sngan": sngan, "progan": progan, "stylegan2": stylegan2, "biggan": biggan, "fastgan": fastgan,
         "projected": projected}  # fmt: skip
"""The steps by recipe."""
