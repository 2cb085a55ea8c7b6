"""A setting that has no effect because of the others is refused, if the user has set it."""

from collections.abc import Callable
from pathlib import Path

import pytest

import zerosum
from zerosum.errors import BadInput
from zerosum.recipes.files import RecipeFile, check_recipe, list_recipes, read_recipe_text
from zerosum.recipes.unread import changed_settings, refuse_unread_settings, unread_settings
from zerosum.recipes.variants import build_settings_tree

RESNET = {"generator.kind": "resnet-translator"}
UNREAD = (
    ("pix2pix", {"latent.kind": "normal"}, "translates images, without latents"),
    ("cyclegan", {"latent.kind": "uniform"}, "translates images, without latents"),
    ("cyclegan", {**RESNET, "generator.contrastive_size": 64}, "the network has no contrastive heads"),
    ("cyclegan", {**RESNET, "generator.contrastive_heads": True}, "no term of the recipe uses the contrastive heads"),
    ("r3gan", {"terms.r1.weight": 0, "terms.r1.every_rounds": 4}, "`terms.r1.weight` is 0"),
    ("dcgan", {"augment.kind": "ada", "augment.transforms": ["blit"], "augment.color_fraction": 0.5}, "has no color"),
    ("auto", {"generator.condition_size": 8}, "`generator.condition` is none"),
    ("gat", {"generator.levels": 1, "game.level_noise": 0.5}, "`generator.levels` is 1"),
    ("acgan", {"discriminator.condition_size": 8}, "auxiliary-classifier, which concatenates nothing"),
    ("auto", {"evaluation.features": "none", "evaluation.samples": 128}, "nothing is evaluated during training"),
    ("auto", {"evaluation.features": "none", "evaluation.patience": 3}, "nothing is evaluated during training"),
    ("auto", {"diagnostics.probe": False, "diagnostics.samples": 64}, "the game is not probed"),
)


@pytest.mark.parametrize(("recipe", "settings", "reason"), UNREAD)
def test_what_nothing_reads_is_refused(recipe: str, settings: dict[str, object], reason: str) -> None:
    checked = check_recipe(build_settings_tree(recipe, "nano", settings, {}))
    *_, name = settings
    with pytest.raises(BadInput, match=f"`{name}`: has no effect, because .*{reason}; leave it out"):
        refuse_unread_settings(checked, settings)
    others = {other: value for other, value in settings.items() if other != name}
    refuse_unread_settings(check_recipe(build_settings_tree(recipe, "nano", others, {})), others)


@pytest.mark.parametrize("recipe", list_recipes())
def test_no_recipe_sets_what_nothing_reads(recipe: str) -> None:
    for variant in ("", *RecipeFile(recipe).variants):
        assert not changed_settings(check_recipe(build_settings_tree(recipe, variant, {}, {})))


def test_a_file_may_turn_a_term_off_and_keep_its_settings() -> None:
    checked = check_recipe(build_settings_tree("r3gan", "nano", {"terms.r1.weight": 0, "terms.r1.every_rounds": 4}, {}))
    assert "terms.r1.every_rounds" in unread_settings(checked)
    assert changed_settings(checked) == []


def test_what_turns_a_part_on_is_never_refused() -> None:
    recipe = check_recipe(build_settings_tree("cut", "nano", {}, {}))
    assert "generator.contrastive_heads" not in unread_settings(recipe)
    off = check_recipe(build_settings_tree("auto", "", {"evaluation.features": "none", "diagnostics.probe": False}, {}))
    assert not {"evaluation.features", "diagnostics.probe", "diagnostics.max_recoveries"} & unread_settings(off).keys()


def test_training_refuses_it_before_it_reads_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train: Callable[..., object] = zerosum.train
    with pytest.raises(BadInput, match=r"`latent.kind`: has no effect"):
        train("missing", recipe="pix2pix", settings={"latent.kind": "normal"})
    text = read_recipe_text("pix2pix") + '\n[latent]\nkind = "normal"\nsize = 64\n'
    Path("mine.toml").write_text(text)
    with pytest.raises(BadInput, match=r"`latent.size`: has no effect"):
        train("missing", recipe="mine.toml")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]
