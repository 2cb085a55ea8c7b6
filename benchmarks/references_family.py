"""The steps of the family from noise, each as its paper's well-known code takes them: see `references.py`.

Each is put together from `alternate`, a step of both players on two losses, and from what its paper adds: a penalty, a
clip, classes, augmentation, lazy terms. Numbers are the recipe's and rates stay at their first value, so that both
sides do the same arithmetic (`tests/test_references.py`). Nothing comes from seeds, as in ours, but styles that are
mixed: latents are normal throughout, classes of fakes are drawn evenly, noise is `torch.randn`, DiffAugment is plain
(`references.diffaugment`). The discriminator's gradients of the generator's step are worked out and thrown away, but
where a paper's code freezes who does not move (`Pair.turn`). There is an average where that code keeps one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from references import CLASSES, Step, averaged, between, diffaugment, drawn_to_one, lazily, together, unseed
from torch import Tensor, nn
from torch.nn import functional as F

from zerosum.game.schedule import Progress, value_at
from zerosum.game.types import DiscriminatorOutput
from zerosum.recipes.recipe import Recipe

Told = Iterator[tuple[Tensor, Tensor]]
"""Batches (N, C, H, W) in [-1, 1] and their classes (N,)."""
NOTHING = together()


# ---------------------------------------------------------------------- both players


class Shown(NamedTuple):
    """Pictures (N, C, H, W) and their classes (N,), which mean nothing to networks that take none."""

    picture: Tensor
    label: Tensor

    def detach(self) -> Shown:
        """The same without a graph."""
        return Shown(self.picture.detach(), self.label)


class Pair:
    """Two plain networks with their optimizers and their data; `frozen`: who does not move wants no gradients."""

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, data: Told, recipe: Recipe, frozen: bool = False
    ) -> None:
        self.generator, self.discriminator, self.data = generator, discriminator, data
        self.recipe, self.frozen = recipe, frozen
        self.d_optimizer = optimizer(recipe, "discriminator", discriminator)
        self.g_optimizer = optimizer(recipe, "generator", generator)

    def real(self) -> Shown:
        """The next real pictures."""
        return Shown(*next(self.data))

    def draw(self) -> dict[str, Tensor]:
        """What a generator is called with for a batch, and more."""
        size = self.recipe.training.batch_size
        drawn = {"latent": torch.randn(size, self.recipe.latent.size), "label": torch.randint(CLASSES, (size,))}
        return drawn | {"seed": torch.randint(2**62, (size,))}

    def fake(self) -> Shown:
        """New fakes."""
        drawn = self.draw()
        wanted = {name: drawn[name] for name in getattr(self.generator, "takes", ())}
        return Shown(self.generator(drawn["latent"], **wanted), drawn["label"])

    def verdict(self, shown: Shown) -> DiscriminatorOutput:
        """What the discriminator says of pictures."""
        image, label = shown
        return self.discriminator(image, label=label) if self.discriminator.takes else self.discriminator(image)

    def score(self, shown: Shown) -> Tensor:
        """How real the discriminator finds pictures."""
        return self.verdict(shown).score

    def turn(self, mover: nn.Module) -> None:
        """Freeze who does not move, where the paper's code does so."""
        if self.frozen:
            for network in (self.generator, self.discriminator):
                network.requires_grad_(network is mover)


class Augmented(Pair):
    """All pictures go through DiffAugment once."""

    def real(self) -> Shown:
        """The next real pictures, augmented."""
        return self._changed(super().real())

    def fake(self) -> Shown:
        """New fakes, augmented."""
        return self._changed(super().fake())

    def _changed(self, shown: Shown) -> Shown:
        return shown._replace(picture=diffaugment(shown.picture, self.recipe.augment.policy))


def optimizer(recipe: Recipe, player: str, network: nn.Module) -> torch.optim.Optimizer:
    """The recipe's, as PyTorch gives it."""
    rule: Any = recipe.optimizer
    rate = value_at(rule.lr, Progress()) * rule.rates.get(player, 1.0)
    if rule.kind == "rmsprop":
        return torch.optim.RMSprop(network.parameters(), rate, rule.decay, rule.eps)
    return torch.optim.Adam(network.parameters(), rate, (float(rule.beta1), value_at(rule.beta2, Progress())), rule.eps)


