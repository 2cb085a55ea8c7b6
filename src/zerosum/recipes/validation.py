"""Which settings do not go together, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from zerosum.errors import BadInput
from zerosum.game.schedule import schedule_endpoints

if TYPE_CHECKING:
    from zerosum.recipes.recipe import Recipe


RELATIVISTIC_AVERAGE = "relativistic-average"
"""The objective that looks at a whole batch's mean score."""


def first_conflict(recipe: Recipe) -> str:
    """The first thing in a recipe that cannot work, with its reason and the way out; "" if there is none."""
    checks = (
        _check_translation,
        _check_class_conditioning,
        _check_auxiliary_classifier,
        _check_batch_norm,
        _check_capabilities,
        _check_replay_and_history,
        _check_accumulation,
        _check_latents,
        _check_evaluation_features,
    )
    return next((complaint for check in checks for complaint in check(recipe)), "")


def _check_class_conditioning(recipe: Recipe) -> Iterator[str]:
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


def _check_auxiliary_classifier(recipe: Recipe) -> Iterator[str]:
    kinds = {term.kind for term in recipe.terms.values()}
    guessed = recipe.discriminator.condition == "auxiliary-classifier"
    for kind in ("classify-real", "classify-fake"):
        if guessed and kind not in kinds:
            yield (
                f"--discriminator.condition classify: needs the term {kind}, or its guesses are about nothing; add "
                f"--terms.{kind.replace('-', '_')}.weight 1"
            )
        if not guessed and kind in kinds:
            yield f"the term {kind} needs a discriminator that guesses classes: set --discriminator.condition classify"


def _check_batch_norm(recipe: Recipe) -> Iterator[str]:
    for name, term in recipe.terms.items():
        if term.uses_input_gradients and getattr(recipe.discriminator, "norm", "none") == "batch":
            yield (
                f"--terms.{name}: with batch norm a sample's score depends on its neighbours, so its slope means "
                "nothing; set --discriminator.norm none, or leave the term out"
            )


def _check_capabilities(recipe: Recipe) -> Iterator[str]:
    able = recipe.generator.capabilities | recipe.discriminator.capabilities
    for name, term in recipe.terms.items():
        for need in sorted(term.requires - able):
            yield f"--terms.{name}: needs networks that {need}, and these do not; choose others, or leave the term out"
    for need in sorted(recipe.game.requires - (recipe.generator.capabilities & recipe.discriminator.capabilities)):
        yield f"--game.kind {recipe.game.kind}: needs networks that {need}, both of them; set both kinds to progan"


def _check_replay_and_history(recipe: Recipe) -> Iterator[str]:
    batch, replay = recipe.training.batch_size, recipe.game.replay_buffer
    if replay and replay < batch:
        yield f"--game.replay_buffer {replay}: room for fewer old fakes than a batch has; give at least {batch}, or 0"
    looking = [term.player for term in recipe.terms.values() if term.ema_half_life is not None]
    if len(set(looking)) < len(looking):
        yield "two terms look back on the same player's past; keep one of them"


def _check_accumulation(recipe: Recipe) -> Iterator[str]:
    if recipe.training.accumulate > 1:
        for name in full_batch_settings(recipe):
            yield f"{name}: looks at batches as a whole, so they cannot be cut up; set --training.accumulate 1"


def full_batch_settings(recipe: Recipe) -> list[str]:
    """The settings whose memory is of whole batches: neither parts of a batch nor ranks would share it."""
    kept = [f"--terms.{name}" for name, term in recipe.terms.items() if term.uses_full_batch]
    kept += [f"--objective.kind {RELATIVISTIC_AVERAGE}"] if recipe.objective.kind == RELATIVISTIC_AVERAGE else []
    return [f"--game.replay_buffer {recipe.game.replay_buffer}", *kept] if recipe.game.replay_buffer else kept


def require_distributable(recipe: Recipe, world_size: int) -> None:
    """Refuse what cannot be shared out over several processes.

    Raises:
        BadInput: a setting remembers whole batches.
    """
    for name in full_batch_settings(recipe) if world_size > 1 else ():
        raise BadInput(
            f"{name}: looks at batches as a whole, and {world_size} processes would each see their own part; "
            "play it with one process, or leave it out"
        )


def _check_latents(recipe: Recipe) -> Iterator[str]:
    mixing = getattr(recipe.generator, "style_mixing_prob", 0.0)
    if mixing and recipe.latent.kind != "normal":
        yield (
            f"--latent.kind {recipe.latent.kind}: styles are mixed with those of normal latents; set --latent.kind "
            "normal, or --generator.style_mixing_prob 0"
        )
    between = [name for name, term in recipe.terms.items() if term.kind == "gradient-penalty"]
    if recipe.game.replay_buffer and between and recipe.is_conditional:
        yield (
            f"--game.replay_buffer {recipe.game.replay_buffer}: an old fake may be of another class than the real sample, and "
            f"--terms.{between[0]} looks between the two; leave one of them out"
        )


