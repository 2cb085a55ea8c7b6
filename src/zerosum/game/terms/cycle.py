"""Terms of unpaired translation, which tie an output to its input: cycle consistency, identity, PatchNCE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import RoundInterval, TermSettings
from zerosum.game.terms.protocols import contrastive_generator, cyclic_game, translating_game

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play


class CycleConsistency(TermSettings):
    """Mean absolute difference between an image and its translation there and back.

    Zhu et al. 2017, arXiv:1703.10593, equation 2. For games in both directions.
    """

    kind: Literal["cycle"] = "cycle"
    weight: Schedule = 10.0
    """Weight of the term; 10 is the paper's, which sums the losses of the two directions: here they are averaged, as
    the objective is."""
    every_rounds: RoundInterval = 1
    """Interval in rounds; see `zerosum.game.terms`."""
    player: ClassVar[str] = "generator"
    bidirectional: ClassVar[bool] = True

    def __call__(self, play: Play) -> Tensor:
        """Return |F(G(x)) - x|, averaged over both directions, channels and pixels: (N,)."""
        from zerosum.game.sample_tree import mean_abs_difference

        game = cyclic_game(play)
        return mean_abs_difference(game.cycle_batch(play.fake_samples, play.batch), game.read_inputs(play.batch))


class IdentityLoss(TermSettings):
    """Mean absolute difference between a target image and its own translation. Zhu et al. 2017, section 5.2.

    It preserves colors, which cycle consistency alone lets the generators change and change back.
    """

    kind: Literal["identity"] = "identity"
    weight: Schedule = 5.0
    """Weight of the term; the paper's is half of the weight of cycle consistency."""
    every_rounds: RoundInterval = 1
    """Interval in rounds; see `zerosum.game.terms`."""
    player: ClassVar[str] = "generator"
    uses_targets_as_inputs: ClassVar[bool] = True

    def __call__(self, play: Play) -> Tensor:
        """Return |G(y) - y|, averaged over channels and pixels: (N,)."""
        from zerosum.game.sample_tree import mean_abs_difference

        game = translating_game(play)
        real = game.read_real(play.batch)
        return mean_abs_difference(game.translate_batch(real, play.batch), real)


class PatchNCE(TermSettings):
    """Patch-wise contrastive loss: a patch of the output matches the input patch at the same location, and no other.

    Park, Efros, Zhang and Zhu 2020, "Contrastive Learning for Unpaired Image-to-Image Translation", arXiv:2007.15651,
    equations 3 and 4. Patches are compared in the generator's own feature maps, through small projection heads that are
    trained with it.
    """

    kind: Literal["patch-nce"] = "patch-nce"
    weight: Schedule = 1.0
    """Weight of the term."""
    every_rounds: RoundInterval = 1
    """Interval in rounds; see `zerosum.game.terms`."""
    identity: bool = True
    """Also apply the loss to translations of target images, as an identity loss (true: CUT, false: FastCUT)."""
    num_patches: Annotated[int, Field(ge=2, le=4096)] = 256
    """Maximum number of patches compared per feature map."""
    temperature: Annotated[float, Field(gt=0)] = 0.07
    """Temperature of the softmax over patches."""
    player: ClassVar[str] = "generator"
    requires: ClassVar[frozenset[str]] = frozenset({"contrastive heads"})
    uses_targets_as_inputs: ClassVar[bool] = True

    def __call__(self, play: Play) -> Tensor:
        """Return the cross-entropy of matching patches, averaged over feature maps and patches: (N,)."""
        from zerosum.game.sample_tree import single_tensor

        game = translating_game(play)
        inputs, outputs = game.read_inputs(play.batch), play.fake_samples
        loss = self._compute_nce(play, single_tensor(inputs), single_tensor(outputs))
        if not self.identity:
            return loss
        real = game.read_real(play.batch)
        translated = game.translate_batch(real, play.batch)
        return (loss + self._compute_nce(play, single_tensor(real), single_tensor(translated))) / 2

    def _compute_nce(self, play: Play, inputs: Tensor, outputs: Tensor) -> Tensor:
        import torch

        from zerosum.game import seeded_rng

        generator = contrastive_generator(play)
        with torch.no_grad():  # the keys are constants, as in the paper's code
            keys = generator.encode(inputs)
        queries = generator.encode(outputs)
        losses = []
        for level, (key, query) in enumerate(zip(keys, queries, strict=True)):
            seed = seeded_rng.fork_seed(play.batch["seed"], level)
            locations = _sample_patch_locations(seed, key.shape[-2] * key.shape[-1], self.num_patches)
            with torch.no_grad():
                key_vectors = generator.project(level, _gather_patches(key, locations))
            query_vectors = generator.project(level, _gather_patches(query, locations))
            losses.append(self._patch_cross_entropy(query_vectors, key_vectors, len(inputs)))
        return sum(losses[1:], losses[0]) / len(losses)

    def _patch_cross_entropy(self, queries: Tensor, keys: Tensor, batch_size: int) -> Tensor:
        """Return the cross-entropy (N,) of matching unit vectors (N P, D) among the patches of the same image."""
        import torch
        from torch.nn.functional import cross_entropy

        query, key = (vectors.float().reshape(batch_size, -1, vectors.shape[1]) for vectors in (queries, keys))
        similarity = torch.bmm(query, key.mT)
        target = torch.arange(similarity.shape[1], device=similarity.device).expand(batch_size, -1)
        losses = cross_entropy(similarity.flatten(0, 1) / self.temperature, target.flatten(), reduction="none")
        return losses.view(batch_size, -1).mean(1)


def _sample_patch_locations(seed: Tensor, num_locations: int, max_patches: int) -> Tensor:
    """Return distinct random locations (N, P) per image, as indices into the flattened feature map."""
    from zerosum.game import seeded_rng

    return seeded_rng.uniform(seed, num_locations, seeded_rng.RandomStream.PATCHES).argsort(1)[:, :max_patches]


def _gather_patches(feature_maps: Tensor, locations: Tensor) -> Tensor:
    """Return the vectors (N P, C) of feature maps (N, C, h, w) at locations (N, P)."""
    pixels = feature_maps.flatten(2).mT  # (N, h w, C)
    return pixels.gather(1, locations[:, :, None].expand(-1, -1, pixels.shape[2])).flatten(0, 1)