def alternate(
    pair: Pair,
    d_loss: Callable[[Shown, Shown], Tensor],
    g_loss: Callable[[Shown], Tensor],
    *,
    shared: bool = False,
    settle: Step = NOTHING,
    nudge: Step = NOTHING,
    follow: Step = NOTHING,
) -> Step:
    """Steps of the discriminator, as many as the recipe says, then one of the generator; both losses to Python.

    Args:
        pair: the players.
        d_loss: of real and fake pictures.
        g_loss: of fake pictures.
        shared: the generator's step is on the discriminator's last fakes, not on new ones.
        settle: done after a step of the discriminator.
        nudge: done to the generator's gradients before its step.
        follow: done at the end.
    """

    def step() -> None:
        pair.turn(pair.discriminator)
        for _ in range(pair.recipe.game.discriminator_steps):
            real, fake = pair.real(), pair.fake()
            pair.d_optimizer.zero_grad()
            loss = d_loss(real, fake.detach())
            loss.backward()
            pair.d_optimizer.step()
            settle()
            loss.item()
        pair.turn(pair.generator)
        pair.g_optimizer.zero_grad()
        loss = g_loss(fake if shared else pair.fake())
        loss.backward()
        nudge()
        pair.g_optimizer.step()
        follow()
        loss.item()

    return step


# ---------------------------------------------------------------------- what they play for


class Losses(NamedTuple):
    """Of scores: of real and fake for the discriminator, of fake for the generator."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


def towards(measure: Callable[[Tensor, Tensor], Tensor]) -> Losses:
    """Reals are drawn to one and fakes to zero by the discriminator, fakes to one by the generator."""

    def d_loss(real: Tensor, fake: Tensor) -> Tensor:
        return measure(real, torch.ones_like(real)) + measure(fake, torch.zeros_like(fake))

    return Losses(d_loss, lambda fake: measure(fake, torch.ones_like(fake)))


CROSS_ENTROPY, LEAST_SQUARES = towards(F.binary_cross_entropy_with_logits), towards(F.mse_loss)
LOGISTIC = Losses(lambda real, fake: F.softplus(-real).mean() + F.softplus(fake).mean(),
                  lambda fake: F.softplus(-fake).mean())  # fmt: skip
WASSERSTEIN = Losses(lambda real, fake: fake.mean() - real.mean(), lambda fake: -fake.mean())
HINGE = Losses(lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(), lambda fake: -fake.mean())


def played(losses: Losses, pair: Pair) -> tuple[Callable[[Shown, Shown], Tensor], Callable[[Shown], Tensor]]:
    """Losses of pictures, real and fake judged one after the other."""

    def d_loss(real: Shown, fake: Shown) -> Tensor:
        return losses.discriminator(pair.score(real), pair.score(fake))

    return d_loss, lambda fake: losses.generator(pair.score(fake))


def steep(pair: Pair, place: Tensor, label: Tensor) -> Tensor:
    """How far slopes at these pictures are from length 1."""
    return drawn_to_one(lambda picture: pair.score(Shown(picture, label)), place)


def r1(pair: Pair) -> Step:
    """A step of the discriminator down its slope at real pictures, scaled up by how seldom it is taken."""
    term: Any = pair.recipe.terms["r1"]

    def step() -> None:
        real = pair.real()
        pair.turn(pair.discriminator)
        real.picture.requires_grad_(True)
        slope = torch.autograd.grad(pair.score(real).sum(), real.picture, create_graph=True)[0]
        pair.d_optimizer.zero_grad()
        loss = term.weight / 2 * term.every * slope.square().sum((1, 2, 3)).mean()
        loss.backward()
        pair.d_optimizer.step()
        loss.item()

    return lazily(term.every, step)


# ---------------------------------------------------------------------- their steps


def lsgan(generator: nn.Module, discriminator: nn.Module, data: Told, recipe: Recipe) -> Step:
    """Squared distances to one and zero: PyTorch-GAN's lsgan.py, which halves the discriminator's and moves last."""
    pair = Pair(generator, discriminator, data, recipe)
    return alternate(pair, *played(LEAST_SQUARES, pair), shared=True)


def wgan(generator: nn.Module, critic: nn.Module, data: Told, recipe: Recipe) -> Step:
    """The authors' WassersteinGAN: RMSprop, a clip, and who does not move is frozen.

    The clip stands after the critic's step, theirs before it. Theirs takes 100 steps of the critic in each of the first
    25 rounds and in every 500th, here there are as many in all.
    """
    pair = Pair(generator, critic, data, recipe, frozen=True)
    bound = recipe.optimizer.weight_clip["discriminator"]

    def clip() -> None:
        for parameter in critic.parameters():
            parameter.data.clamp_(-bound, bound)

    return alternate(pair, *played(WASSERSTEIN, pair), settle=clip)


def dragan(generator: nn.Module, discriminator: nn.Module, data: Told, recipe: Recipe) -> Step:
    """Cross-entropy and a penalty around the data; the authors' code takes places between data and noisy data."""
    pair = Pair(generator, discriminator, data, recipe)
    term: Any = recipe.terms["dragan"]
    plain, g_loss = played(CROSS_ENTROPY, pair)

    def d_loss(real: Shown, fake: Shown) -> Tensor:
        around = real.picture + term.reach * real.picture.std() * torch.rand_like(real.picture)
        return plain(real, fake) + term.weight * steep(pair, around, real.label)

    return alternate(pair, d_loss, g_loss)


