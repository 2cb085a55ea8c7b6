"""Where the settings of a new run come from: a recipe file, or another run from whose networks it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from zerosum.data.kind import DATA_KINDS, claimed_kind
from zerosum.errors import BadInput
from zerosum.files import quote_path
from zerosum.recipes import defaults, variants
from zerosum.recipes.files import check_recipe
from zerosum.recipes.parsing import SettingsTree
from zerosum.recipes.recipe import Recipe, is_code
from zerosum.recipes.unread import refuse_unread_settings
from zerosum.recipes.variants import DottedSettings, GivenArguments
from zerosum.run_folder import Row
from zerosum.settings import Decision
from zerosum.workflows.resolve import (
    ResolvedRecipe,
    describe_device,
    require_source,
    resolve_recipe,
    validate_recipe,
)

if TYPE_CHECKING:
    from zerosum.inference.start import StartingPoint

KEPT_SECTIONS = (
    "latent", "generator", "discriminator", "autoencoder", "game", "objective", "terms", "optimizer", "ema",
)  # fmt: skip
"""The sections of a recipe that a run takes over from the one that it starts from."""
KEPT_TRAINING = ("batch_size", "accumulate")
"""The settings of `[training]` that it takes over."""
REQUESTED_TRAINING = ("precision", "compile")
"""The settings of `[training]` that it takes over as the other run was asked for: they are chosen by measuring."""
REQUESTED_SETTINGS = {
    "evaluation": ("features", "samples", "patience"),
    "diagnostics": ("probe", "max_recoveries"),
}
"""Settings of other sections that it takes over as the other run was asked for."""


class SettingsSource(Protocol):
    """Where the settings of a new run come from."""

    def validate(self) -> Recipe:
        """Check all settings without reading any data.

        Raises:
            BadInput: a setting is wrong, or there is no data source.
        """

    def resolve(self, checked: Recipe) -> ResolvedRecipe:
        """Inspect the data and the machine, and fill in the settings that follow from them.

        Args:
            checked: the settings that `validate` has returned.

        Raises:
            BadInput: the data or a setting cannot be used.
        """


@dataclass(frozen=True)
class RecipeSettings:
    """The settings of a recipe, overridden by the user's."""

    recipe: str
    size: str
    settings: DottedSettings
    keywords: GivenArguments

    def validate(self) -> Recipe:
        """Check all settings; see `SettingsSource.validate`."""
        checked = validate_recipe(self.recipe, self.size, self.settings, self.keywords)
        if checked.training.freeze:
            raise BadInput(
                "`training.freeze`: stages that are frozen keep the weights of the run that this one starts from; name"
                " it as `start_from`, or leave the setting out"
            )
        return checked

    def resolve(self, checked: Recipe) -> ResolvedRecipe:
        """Fill in the open settings; see `SettingsSource.resolve`."""
        return resolve_recipe(checked, self.recipe, self.size, self.settings, self.keywords)


