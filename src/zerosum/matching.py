"""Which settings do not go together, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from zerosum.errors import BadInput

if TYPE_CHECKING:
    from zerosum.recipe import Recipe


def complaint_about(recipe: Recipe) -> str:
    """The first thing in a recipe that cannot work, with its reason and the way out; "" if there is none."""
    checks = (_classes, _guesses, _norm, _abilities, _memory, _parts, _styles, _judges)
    return next((complaint for check in checks for complaint in check(recipe)), "")


def _classes(recipe: Recipe) -> Iterator[str]:
    made, judged = recipe.generator.condition, recipe.discriminator.condition
    if made != "none" and judged == "none":
        yield (
            f"--generator.condition {made}: nobody would tell whether a sample is of the class that was asked for; set "
            "--discriminator.condition to projection, concat or classify"
        )
    if made == "none" and judged != "none":
        yield (
            f"--discriminator.condition {judged}: the generator would be judged by a class that it is not told; set "
            "--generator.condition concat (or norm, where it has norms)"
        )


def _guesses(recipe: Recipe) -> Iterator[str]:
    kinds = {term.kind for term in recipe.terms.values()}
    guessed = recipe.discriminator.condition == "classify"
    for kind in ("classify-real", "classify-fake"):
        if guessed and kind not in kinds:
            yield (
                f"--discriminator.condition classify: needs the term {kind}, or its guesses are about nothing; add "
                f"--terms.{kind.replace('-', '_')}.weight 1"
            )
        if not guessed and kind in kinds:
            yield f"the term {kind} needs a discriminator that guesses classes: set --discriminator.condition classify"


def _norm(recipe: Recipe) -> Iterator[str]:
    for name, term in recipe.terms.items():
        if term.sloped and getattr(recipe.discriminator, "norm", "none") == "batch":
            yield (
                f"--terms.{name}: with batch norm a sample's score depends on its neighbours, so its slope means "
                "nothing; set --discriminator.norm none, or leave the term out"
            )


def _abilities(recipe: Recipe) -> Iterator[str]:
    able = recipe.generator.can | recipe.discriminator.can
    for name, term in recipe.terms.items():
        for need in sorted(term.needs - able):
            yield f"--terms.{name}: needs networks that {need}, and these do not; choose others, or leave the term out"
    for need in sorted(recipe.game.needs - (recipe.generator.can & recipe.discriminator.can)):
        yield f"--game.kind {recipe.game.kind}: needs networks that {need}, both of them; set both kinds to progan"


def _memory(recipe: Recipe) -> Iterator[str]:
    batch, replay = recipe.training.batch, recipe.game.replay
    if replay and replay < batch:
        yield f"--game.replay {replay}: room for fewer old fakes than a batch has; give at least {batch}, or 0"
    looking = [term.player for term in recipe.terms.values() if term.memory_images is not None]
    if len(set(looking)) < len(looking):
        yield "two terms look back on the same player's past; keep one of them"


def _parts(recipe: Recipe) -> Iterator[str]:
    if recipe.training.accumulate > 1:
        for name in whole(recipe):
            yield f"{name}: remembers batch by batch, so a batch cannot be cut up; set --training.accumulate 1"


def whole(recipe: Recipe) -> list[str]:
    """The settings whose memory is of whole batches: neither parts of a batch nor ranks would share it."""
    kept = [f"--terms.{name}" for name, term in recipe.terms.items() if term.remembers]
    return [f"--game.replay {recipe.game.replay}", *kept] if recipe.game.replay else kept


def refuse_ranks(recipe: Recipe, world: int) -> None:
    """Refuse what cannot be shared out over several processes.

    Raises:
        BadInput: a setting remembers whole batches.
    """
    for name in whole(recipe) if world > 1 else ():
        raise BadInput(
            f"{name}: remembers batch by batch, and {world} processes would each remember their own; "
            "play it with one process, or leave it out"
        )


def _styles(recipe: Recipe) -> Iterator[str]:
    mixing = getattr(recipe.generator, "mixing", 0.0)
    if mixing and recipe.latent.kind != "normal":
        yield (
            f"--latent.kind {recipe.latent.kind}: styles are mixed with those of normal latents; set --latent.kind "
            "normal, or --generator.mixing 0"
        )
    between = [name for name, term in recipe.terms.items() if term.kind == "gradient-penalty"]
    if recipe.game.replay and between and recipe.conditional:
        yield (
            f"--game.replay {recipe.game.replay}: an old fake may be of another class than the real sample, and "
            f"--terms.{between[0]} looks between the two; leave one of them out"
        )


def _judges(recipe: Recipe) -> Iterator[str]:
    seen = recipe.discriminator.sees_through
    if seen and recipe.judging.features == seen:
        yield (
            f"--judging.features {seen}: the generator learns to please these very features, so they cannot judge it; "
            "set --judging.features pixels"
        )