def cgan(generator: nn.Module, discriminator: nn.Module, data: Told, recipe: Recipe) -> Step:
    """Cross-entropy, both networks told the class: PyTorch-GAN's cgan.py; with the recipe's R1, every so often."""
    pair = Pair(generator, discriminator, data, recipe)
    return together(r1(pair), alternate(pair, *played(CROSS_ENTROPY, pair), shared=True))


def acgan(generator: nn.Module, discriminator: nn.Module, data: Told, recipe: Recipe) -> Step:
    """Cross-entropy of scores and of guessed classes: PyTorch-GAN's acgan.py, which halves both players' losses.

    There the discriminator learns from the fakes' classes too, here from the data's, as the recipe has it.
    """
    pair = Pair(generator, discriminator, data, recipe)

    def d_loss(real: Shown, fake: Shown) -> Tensor:
        seen = pair.verdict(real)
        return CROSS_ENTROPY.discriminator(seen.score, pair.score(fake)) + F.cross_entropy(
            seen.class_logits, real.label
        )

    def g_loss(fake: Shown) -> Tensor:
        seen = pair.verdict(fake)
        return CROSS_ENTROPY.generator(seen.score) + F.cross_entropy(seen.class_logits, fake.label)

    return alternate(pair, d_loss, g_loss, shared=True)


def sngan(generator: nn.Module, discriminator: nn.Module, data: Told, recipe: Recipe) -> Step:
    """Hinge, several steps of the discriminator for one: the authors' sngan_projection, with classes or without.

    Theirs moves the generator first, and on batches twice as large.
    """
    pair = Pair(generator, discriminator, data, recipe)
    return alternate(pair, *played(HINGE, pair))


def progan(generator: nn.Module, discriminator: nn.Module, data: Told, recipe: Recipe) -> Step:
    """WGAN-GP with one step each and an average: the authors' program, less its drift term, as the recipe."""
    pair = Pair(generator, discriminator, data, recipe)
    plain, g_loss = played(WASSERSTEIN, pair)
    weight = recipe.terms["gradient-penalty"].weight

    def d_loss(real: Shown, fake: Shown) -> Tensor:
        return plain(real, fake) + weight * steep(pair, between(real.picture, fake.picture), real.label)

    return alternate(pair, d_loss, g_loss, follow=averaged(generator))


def path_length(pair: Pair) -> Step:
    """A step of the generator towards pictures that change as much with all styles."""
    term: Any = pair.recipe.terms["path-length"]
    generator: Any = pair.generator
    mean = torch.zeros(())

    def step() -> None:
        drawn = pair.draw()
        pair.turn(generator)
        styles = generator.styles(drawn["latent"])
        image = generator.synthesise(styles, drawn["seed"])
        direction = torch.randn_like(image) / (image.shape[2] * image.shape[3]) ** 0.5
        slope = torch.autograd.grad((image * direction).sum(), styles, create_graph=True)[0]
        length = slope.square().sum(2).mean(1).sqrt()
        mean.copy_(mean + 0.01 * (length.detach().mean() - mean))
        pair.g_optimizer.zero_grad()
        loss = term.weight * term.every * (length - mean).square().mean()
        loss.backward()
        pair.g_optimizer.step()
        loss.item()

    return lazily(term.every, step)


