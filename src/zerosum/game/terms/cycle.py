"""Terms of pictures without pairs: what keeps a sample close to what it was made from, when nobody knows the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import Interval, TermSetting

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play


class Cycle(TermSetting):
    """There and back again, a picture is to be what it was. Zhu et al. 2017, arXiv:1703.10593, equation 2.

    For games both ways: pictures are couples (N, 2, C, H, W), and the other order is the way back.
    """

    kind: Literal["cycle"] = "cycle"
    weight: Schedule = 10.0
    """What it is multiplied by; the paper's 10, where losses of the two ways are added up: here they are averaged,
    as the scores are."""
    every: Interval = 1
    """Rounds between two times it is played."""
    player: ClassVar[str] = "generator"
    both: ClassVar[bool] = True

    def __call__(self, play: Play) -> Tensor:
        """|F(G(x)) - x|, its mean over both ways, channels and pixels: (N,)."""
        given = play.batch["given"]
        again: Tensor = play.game.turned(play.fake_pictures.flip(1), play.batch).flip(1)  # type: ignore[operator]
        return (again - given).abs().flatten(1).mean(1)


class Identity(TermSetting):
    """A picture that is of the wanted kind already is to be left alone. Zhu et al. 2017, section 5.2.

    It keeps colours, which a cycle alone may turn round and back.
    """

    kind: Literal["identity"] = "identity"
    weight: Schedule = 5.0
    """What it is multiplied by; the paper's is half of the cycle's."""
    every: Interval = 1
    """Rounds between two times it is played."""
    player: ClassVar[str] = "generator"
    alike: ClassVar[bool] = True

    def __call__(self, play: Play) -> Tensor:
        """|G(y) - y|, its mean over channels and pixels: (N,)."""
        real = play.batch["real"]
        same: Tensor = play.game.turned(real, play.batch)  # type: ignore[operator]
        return (same - real).abs().flatten(1).mean(1)


class Contrast(TermSetting):
    """A place of the sample is to be more like the same place of what was given than like any other place of it.

    Park, Efros, Zhang and Zhu 2020, "Contrastive Learning for Unpaired Image-to-Image Translation", arXiv:2007.15651,
    equations 3 and 4. Likeness is that of the generator's own inner maps, seen through small heads that learn with it.
    """

    kind: Literal["contrast"] = "contrast"
    weight: Schedule = 1.0
    """What it is multiplied by."""
    every: Interval = 1
    """Rounds between two times it is played."""
    identity: bool = True
    """The same for pictures of the wanted kind, which keeps them as they are (the paper's CUT; without: FastCUT)."""
    places: Annotated[int, Field(ge=2, le=4096)] = 256
    """Places of a map that are compared, at most."""
    temperature: Annotated[float, Field(gt=0)] = 0.07
    """Of the softmax over places."""
    player: ClassVar[str] = "generator"
    needs: ClassVar[frozenset[str]] = frozenset({"contrast"})
    alike: ClassVar[bool] = True

    def __call__(self, play: Play) -> Tensor:
        """The cross-entropy of finding the same place, its mean over maps and places: (N,)."""
        loss = self._between(play, play.batch["given"], play.fake_pictures)
        if not self.identity:
            return loss
        real = play.batch["real"]
        same: Tensor = play.game.turned(real, play.batch)  # type: ignore[operator]
        return (loss + self._between(play, real, same)) / 2

    def _between(self, play: Play, given: Tensor, made: Tensor) -> Tensor:
        import torch

        from zerosum.game import seeded_rng

        generator = play.game.generator
        with torch.no_grad():  # what was given is the measure, and does not move (the paper's programs do the same)
            keys = generator.encode(given)  # type: ignore[operator, union-attr]
        queries = generator.encode(made)  # type: ignore[operator, union-attr]
        losses = []
        for level, (key, query) in enumerate(zip(keys, queries, strict=True)):
            seed = seeded_rng.fork(play.batch["seed"], level)
            where = _places(seed, key.shape[-2] * key.shape[-1], self.places)
            with torch.no_grad():
                known = generator.project(level, _at(key, where))  # type: ignore[operator, union-attr]
            asked = generator.project(level, _at(query, where))  # type: ignore[operator, union-attr]
            losses.append(self._found(asked, known, len(given)))
        return sum(losses[1:], losses[0]) / len(losses)

    def _found(self, asked: Tensor, known: Tensor, count: int) -> Tensor:
        """(N P, D) unit vectors of both to (N,) cross-entropies of each place among its picture's own."""
        import torch
        from torch.nn.functional import cross_entropy

        one, other = (rows.float().reshape(count, -1, rows.shape[1]) for rows in (asked, known))
        alike = torch.bmm(one, other.mT)
        right = torch.arange(alike.shape[1], device=alike.device).expand(count, -1)
        return cross_entropy(alike.flatten(0, 1) / self.temperature, right.flatten(), reduction="none").view(
            count, -1
        ).mean(1)  # fmt: skip


def _places(seed: Tensor, count: int, most: int) -> Tensor:
    """(N, P) different places of each picture's map."""
    from zerosum.game import seeded_rng

    return seeded_rng.uniform(seed, count, seeded_rng.Purpose.PLACES).argsort(1)[:, :most]


def _at(maps: Tensor, where: Tensor) -> Tensor:
    """Maps (N, C, h, w) at places (N, P): (N P, C)."""
    rows = maps.flatten(2).mT  # (N, h w, C)
    return rows.gather(1, where[:, :, None].expand(-1, -1, rows.shape[2])).flatten(0, 1)
