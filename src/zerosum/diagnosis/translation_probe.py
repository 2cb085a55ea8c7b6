"""An examination of a game that makes pictures from pictures: what its generator makes of held-out questions.

It is made on a double of the game like any other (`zerosum.diagnosis.examination`), and changes no bit of training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from zerosum.diagnosis import measures, translation_measures
from zerosum.diagnosis.measures import Seen, Signals
from zerosum.diagnosis.probe import STEPS, flat, gap_of, kept, round_of
from zerosum.diagnosis.reference_set import Bench
from zerosum.diagnosis.sandbox import Try, double
from zerosum.diagnosis.translation_measures import LEVEL, Way, worst
from zerosum.diagnosis.translation_reference_set import Questions
from zerosum.evaluation.metrics.thumbnails import looks, spread
from zerosum.game.schedule import Now
from zerosum.game.translation import Translation
from zerosum.game.types import Batch

ROUGH = 3
"""Levels of a byte: the deviation of the noise that is laid over a picture, hardly seen, to blur what it hides."""


@dataclass
class TranslationExamination:
    """Examines a game that makes pictures from pictures."""

    bench: Bench
    attempt: Try
    """Makes a move in a double."""

    def __call__(self, game: Translation, now: Now, deep: bool = False) -> Signals:
        """All signals, "exam/..."; a deep examination works out the duality gap too.

        Raises:
            BadInput: too few pictures are held out.
        """
        judged = any(move.player == "discriminator" for move in game.moves)
        unseen, known = self._questions.unseen(game.both), self._questions.known(game.both)
        with double(game) as patient:
            seen = _see(patient, unseen, known if judged else [], now)
            fakes = torch.cat(seen.made)
            if not bool(fakes.isfinite().all()):
                return {"exam/finite": 0.0}
            found = measures.verdicts(seen) if judged else {}
            found |= measures.pictures(fakes, torch.cat([batch["real"] for batch in known]))
            found |= self._sensed(_ways(patient, unseen, fakes, now))
            found |= _lag(patient, unseen, fakes) | (_cycle(patient, unseen, seen.made, now) if game.both else {})
            batch = self._questions.known(game.both, self.bench.part, first=now.images + 1)[0]
            found |= round_of(patient, batch, now, self.attempt)
        if deep and judged:
            batches = self._questions.known(game.both, self.bench.part * STEPS, first=now.images + 1)
            found |= gap_of(game, batches, unseen, now, self.attempt)
        return {"exam/finite": 1.0} | {name: value for name, value in found.items() if math.isfinite(value)}

    @cached_property
    def _questions(self) -> Questions:
        return Questions(self.bench)

    def _sensed(self, each: Sequence[Way]) -> Signals:
        """What pictures show by themselves, of the worse way where there are two."""
        truth = self._questions.truth
        found = worst([translation_measures.nearness(way, truth) for way in each], "exam/likeness")
        # where sizes differ nothing is like what was given, and there is one way
        found = found or translation_measures.nearness(each[0], truth)
        found |= worst([translation_measures.answer(way) for way in each], "exam/answer")
        found |= worst([translation_measures.tone(way, truth) for way in each], "exam/tone")
        return found | worst([translation_measures.grid(way) for way in each], "exam/ripple", high=True)


@torch.no_grad()
def _see(game: Translation, unseen: Sequence[Batch], known: Sequence[Batch], now: Now) -> Seen:
    """Let the double's players look at all parts; no training questions where nobody judges."""
    seen = Seen()
    for batch in unseen:
        if not known:
            seen.made.append(game.imagine(batch, now))
            continue
        play = kept(game, batch, now, seen.made)
        seen.fake.append(flat(play.fake_score))
        seen.unseen.append(flat(play.real_score))
        seen.middle.append(torch.as_tensor(game.objective.boundary(play)).float().mean().cpu())
    seen.known += [flat(game.play(batch, now).real_score) for batch in known]
    return seen


@torch.no_grad()
def _ways(game: Translation, unseen: Sequence[Batch], fakes: Tensor, now: Now) -> list[Way]:
    """What was asked, made and wanted, way by way."""
    given, wanted = (torch.cat([batch[name] for batch in unseen]) for name in ("given", "real"))
    # what is left to chance is held fast, so that only what is given makes a difference
    one = [game.imagine(batch | {"seed": torch.zeros_like(batch["seed"])}, now) for batch in unseen]
    parts = [each.float().cpu() for each in (given, fakes, wanted, torch.cat(one))]
    return [Way(*(part[:, way] for part in parts)) for way in (0, 1)] if game.both else [Way(*parts)]


def _lag(game: Translation, unseen: Sequence[Batch], fakes: Tensor) -> Signals:
    """How far the averaged generator's pictures are from the playing one's, the way there."""
    there = [(batch["given"][:, 0], batch["real"][:, 0]) if game.both else (batch["given"], batch["real"])
             for batch in unseen]  # fmt: skip
    averaged = [game.translate(given, batch["seed"]) for (given, _), batch in zip(there, unseen, strict=True)]
    size = spread(looks(torch.cat([real for _, real in there])))
    apart = looks(fakes[:, 0] if game.both else fakes) - looks(torch.cat(averaged))
    return {"exam/lag": float(apart.norm(dim=1).mean()) / max(size, 1e-6)}


@torch.no_grad()
def _cycle(game: Translation, unseen: Sequence[Batch], made: Sequence[Tensor], now: Now) -> Signals:
    """Whether pictures come back, from what was made of them and from the same as a file with a little noise.

    A cycle is also closed by hiding in the sample, where nobody sees it, what the sample is not to show: Chu, Zhmoginov
    and Sandler 2017, "CycleGAN, a Master of Steganography", arXiv:1712.02950. Of the two ways, the one that clearly
    loses more; else the way there.
    """
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for batch, fakes in zip(unseen, made, strict=True):
        back = [game.turned(each.flip(1), batch).flip(1).float().cpu() for each in (fakes, roughened(fakes))]
        parts.append((batch["given"].float().cpu(), back[0], back[1]))
    given, again, roughly = (torch.cat(each) for each in zip(*parts, strict=True))
    found = [translation_measures.cycle(given[:, way], again[:, way], roughly[:, way]) for way in (0, 1)]
    # rounded, so that chance does not change the way from look to look while neither loses anything
    return max(found, key=lambda each: round(each.get("exam/cycle_noisy", 0.0) - each.get("exam/cycle", 0.0), 1))


def roughened(pictures: Tensor) -> Tensor:
    """Pictures of any shape in [-1, 1] as bytes, with noise of a few levels over them; always the same noise."""
    dice = torch.Generator().manual_seed(0)
    rough = pictures + ROUGH * LEVEL * torch.randn(pictures.shape, generator=dice).to(pictures)
    return ((rough.clamp(-1, 1) + 1) / LEVEL).round() * LEVEL - 1