def stylegan2(generator: nn.Module, discriminator: nn.Module, data: Told, recipe: Recipe) -> Step:
    """Logistic, lazy R1 and path length, an average, who does not move frozen: rosinality's stylegan2-pytorch.

    The original regularises after the main steps, here before; it takes R1 at the main step's pictures, and the lengths
    of mixed styles of half a batch, here of a whole one, as ours. New fakes for each player.
    """
    pair = Pair(generator, discriminator, data, recipe, frozen=True)
    unseed(generator)
    main = alternate(pair, *played(LOGISTIC, pair), follow=averaged(generator))
    return together(r1(pair), path_length(pair), main)


def biggan(generator: nn.Module, discriminator: nn.Module, data: Told, recipe: Recipe) -> Step:
    """Hinge, real and fake judged in one go, the orthogonal term as a gradient: the authors' BigGAN-PyTorch.

    Who does not move is frozen, as its training scripts ask for. Its gradient is half that of the paper's equation 3,
    here it is whole, as ours.
    """
    pair = Pair(generator, discriminator, data, recipe, frozen=True)
    beta = recipe.terms["orthogonal"].weight
    spared = {id(parameter) for name, parameter in generator.named_parameters() if ".table." in name}
    matrices = [p for p in generator.parameters() if p.dim() > 1 and id(p) not in spared]

    def d_loss(real: Shown, fake: Shown) -> Tensor:
        both = Shown(torch.cat([fake.picture, real.picture]), torch.cat([fake.label, real.label]))
        fake_score, real_score = pair.score(both).chunk(2)
        return HINGE.discriminator(real_score, fake_score)

    @torch.no_grad()
    def straighten() -> None:
        for parameter in matrices:
            matrix = parameter.flatten(1)
            askew = matrix @ matrix.T * (1 - torch.eye(len(matrix)))
            parameter.grad += (4 * beta * askew @ matrix).view_as(parameter)

    g_loss = played(HINGE, pair)[1]
    return alternate(pair, d_loss, g_loss, nudge=straighten, follow=averaged(generator))


def fastgan(generator: nn.Module, discriminator: nn.Module, data: Told, recipe: Recipe) -> Step:
    """Hinge, DiffAugment, decoders of real pictures alone: the authors' FastGAN-pytorch.

    Its margins are drawn between 0.8 and 1, its decoders are compared by LPIPS; here as in the recipe. One augmented
    batch of fakes serves both players, as there; ours augments it for each.
    """
    pair = Augmented(generator, discriminator, data, recipe)
    decoders: Any = discriminator.decoders
    weight = recipe.terms["rebuild"].weight
    unseed(generator)

    def undecoded(fake: Shown) -> Tensor:
        # theirs is told whether pictures are real; ours decodes where its decoders learn
        decoders.requires_grad_(False)
        score = pair.score(fake)
        decoders.requires_grad_(True)
        return score

    def d_loss(real: Shown, fake: Shown) -> Tensor:
        seen = pair.verdict(real)
        small = F.adaptive_avg_pool2d(real.picture, seen.reconstructions.shape[3])
        apart = F.l1_loss(seen.reconstructions, small.repeat(1, len(decoders), 1, 1))
        return HINGE.discriminator(seen.score, undecoded(fake)) + weight * apart

    follow = averaged(generator)
    return alternate(pair, d_loss, lambda fake: HINGE.generator(undecoded(fake)), shared=True, follow=follow)


def projected(generator: nn.Module, discriminator: nn.Module, data: Told, recipe: Recipe) -> Step:
    """Hinge on all scales, DiffAugment, who does not move frozen: the authors' projected_gan.

    They add up the scales' losses; here their mean is taken, as in ours.
    """
    pair = Augmented(generator, discriminator, data, recipe, frozen=True)
    return alternate(pair, *played(HINGE, pair), follow=averaged(generator))


STEPS = {"lsgan": lsgan, "wgan": wgan, "dragan": dragan, "cgan": cgan, "acgan": acgan, "cgan-projection": sngan,
         "sngan": sngan, "progan": progan, "stylegan2": stylegan2, "biggan": biggan, "fastgan": fastgan,
         "projected": projected}  # fmt: skip
"""By recipe."""
