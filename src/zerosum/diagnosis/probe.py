"""An examination: everything a game shows of itself at one moment, as numbers for the log.

It is made on a double of the game with seeds of its own, so it changes no bit of training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from zerosum.diagnosis import measures
from zerosum.diagnosis.duality_gap import duality_gap
from zerosum.diagnosis.measures import Seen, Signals
from zerosum.diagnosis.reference_set import Bench
from zerosum.diagnosis.sandbox import Try, double, try_round
from zerosum.evaluation.metrics.thumbnails import looks
from zerosum.game.adversarial import FAKE, Adversarial
from zerosum.game.play import Exhibit, Play
from zerosum.game.schedule import Now
from zerosum.game.types import Batch, Verdict

NUDGE = 0.1
"""How far latents are moved to see what follows; their deviation is about 1."""
STEPS = 10
"""Moves of a best response, for the duality gap."""


@dataclass
class Examination:
    """Examines a game."""

    bench: Bench
    attempt: Try
    """Makes a move in a double."""

    def __call__(self, game: Adversarial, now: Now, deep: bool = False) -> Signals:
        """All signals, "exam/..."; a deep examination works out the duality gap too."""
        with double(game) as patient:
            seen = self._see(patient, now)
            fakes = torch.cat(seen.made)
            if not bool(fakes.isfinite().all()):
                return {"exam/finite": 0.0}
            found = self._sensed(game, seen, fakes)
            found |= self._reach(patient, now) | self._classes(patient, now)
            found |= self._round(patient, now)
        if deep:
            found |= self._gap(game, now)
        return {"exam/finite": 1.0} | {name: value for name, value in found.items() if math.isfinite(value)}

    # ------------------------------------------------------------------ looking

    def _see(self, game: Adversarial, now: Now) -> Seen:
        """Let the double's players look at all parts, as they would in a round."""
        seen = Seen()
        with torch.no_grad(), last_input(game.discriminator) as inner:
            for known, unseen in zip(self.bench.train(), self.bench.held_out(), strict=True):
                play = kept(game, known, now, seen.made)
                seen.known.append(flat(play.real_score))
                seen.inner_known.append(inner[-1])
                seen.fake.append(flat(play.fake_score))
                seen.inner_fake.append(inner[-1])
                seen.unseen.append(flat(game.play(unseen, now).real_score))
                seen.middle.append(torch.as_tensor(game.objective.boundary(play)).float().mean().cpu())
        return seen

    @cached_property
    def _floors(self) -> Signals:
        return measures.floors(self.bench)

    @cached_property
    def _real(self) -> Tensor:
        return torch.cat([batch["real"] for batch in self.bench.train()])

    def _sensed(self, game: Adversarial, seen: Seen, fakes: Tensor) -> Signals:
        """What follows from what was seen."""
        rows, bench = looks(fakes), self.bench
        parts = [game.produce(batch["seed"].cpu(), _label(game, batch)) for batch in bench.train()]
        found = measures.judgement(seen) | measures.variety(rows, bench) | self._floors | measures.kinds(rows, bench)
        found |= measures.pictures(fakes, self._real) | measures.trace(rows, bench)
        found |= measures.average(rows, looks(torch.cat(parts)), bench)
        if not len(game.shares):
            return found
        return found | measures.within_classes(rows, bench) | measures.obedience(rows, bench)

    # ------------------------------------------------------------------ touching

    def _reach(self, game: Adversarial, now: Now) -> Signals:
        """How the generator's loss and its samples answer to a small change."""
        batch = self.bench.train()[0]
        with torch.no_grad():
            still = game.imagine(batch, now)
            with moved_latents(game.generator):
                moved = game.imagine(batch, now)
        answer = (looks(moved) - looks(still)).norm(dim=1).mean() / NUDGE
        leaf = still.detach().requires_grad_(True)

        play = game.play(batch, now, imagine=lambda batch, now: game.exhibit(leaf, FAKE, batch, now))
        push = _steepness(game.objective.generator(play).sum(), leaf)
        steep = _steepness(flat(play.fake_score, keep=True).sum(), leaf)
        size = self.bench.spread
        return {"exam/latent": float(answer) / size, "exam/push": push * size, "exam/steep": steep * size}

    def _classes(self, game: Adversarial, now: Now) -> Signals:
        """Whether a change of class changes samples and verdicts."""
        if len(game.shares) < 2:
            return {}
        with torch.no_grad():
            parts = [self._told_of(game, batch, now) for batch in self.bench.held_out()]
        effect, right, wrong = (torch.cat(each) for each in zip(*parts, strict=True))
        heard = (right - wrong).square().mean().sqrt() / right.std().clamp_min(1e-12)
        fits = ((right > wrong).float() + (right == wrong).float() / 2).mean()
        effects = {"exam/class_effect": float(effect.mean()) / self.bench.spread}
        return effects | {"exam/heard": float(heard), "exam/fits": float(fits)}

    def _told_of(self, game: Adversarial, batch: Batch, now: Now) -> tuple[Tensor, Tensor, Tensor]:
        """(n,) how far samples move with their class; how well reals fit their own class, and another."""
        classes = len(game.shares)
        away = 1 + batch["seed"].remainder(classes - 1)
        other = batch | {"label": (batch["label"] + away) % classes}
        effect = (looks(game.imagine(other, now)) - looks(game.imagine(batch, now))).norm(dim=1)
        right, wrong = (_fit(game.play(each, now).real_verdict, each) for each in (batch, other))
        return effect, right, wrong

    def _round(self, game: Adversarial, now: Now) -> Signals:
        batch = self.bench.train(self.bench.part, first=now.images + 1)[0]
        return round_of(game, batch, now, self.attempt)

    def _gap(self, game: Adversarial, now: Now) -> Signals:
        batches = self.bench.train(self.bench.part * STEPS, first=now.images + 1)
        return gap_of(game, batches, self.bench.held_out(), now, self.attempt)


