"""Terms of pictures without pairs: what keeps a sample close to what it was made from, when nobody knows the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import RoundInterval, TermSettings

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play


class CycleConsistency(TermSettings):
    """There and back again, a picture is to be what it was. Zhu et al. 2017, arXiv:1703.10593, equation 2.

    For games both ways: pictures are couples (N, 2, C, H, W), and the other order is the way back.
    """

    kind: Literal["cycle"] = "cycle"
    weight: Schedule = 10.0
    """What it is multiplied by; the paper's 10, where losses of the two ways are added up: here they are averaged,
    as the scores are."""
    every_rounds: RoundInterval = 1
    """Rounds between two times it is played."""
    player: ClassVar[str] = "generator"
    bidirectional: ClassVar[bool] = True

    def __call__(self, play: Play) -> Tensor:
        """|F(G(x)) - x|, its mean over both ways, channels and pixels: (N,)."""
        given = play.batch["inputs"]
        again: Tensor = play.game.translate_batch(play.fake_samples.flip(1), play.batch).flip(1)  # type: ignore[operator]
        return (again - given).abs().flatten(1).mean(1)


class IdentityLoss(TermSettings):
    """A picture that is of the wanted kind already is to be left alone. Zhu et al. 2017, section 5.2.

    It keeps colours, which a cycle alone may turn round and back.
    """

    kind: Literal["identity"] = "identity"
    weight: Schedule = 5.0
    """What it is multiplied by; the paper's is half of the cycle's."""
    every_rounds: RoundInterval = 1
    """Rounds between two times it is played."""
    player: ClassVar[str] = "generator"
    uses_targets_as_inputs: ClassVar[bool] = True

    def __call__(self, play: Play) -> Tensor:
        """|G(y) - y|, its mean over channels and pixels: (N,)."""
        real = play.batch["real"]
        same: Tensor = play.game.translate_batch(real, play.batch)  # type: ignore[operator]
        return (same - real).abs().flatten(1).mean(1)


class PatchNCE(TermSettings):
    """A place of the sample is to be more like the same place of what was given than like any other place of it.

    Park, Efros, Zhang and Zhu 2020, "Contrastive Learning for Unpaired Image-to-Image Translation", arXiv:2007.15651,
    equations 3 and 4. Likeness is that of the generator's own inner maps, seen through small heads that learn with it.
    """

    kind: Literal["patch-nce"] = "patch-nce"
    weight: Schedule = 1.0
    """What it is multiplied by."""
    every_rounds: RoundInterval = 1
    """Rounds between two times it is played."""
    identity: bool = True
    """The same for pictures of the wanted kind, which keeps them as they are (the paper's CUT; without: FastCUT)."""
    num_patches: Annotated[int, Field(ge=2, le=4096)] = 256
    """Places of a map that are compared, at most."""
    temperature: Annotated[float, Field(gt=0)] = 0.07
    """Of the softmax over places."""
    player: ClassVar[str] = "generator"
    requires: ClassVar[frozenset[str]] = frozenset({"contrastive heads"})
    uses_targets_as_inputs: ClassVar[bool] = True

    def __call__(self, play: Play) -> Tensor:
        """The cross-entropy of finding the same place, its mean over maps and places: (N,)."""
        loss = self._compute_nce(play, play.batch["inputs"], play.fake_samples)
        if not self.identity:
            return loss
        real = play.batch["real"]
        same: Tensor = play.game.translate_batch(real, play.batch)  # type: ignore[operator]
        return (loss + self._compute_nce(play, real, same)) / 2

    def _compute_nce(self, play: Play, inputs: Tensor, outputs: Tensor) -> Tensor:
        import torch

        from zerosum.game import seeded_rng

        generator = play.game.generator
        with torch.no_grad():  # what was given is the measure, and does not move (the paper's programs do the same)
            keys = generator.encode(inputs)  # type: ignore[operator, union-attr]
        queries = generator.encode(outputs)  # type: ignore[operator, union-attr]
        losses = []
        for level, (key, query) in enumerate(zip(keys, queries, strict=True)):
            seed = seeded_rng.fork_seed(play.batch["seed"], level)
            where = _sample_patch_locations(seed, key.shape[-2] * key.shape[-1], self.num_patches)
            with torch.no_grad():
                known = generator.project(level, _gather_patches(key, where))  # type: ignore[operator, union-attr]
            asked = generator.project(level, _gather_patches(query, where))  # type: ignore[operator, union-attr]
            losses.append(self._patch_cross_entropy(asked, known, len(inputs)))
        return sum(losses[1:], losses[0]) / len(losses)

    def _patch_cross_entropy(self, queries: Tensor, keys: Tensor, batch_size: int) -> Tensor:
        """(N P, D) unit vectors of both to (N,) cross-entropies of each place among its picture's own."""
        import torch
        from torch.nn.functional import cross_entropy

        one, other = (rows.float().reshape(batch_size, -1, rows.shape[1]) for rows in (queries, keys))
        alike = torch.bmm(one, other.mT)
        right = torch.arange(alike.shape[1], device=alike.device).expand(batch_size, -1)
        return cross_entropy(alike.flatten(0, 1) / self.temperature, right.flatten(), reduction="none").view(
            batch_size, -1
        ).mean(1)  # fmt: skip


def _sample_patch_locations(seed: Tensor, num_locations: int, max_patches: int) -> Tensor:
    """(N, P) different places of each picture's map."""
    from zerosum.game import seeded_rng

    return seeded_rng.uniform(seed, num_locations, seeded_rng.RandomStream.PATCHES).argsort(1)[:, :max_patches]


def _gather_patches(feature_maps: Tensor, locations: Tensor) -> Tensor:
    """Maps (N, C, h, w) at places (N, P): (N P, C)."""
    rows = feature_maps.flatten(2).mT  # (N, h w, C)
    return rows.gather(1, locations[:, :, None].expand(-1, -1, rows.shape[2])).flatten(0, 1)
