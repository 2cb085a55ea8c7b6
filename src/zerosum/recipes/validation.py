"""Checks of settings against each other: which combinations cannot work, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, get_args

from zerosum.errors import BadInput
from zerosum.game.schedule import schedule_endpoints

if TYPE_CHECKING:
    from zerosum.networks.configs.base import NetworkConfig
    from zerosum.recipes.recipe import Recipe


RELATIVISTIC_AVERAGE = "relativistic-average"
"""The objective that uses the mean score of the whole batch."""
_NETWORKS_WITH = {
    "contrastive heads": "`generator.kind` resnet-translator and `generator.contrastive_heads` true",
    "feature maps": "`discriminator.kind` patchgan (images) or hifigan (sounds)",
    "outputs of several levels": "`generator.kind` gat",
    "reconstruction decoder": "`discriminator.kind` fastgan and `discriminator.decoder_width` 32",
    "styles": "`generator.kind` stylegan2",
    "waveforms": "`generator.kind` vocos",
}
"""The settings of networks that have a capability, which a term requires."""


def first_conflict(recipe: Recipe) -> str:
    """Return a message about the first conflict between settings, with its reason and a solution; "" if none."""
    checks = (
        _check_translation,
        _check_autoencoder,
        _check_class_conditioning,
        _check_numeric_conditions,
        _check_auxiliary_classifier,
        _check_batch_norm,
        _check_penalties,
        _check_capabilities,
        _check_equal_terms,
        _check_replay_and_history,
        _check_accumulation,
        _check_latents,
        _check_evaluation_features,
    )
    return next((conflict for check in checks for conflict in check(recipe)), "")


def _check_autoencoder(recipe: Recipe) -> Iterator[str]:
    """Check that a game in a latent space has an autoencoder, and that nothing takes its codes for images."""
    game = f"`game.kind` {recipe.game.kind}"
    if recipe.game.uses_autoencoder and recipe.autoencoder is None:
        yield f"{game}: plays on the codes of an autoencoder, and there is none; set `autoencoder.kind` convolutional"
    if recipe.autoencoder is None:
        return
    if not recipe.game.uses_autoencoder:
        yield (
            f"`autoencoder.kind` {recipe.autoencoder.kind}: {game} uses no autoencoder; set `game.kind` latent-space, "
            "or leave the autoencoder out"
        )
    if recipe.discriminator.pretrained_features:
        yield (
            f"`discriminator.kind` {recipe.discriminator.kind}: looks at images with a pretrained network, and {game} "
            "shows it codes; choose another one, such as dcgan"
        )
    if recipe.game.weighs_predictions and not recipe.autoencoder.has_predictor:
        yield (
            "`game.prediction_weight`: this autoencoder predicts nothing from codes; set it to 0, or choose one that "
            "does: `autoencoder.kind` recurrent with `autoencoder.condition` given and a predictor of some width"
        )
    augment = dict(recipe.augment) if recipe.augment else {}
    for setting in ("transforms", "policy"):
        if "color" in augment.get(setting, ()):
            yield f"`augment.{setting}`: codes have no colors that could be changed; leave color out"


def _check_class_conditioning(recipe: Recipe) -> Iterator[str]:
    generator, discriminator = recipe.generator.condition, recipe.discriminator.condition
    if generator != "none" and discriminator == "none":
        yield (
            f"`generator.condition` {generator}: the discriminator must be conditioned too, or nothing trains the "
            f"generator to follow it; {_name_conditions('discriminator', recipe.discriminator)}"
        )
    if generator == "none" and discriminator != "none":
        yield (
            f"`discriminator.condition` {discriminator}: the generator must be conditioned too; "
            f"{_name_conditions('generator', recipe.generator)}"
        )


def _name_conditions(player: str, config: NetworkConfig) -> str:
    """Return which conditions a network takes, as the end of a message."""
    known = [choice for choice in get_args(type(config).model_fields["condition"].annotation) if choice != "none"]
    if not known:
        return f"choose another `{player}.kind`, since this one takes no condition"
    *others, last = known
    return f"set `{player}.condition` to {', '.join(others) + ' or ' if others else ''}{last}"


def _check_numeric_conditions(recipe: Recipe) -> Iterator[str]:
    names = ", ".join(recipe.data.condition_columns)
    if names and recipe.generator.condition == "none":
        yield (
            f"`data.conditions` {names}: the networks of recipe {recipe.name} use no conditions; set "
            "`generator.condition` to concat and `discriminator.condition` to projection"
        )
    if names and recipe.discriminator.condition == "auxiliary-classifier":
        yield (
            f"`data.conditions` {names}: `discriminator.condition` auxiliary-classifier classifies and takes no "
            "numbers; choose `recipe` cgan or cgan-projection"
        )


def _check_auxiliary_classifier(recipe: Recipe) -> Iterator[str]:
    names = {term.kind: name for name, term in recipe.terms.items()}
    has_classifier = recipe.discriminator.condition == "auxiliary-classifier"
    for kind in ("classify-real", "classify-fake"):
        if has_classifier and kind not in names:
            yield (
                "`discriminator.condition` auxiliary-classifier: needs a term that trains with its output; set "
                f"`terms.{kind.replace('-', '_')}.weight` 1"
            )
        if not has_classifier and kind in names:
            yield (
                f"`terms.{names[kind]}`: needs a discriminator that classifies; set `discriminator.condition` "
                "auxiliary-classifier, or leave the term out"
            )


def _check_batch_norm(recipe: Recipe) -> Iterator[str]:
    for name, term in recipe.terms.items():
        if term.uses_input_gradients and recipe.discriminator.uses_batch_norm:
            yield (
                f"`terms.{name}`: with batch norm, the score of a sample depends on the rest of the batch, so its "
                "gradient penalty is undefined; set `discriminator.norm` none, or leave the term out"
            )


def _check_penalties(recipe: Recipe) -> Iterator[str]:
    """Check that gradient penalties can be computed: by second derivatives, or by two forward passes."""
    for name, term in recipe.terms.items():
        needs_second_derivatives = term.uses_input_gradients and not term.uses_finite_differences
        if needs_second_derivatives and not recipe.discriminator.has_second_derivatives:
            yield (
                f"`terms.{name}`: `discriminator.kind` {recipe.discriminator.kind} uses fused attention, which has no "
                "second derivatives; replace the term by `terms.r1_approximate` and `terms.r2_approximate`"
            )
        if term.uses_finite_differences and recipe.discriminator.uses_dropout:
            yield (
                f"`terms.{name}`: compares two forward passes, and dropout drops other units in each; set "
                f"`discriminator.dropout` 0, or replace the term by `terms.{term.kind[:2]}`"
            )


def _check_capabilities(recipe: Recipe) -> Iterator[str]:
    capabilities = recipe.generator.capabilities | recipe.discriminator.capabilities
    for name, term in recipe.terms.items():
        for capability in sorted(term.requires - capabilities):
            yield (
                f"`terms.{name}`: needs a network with {capability}, and these have none; set "
                f"{_NETWORKS_WITH[capability]}, or leave the term out"
            )
    shared = recipe.generator.capabilities & recipe.discriminator.capabilities
    for capability in sorted(recipe.game.requires - shared):
        yield (
            f"`game.kind` {recipe.game.kind}: needs {capability} in both networks; set `generator.kind` progan and "
            "`discriminator.kind` progan"
        )
    for capability in sorted(recipe.game.generator_requires - recipe.generator.capabilities):
        yield (
            f"`game.kind` {recipe.game.kind}: needs a generator with {capability}; set {_NETWORKS_WITH[capability]}, "
            "or `game.kind` adversarial"
        )
    if recipe.game.generator_requires and recipe.game.replay_buffer:
        yield (
            f"`game.replay_buffer` {recipe.game.replay_buffer}: keeps samples, and `game.kind` {recipe.game.kind} "
            "shows the discriminator the outputs of all levels; set `game.replay_buffer` 0"
        )


def _check_equal_terms(recipe: Recipe) -> Iterator[str]:
    """Check that no term is there twice under two names, with another weight or interval only."""
    names: dict[str, str] = {}
    for name, term in recipe.terms.items():
        first = names.setdefault(term.model_dump_json(exclude={"weight", "every_rounds"}), name)
        if first != name:
            yield f"`terms.{name}`: is the same loss as `terms.{first}`, added twice; leave one of them out"


def _check_replay_and_history(recipe: Recipe) -> Iterator[str]:
    batch_size, replay_buffer = recipe.training.batch_size, recipe.game.replay_buffer
    if replay_buffer and replay_buffer < batch_size:
        yield (
            f"`game.replay_buffer` {replay_buffer}: must hold at least a batch; give at least {batch_size}, or 0 for "
            "no replay"
        )
    averaging: dict[str, str] = {}
    for name, term in recipe.terms.items():
        if term.ema_half_life is not None:
            first = averaging.setdefault(term.player, name)
            if first != name:
                yield (
                    f"`terms.{name}`: averages the weights of the {term.player}, as `terms.{first}` does; leave one of "
                    "them out"
                )


def _check_accumulation(recipe: Recipe) -> Iterator[str]:
    packed = recipe.discriminator.samples_per_score
    if recipe.training.batch_size % (packed * recipe.training.accumulate):
        yield (
            f"`training.batch_size` {recipe.training.batch_size}: {packed} samples are scored as one "
            "(`discriminator.pack`); give a multiple of it, times `training.accumulate`"
        )
    if recipe.training.accumulate > 1:
        for setting in full_batch_settings(recipe):
            yield f"{setting}: uses whole batches, which cannot be split into parts; set `training.accumulate` 1"


def full_batch_settings(recipe: Recipe) -> list[str]:
    """Return the settings that use a whole batch, so that micro-batches or ranks cannot split it."""
    settings = [f"`terms.{name}`" for name, term in recipe.terms.items() if term.uses_full_batch]
    if recipe.objective.kind == RELATIVISTIC_AVERAGE:
        settings.append(f"`objective.kind` {RELATIVISTIC_AVERAGE}")
    if recipe.game.replay_buffer:
        settings.insert(0, f"`game.replay_buffer` {recipe.game.replay_buffer}")
    return settings


def require_distributable(recipe: Recipe, world_size: int) -> None:
    """Raise if the recipe cannot be trained by several processes.

    Raises:
        BadInput: a setting uses whole batches.
    """
    for setting in full_batch_settings(recipe) if world_size > 1 else ():
        raise BadInput(
            f"{setting}: uses whole batches, and each of {world_size} processes has only a part of them; train with "
            "one process, or leave it out"
        )


def _check_latents(recipe: Recipe) -> Iterator[str]:
    if recipe.generator.mixes_styles and recipe.latent.kind != "normal":
        yield (
            f"`latent.kind` {recipe.latent.kind}: style mixing draws normal latents; set `latent.kind` normal, or "
            "`generator.style_mixing_prob` 0"
        )
    interpolating = [name for name, term in recipe.terms.items() if term.kind == "gradient-penalty"]
    if recipe.game.replay_buffer and interpolating and recipe.is_conditional:
        yield (
            f"`game.replay_buffer` {recipe.game.replay_buffer}: `terms.{interpolating[0]}` interpolates between real "
            "and fake examples, and a replayed fake may be of another class; leave one of them out"
        )


def _check_evaluation_features(recipe: Recipe) -> Iterator[str]:
    features = recipe.pretrained_features
    if features and recipe.evaluation.features == features:
        yield (
            f"`evaluation.features` {features}: the generator is trained on these features, so their scores are "
            "biased; set `evaluation.features` pixels"
        )


def _check_translation(recipe: Recipe) -> Iterator[str]:
    if recipe.game.is_translation != recipe.generator.is_translator:
        kind = recipe.generator.kind
        yield (
            f"`generator.kind` {kind}: translates images, which needs another game; set `game.kind` translation"
            if recipe.generator.is_translator
            else f"`generator.kind` {kind}: generates images from latents, and `game.kind` {recipe.game.kind} needs a "
            "generator that translates images; choose unet, resnet-translator, gated-conv, rrdb or srresnet"
        )
    elif recipe.is_translation:
        yield from _check_translation_data(recipe)
        yield from _check_bidirectional(recipe)
        yield from _check_translation_discriminator(recipe)
        yield from _check_translation_terms(recipe)
    elif recipe.data.has_inputs:
        yield (
            f"recipe {recipe.name} generates samples from latents and takes no inputs; choose `recipe` pix2pix or "
            "cyclegan, or leave out `data.pairs`, `data.degrade`, `data.input_channels`, `data.kind` and the second "
            "folder"
        )
    else:
        for name, term in recipe.terms.items():
            if term.is_paired or term.bidirectional or term.uses_targets_as_inputs:
                yield (
                    f"`terms.{name}`: is only for games that translate images; leave it out, or choose `recipe` "
                    "pix2pix or cyclegan"
                )


def _check_translation_data(recipe: Recipe) -> Iterator[str]:
    """Check that there are inputs to translate."""
    if not recipe.data.has_inputs:
        yield "`data.pairs` is missing: translation needs inputs and targets; set it to paired or unpaired"


def _check_bidirectional(recipe: Recipe) -> Iterator[str]:
    """Check what games with two directions need."""
    if not recipe.game.bidirectional:
        return
    if recipe.objective.kind == RELATIVISTIC_AVERAGE:
        yield (
            f"`objective.kind` {RELATIVISTIC_AVERAGE}: would compare the scores of images from different domains; "
            "choose least-squares"
        )
    if recipe.data.has_targets:
        yield f"`game.kind` {recipe.game.kind}: translates in both directions without pairs; set `data.pairs` unpaired"


def _check_translation_discriminator(recipe: Recipe) -> Iterator[str]:
    """Check what the discriminator sees when images are translated."""
    is_augmented = recipe.augment is not None and recipe.augment.kind != "none"
    if is_augmented or recipe.game.instance_noise:
        yield (
            "`augment` and `game.instance_noise` change the images before the discriminator, and translations are also "
            "compared with other images; set `augment.kind` none and `game.instance_noise` 0"
        )
    if recipe.discriminator.sees_input and not recipe.data.has_targets:
        yield (
            "`discriminator.concat_input`: the discriminator needs the input of each real image, and without pairs "
            "there is none; set `discriminator.concat_input` false"
        )
    if recipe.discriminator.sees_input and recipe.game.replay_buffer:
        yield (
            f"`game.replay_buffer` {recipe.game.replay_buffer}: a replayed fake does not belong to the input of its "
            "place in the batch; set `game.replay_buffer` 0, or `discriminator.concat_input` false"
        )


def _check_translation_terms(recipe: Recipe) -> Iterator[str]:
    """Check what the terms need of data and game."""
    endpoints = [
        schedule_endpoints(term.weight)
        for term in recipe.terms.values()
        if term.player == "generator" and term.every_rounds == 1
    ]
    has_term_loss = (any(first for first, _ in endpoints), any(last for _, last in endpoints))
    has_no_adversarial_loss = recipe.game.has_zero_adversarial_weight
    if any(zero and not term for zero, term in zip(has_no_adversarial_loss, has_term_loss, strict=True)):
        yield (
            "`game.adversarial_weight`: while it is 0, no loss trains the generator; add a term of every round, such "
            "as `terms.l1.weight` 100"
        )
    for name, term in recipe.terms.items():
        if term.is_paired and not recipe.data.has_targets:
            yield f"`terms.{name}`: compares samples with their targets, and there are no pairs; leave it out"
        if term.bidirectional and not recipe.game.bidirectional:
            yield f"`terms.{name}`: needs both directions; set `game.kind` cycle, or leave the term out"
        if term.kind == "patch-nce" and recipe.game.bidirectional:
            yield f"`terms.{name}`: needs a single direction; set `game.kind` translation, or leave the term out"
        if term.uses_targets_as_inputs and recipe.data.degradations:
            yield f"`terms.{name}`: gives target images to the generator, and its inputs are degraded; leave it out"