def round_of(game: Adversarial, batch: Batch, now: Now, attempt: Try) -> Signals:
    """What a round does to the players. The double is not itself any more afterwards."""
    trials, terms = try_round(game, batch, now, attempt)
    found: Signals = {}
    for player, trial in trials.items():
        found |= {f"exam/{what}/{player}": value for what, value in trial._asdict().items()}
    score = abs(terms.get("discriminator/score", math.nan))
    own = {name: abs(value) for name, value in terms.items() if name.startswith("discriminator/")}
    more = sum(own.values()) - own.get("discriminator/score", 0.0)
    return found | {"exam/penalty": more / max(score, 1e-6)}


def gap_of(game: Adversarial, batches: Sequence[Batch], unseen: Sequence[Batch], now: Now, attempt: Try) -> Signals:
    """The duality gap, and each player's part of it."""
    gap = duality_gap(game, batches, unseen, now, attempt)
    return {"exam/gap": gap.total, "exam/gap/discriminator": gap.discriminator, "exam/gap/generator": gap.generator}


def flat(score: Tensor, keep: bool = False) -> Tensor:
    """Scores (N,) or of patches (N, 1, h, w) as (N,) float32, on the CPU unless they are kept where they are."""
    each = score.float().flatten(1).mean(1) if score.dim() > 1 else score.float()
    return each if keep else each.detach().cpu()


def kept(game: Adversarial, batch: Batch, now: Now, made: list[Tensor]) -> Play:
    """A play whose fakes are put into `made` as they were before anything varied them."""

    def imagine(batch: Batch, now: Now) -> Exhibit:
        made.append(game.imagine(batch, now))
        return game.exhibit(made[-1], FAKE, batch, now)

    return game.play(batch, now, imagine=imagine)


@contextmanager
def last_input(network: nn.Module) -> Iterator[list[Tensor]]:
    """What the last of a network's layers that is called with numbers is given, a (N, D) CPU tensor each call."""
    found: list[Tensor] = []
    newest: list[Tensor] = []

    def note(module: nn.Module, given: tuple[object, ...]) -> None:
        if given and isinstance(given[0], Tensor) and given[0].is_floating_point() and given[0].dim() > 1:
            newest[:] = [given[0]]

    def close(module: nn.Module, given: object, result: object) -> None:
        found.append(newest[0].detach().float().flatten(1).cpu())

    # a layer whose weight is constrained holds the constraint as a child, and its weight in there
    layers = [m for m in network.modules() if (is_parametrized(m) or not list(m.children())) and list(m.parameters())]
    hooks = [layer.register_forward_pre_hook(note) for layer in layers] + [network.register_forward_hook(close)]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def moved_latents(generator: nn.Module) -> Iterator[None]:
    """While it lasts, the generator is given latents (N, L) a little beside those it is called with."""

    def move(module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        dice = torch.Generator().manual_seed(0)
        beside = torch.randn(given[0].shape, generator=dice).to(given[0])
        return (given[0] + NUDGE * beside, *given[1:])

    hook = generator.register_forward_pre_hook(move)
    try:
        yield
    finally:
        hook.remove()


def _steepness(total: Tensor, leaf: Tensor) -> float:
    """The root mean square over samples of the norm of the gradient of a sum over samples."""
    if not total.requires_grad:
        return 0.0
    (gradient,) = torch.autograd.grad(total, leaf, retain_graph=True, allow_unused=True)
    return 0.0 if gradient is None else float(gradient.flatten(1).square().sum(1).mean().sqrt())


def _label(game: Adversarial, batch: Batch) -> Tensor | None:
    return batch["label"] if len(game.shares) else None


def _fit(verdict: Verdict, asked: Batch) -> Tensor:
    """How well reals fit the class they are said to be of: by the guess of their class, where there is one."""
    if verdict.classes is None:
        return flat(verdict.score)
    return verdict.classes.gather(1, asked["label"][:, None])[:, 0].float().cpu()