@dataclass(frozen=True)
class StartedSettings:
    """The settings of the run that a new one starts from, overridden by the user's.

    Networks, game and losses are the same, and so is the form of the samples. What follows from the data, the machine
    or the length of the run is chosen anew.
    """

    start: StartingPoint
    settings: DottedSettings
    keywords: GivenArguments

    def validate(self) -> Recipe:
        """Check all settings; see `SettingsSource.validate`."""
        tree = self._build_tree()
        self._check_kind(tree.tree["data"])
        checked = check_recipe(tree)
        refuse_unread_settings(checked, {*self.settings, *self.keywords})
        require_source(checked)
        return checked

    def resolve(self, checked: Recipe) -> ResolvedRecipe:
        """Fill in the open settings; see `SettingsSource.resolve`."""
        from zerosum.training.accelerator import choose_device

        inspection = DATA_KINDS.find(checked.data.kind).inspect(checked.data)
        device = choose_device(checked.training.device)
        tree = self._build_tree()
        data_decisions = defaults.choose_data_settings(tree, checked.data, inspection, device.type == "cpu")
        recipe = check_recipe(tree)
        user_set = {*self.settings, *self.keywords}
        decisions = self._describe_settings(recipe, describe_device(device), user_set)
        if recipe.game.grows and "game.growth.start_level" not in user_set:
            recipe = recipe.model_copy(update={"game": recipe.game.start_grown(self.start.read_growth() or 0)})
        file_settings = dict(self.start.file_settings or {})
        return ResolvedRecipe(recipe, [*decisions, *data_decisions], device, inspection, file_settings)

    def _build_tree(self) -> SettingsTree:
        tree = SettingsTree(_kept_settings(self.start))
        variants.override_settings(tree, self.settings, self.keywords)
        tree.tree["data"].setdefault("kind", self.start.recipe.data.kind)
        return tree

    def _check_kind(self, table: Mapping[str, object]) -> None:
        """Raise BadInput if the data are of another kind than those of the other run."""
        kind, found = self.start.recipe.data.kind, table.get("kind")
        if "data.kind" not in {*self.settings, *self.keywords}:
            found = claimed_kind({name: value for name, value in table.items() if name != "kind"})
        if found != kind:
            raise BadInput(
                f"`start_from` {quote_path(self.start.name)}: was trained on {kind}, and {table.get('source')} holds"
                f" {found}; start from a run on the same kind of data"
            )

    def _describe_settings(self, recipe: Recipe, device: str, user_set: set[str]) -> list[Decision]:
        """Return the decisions about recipe, networks, batch size and device, which need no measurement."""
        _, networks, batch, where = defaults.list_initial_decisions(recipe, "", device, user_set)
        is_changed = any(name.split(".")[0] in KEPT_SECTIONS for name in user_set)
        described = f"that of {self.start.name}" + (", with the user's changes" if is_changed else "")
        same = "as there" if "training.batch_size" not in user_set else batch.reason
        return [
            Decision("recipe", recipe.name, described),
            Decision("networks", networks.value.rstrip(", "), described.replace("that of", "those of", 1)),
            Decision("batch size", batch.value, same),
            where,
        ]


def choose_settings_source(
    recipe: str, size: str, settings: DottedSettings, keywords: GivenArguments, start: StartingPoint | None
) -> SettingsSource:
    """Return where the settings of a new run come from.

    Args:
        recipe: the name of a recipe, or a .toml file.
        size: the size of the networks; "" for the one that suits the machine.
        settings: the user's settings by dotted name.
        keywords: settings that were given as arguments.
        start: the run that the new one starts from; None for one with newly initialized networks.

    Raises:
        BadInput: there is such a run, and a recipe or a size is named.
    """
    if start is None:
        return RecipeSettings(recipe, size, settings, keywords)
    for name, value in (("recipe", recipe if recipe != "auto" else ""), ("size", size)):
        if value:
            raise BadInput(
                f"`{name}` {value}: a run that starts from {quote_path(start.name)} has its recipe and its networks;"
                f" leave `{name}` out, and change single settings by their dotted names"
            )
    return StartedSettings(start, settings, keywords)


def _kept_settings(start: StartingPoint) -> Row:
    """Return the settings that a run takes over from the one that it starts from, as a tree."""
    own = start.recipe.model_dump(mode="json", exclude_none=True)
    requested, file_settings = dict(start.requested or {}), dict(start.file_settings or {})
    names = ("name", "description", "use_when", "paper", *KEPT_SECTIONS)
    kept: Row = {name: own[name] for name in names if name in own}
    if "augment" in own and ("augment" in requested or "augment" in file_settings or start.requested is None):
        kept["augment"] = own["augment"]  # otherwise it was chosen for the size of the other data set
    form = start.recipe.data.form_fields
    kept["data"] = {name: value for name, value in own["data"].items() if name in form}
    training = {name: own["training"][name] for name in KEPT_TRAINING}
    kept["training"] = training | _pick(requested, "training", REQUESTED_TRAINING)
    for section, fields in REQUESTED_SETTINGS.items():
        kept[section] = _pick(requested, section, fields)
    if is_code(kept["evaluation"].get("features")):
        del kept["evaluation"]["features"]  # whoever wrote the other run; only code that this user names is run
    return kept


def _pick(settings: Mapping[str, object], section: str, names: tuple[str, ...]) -> Row:
    """Return these settings of a section, if they are there."""
    table = settings.get(section)
    return {name: table[name] for name in names if name in table} if isinstance(table, Mapping) else {}
