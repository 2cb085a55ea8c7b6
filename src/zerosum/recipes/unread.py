"""Settings of a recipe that nothing reads because of the others: they are refused if the user sets them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from zerosum.errors import BadInput
from zerosum.game.schedule import schedule_endpoints

if TYPE_CHECKING:
    from zerosum.recipes.recipe import Recipe
    from zerosum.settings import Settings

_CAPABILITY_SETTINGS = {
    "contrastive heads": ("generator.contrastive_heads", "generator.contrastive_size"),
    "reconstruction decoder": ("discriminator.decoder_width",),
}
"""The settings of parts of networks that only a term trains and uses, by the capability that the term requires."""


def refuse_unread_settings(recipe: Recipe, given: Collection[str]) -> None:
    """Raise if the user set something that has no effect.

    Args:
        recipe: all settings.
        given: the dotted names of the settings that the user set.

    Raises:
        BadInput: a setting is not read because of the others.
    """
    unread = unread_settings(recipe)
    for name in sorted(given):
        if name in unread:
            raise BadInput(f"`{name}`: has no effect, because {unread[name]}; leave it out")


def changed_settings(recipe: Recipe) -> list[str]:
    """Return the dotted names of the settings that are not read and differ from their default.

    Those of a term of weight 0 do not count: a copy of a recipe may turn a term off and keep its other settings.
    """
    sections: dict[str, Settings] = {
        "latent": recipe.latent,
        "generator": recipe.generator,
        "discriminator": recipe.discriminator,
        "evaluation": recipe.evaluation,
        "diagnostics": recipe.diagnostics,
        **({"augment": recipe.augment} if recipe.augment else {}),
    }
    names = []
    for name in unread_settings(recipe):
        section, _, field = name.rpartition(".")
        settings = sections.get(section)
        if settings and dict(settings)[field] != type(settings).model_fields[field].get_default(
            call_default_factory=True
        ):
            names.append(name)
    return names


def unread_settings(recipe: Recipe) -> Mapping[str, str]:
    """Return the settings that have no effect, by dotted name, each with the reason."""
    checks = (
        _unread_latents,
        _unread_parts,
        _unread_levels,
        _unread_conditions,
        _unread_terms,
        _unread_autoencoder,
        _unread_augment,
        _unread_intervals,
    )
    return dict(found for check in checks for found in check(recipe))


def _unread_latents(recipe: Recipe) -> Iterator[tuple[str, str]]:
    if recipe.is_translation:
        for field in type(recipe.latent).model_fields:
            yield f"latent.{field}", f"`generator.kind` {recipe.generator.kind} translates images, without latents"


def _unread_parts(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield the settings of parts of networks that no term uses."""
    required = frozenset[str]().union(*(term.requires for term in recipe.terms.values()))
    present = recipe.generator.capabilities | recipe.discriminator.capabilities
    fields = {
        f"{name}.{field}"
        for name, network in (("generator", recipe.generator), ("discriminator", recipe.discriminator))
        for field in type(network).model_fields
    }
    for capability, settings in _CAPABILITY_SETTINGS.items():
        for name in settings:
            if name not in fields:
                continue
            if capability in present and capability not in required:
                yield name, f"no term of the recipe uses the {capability}"
            elif capability not in present and name != settings[0]:
                yield name, f"the network has no {capability}"


def _unread_levels(recipe: Recipe) -> Iterator[tuple[str, str]]:
    if recipe.game.generator_requires and recipe.generator.num_outputs == 1:
        yield "game.level_noise", "the last level has no noise, and `generator.levels` is 1"


def _unread_conditions(recipe: Recipe) -> Iterator[tuple[str, str]]:
    if recipe.generator.condition == "none":
        yield "generator.condition_size", "`generator.condition` is none"
    if recipe.discriminator.condition != "concat":
        reason = f"`discriminator.condition` is {recipe.discriminator.condition}, which concatenates nothing"
        yield "discriminator.condition_size", reason


def _unread_terms(recipe: Recipe) -> Iterator[tuple[str, str]]:
    for name, term in recipe.terms.items():
        if schedule_endpoints(term.weight) == (0, 0):
            for field in type(term).model_fields.keys() - {"kind", "weight"}:
                yield f"terms.{name}.{field}", f"`terms.{name}.weight` is 0"


def _unread_autoencoder(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield the settings of losses of an autoencoder that have no weight."""
    if recipe.autoencoder is None or not recipe.game.uses_autoencoder:
        return
    if not recipe.game.scores_reconstructions:
        for field in recipe.autoencoder.patch_discriminator_fields:
            yield f"autoencoder.discriminator.{field}", "`game.autoencoder.adversarial_weight` is 0"
    if not recipe.game.pretrained_features:
        yield "game.autoencoder.perceptual_fraction", "`game.autoencoder.perceptual_weight` is 0"
    if not recipe.autoencoder.has_predictor:
        yield "autoencoder.prediction_weight", "this autoencoder has no predictor"


def _unread_augment(recipe: Recipe) -> Iterator[tuple[str, str]]:
    values = dict(recipe.augment) if recipe.augment else {}
    if "color_fraction" in values and "color" not in values["transforms"]:
        yield "augment.color_fraction", "`augment.transforms` has no color"


def _unread_intervals(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield the settings of evaluations and probes that are turned off."""
    if recipe.evaluation.features == "none":
        for field in ("every_examples", "samples", "patience"):
            yield f"evaluation.{field}", "`evaluation.features` is none, so nothing is evaluated during training"
    if not recipe.diagnostics.probe:
        for field in ("every_examples", "samples", "gradients_every", "duality_gap_every", "max_time_fraction"):
            yield f"diagnostics.{field}", "`diagnostics.probe` is false, so the game is not probed"