def _check_evaluation_features(recipe: Recipe) -> Iterator[str]:
    seen = recipe.pretrained_features
    if seen and recipe.evaluation.features == seen:
        yield (
            f"--evaluation.features {seen}: the generator learns to please these very features, so they cannot judge it; "
            "set --evaluation.features pixels"
        )


def _check_translation(recipe: Recipe) -> Iterator[str]:
    if recipe.game.is_translation != recipe.generator.is_translator:
        kind = recipe.generator.kind
        yield (
            f"--generator.kind {kind}: turns pictures into others, a game of its own; set --game.kind translation"
            if recipe.generator.is_translator
            else f"--generator.kind {kind}: makes pictures of noise, and this game gives it pictures; set it to unet, "
            "translator, gated, rrdb or srresnet"
        )
    elif recipe.is_translation:
        yield from _check_translation_data(recipe)
        yield from _check_translation_terms(recipe)
    elif recipe.game.bidirectional:
        yield "--game.bidirectional: is for games that turn pictures into others; leave it out, or choose --recipe cyclegan"
    elif recipe.data.pairs != "none" or recipe.data.degrade or recipe.data.target_source:
        yield (
            f"recipe {recipe.name} makes pictures of noise, and is given none to start from; choose one that turns "
            "pictures into others (--recipe pix2pix or cyclegan), or leave --data.pairs, --data.degrade and a second "
            "folder out"
        )


def _check_translation_data(recipe: Recipe) -> Iterator[str]:
    """Where what is given comes from."""
    data = recipe.data
    if data.pairs == "none":
        yield "--data.pairs: what are pictures made from? Set it to paired or unpaired"
    if data.degrade and data.pairs == "unpaired":
        yield "--data.degrade: makes pairs, and this game is played without; set --data.pairs paired, or leave it out"
    if data.degrade and data.target_source:
        yield f"--data.degrade: what is given is made from {data.source}; leave the second folder {data.target_source} out"
    if data.target_source and (data.input, data.target) != ("A", "B"):
        yield (
            "--data.input and --data.target name folders within one; of two, the first is given and the second wanted: "
            "name them in that order, and leave these out"
        )
    if recipe.game.bidirectional and recipe.objective.kind == RELATIVISTIC_AVERAGE:
        yield f"--objective.kind {RELATIVISTIC_AVERAGE}: would hold one kind's pictures against the other's; choose least-squares"
    if recipe.game.bidirectional and data.pairs != "unpaired":
        yield "--game.bidirectional: goes there and back between pictures without pairs; set --data.pairs unpaired"
    changed = getattr(recipe.augment, "kind", "none") != "none" or recipe.game.instance_noise
    if changed:
        yield (
            "--augment and --game.instance_noise change samples before they are judged, and here samples are also held "
            "against other pictures; set --augment.kind none and --game.instance_noise 0"
        )
    if recipe.discriminator.sees_input and data.pairs != "paired":
        yield (
            "--discriminator.concat_input: shows what a picture is made from, and without pairs real ones are made from "
            "nothing that is known; set --discriminator.concat_input false"
        )
    if recipe.discriminator.sees_input and recipe.game.replay_buffer:
        yield (
            f"--game.replay_buffer {recipe.game.replay_buffer}: an old fake was made from another picture than the one beside it; "
            "set --game.replay_buffer 0, or --discriminator.concat_input false"
        )


def _check_translation_terms(recipe: Recipe) -> Iterator[str]:
    """Terms and what they need of the data."""
    prompt = [
        schedule_endpoints(t.weight) for t in recipe.terms.values() if t.player == "generator" and t.every_rounds == 1
    ]
    taught = (any(first for first, _ in prompt), any(last for _, last in prompt))
    if any(silent and not other for silent, other in zip(recipe.game.has_zero_adversarial_weight, taught, strict=True)):
        yield (
            "--game.adversarial_weight: while it is 0 the generator plays for nothing; add a term of every round, such "
            "as --terms.l1.weight 100"
        )
    for name, term in recipe.terms.items():
        if term.is_paired and recipe.data.pairs != "paired":
            yield f"--terms.{name}: holds samples against the pictures wanted, and there are no pairs; leave it out"
        if term.bidirectional and not recipe.game.bidirectional:
            yield f"--terms.{name}: goes there and back; set --game.bidirectional true, or leave the term out"
        if term.kind == "patch-nce" and recipe.game.bidirectional:
            yield f"--terms.{name}: is for one way; set --game.bidirectional false, or leave the term out"
        if term.uses_targets_as_inputs and recipe.data.degrade:
            yield f"--terms.{name}: gives the generator wanted pictures, which are not of the given kind; leave it out"
