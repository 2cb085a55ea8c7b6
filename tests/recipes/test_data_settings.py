"""The settings of the data become those of their kind, and messages say what is wrong and where it is set."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from zerosum.data.image_pairs.config import ImagePairDataConfig
from zerosum.data.images.config import ImageDataConfig
from zerosum.data.kind import DATA_KINDS
from zerosum.data.points.config import PointDataConfig
from zerosum.errors import BadInput
from zerosum.recipes.defaults import choose_data_settings
from zerosum.recipes.files import check_recipe, list_recipes
from zerosum.recipes.parsing import SettingsTree, iter_setting_names
from zerosum.recipes.recipe import Recipe, validate_data
from zerosum.recipes.variants import build_settings_tree, choose_variant, find_traits

NETWORKS = 'name = "x"\n[generator]\nkind = "mlp"\n[discriminator]\nkind = "mlp"\n'


def message_of(tree: SettingsTree) -> str:
    with pytest.raises(BadInput) as caught:
        tree.validate(Recipe)
    (message,) = str(caught.value).splitlines()
    return message


@pytest.mark.parametrize(
    ("table", "config"),
    [
        ({}, ImageDataConfig()),
        ({"source": "ring"}, PointDataConfig(source="ring")),
        ({"kind": "points", "source": "somewhere"}, PointDataConfig(source="somewhere")),
        ({"source": "ring", "kind": "images"}, ImageDataConfig(source="ring")),
        ({"target_source": "b"}, ImagePairDataConfig(target_source="b")),
        ({"degrade": "gray, down2"}, ImagePairDataConfig(degrade=("gray", "down2"))),
        ({"kind": "", "source": "ring"}, PointDataConfig(source="ring")),
    ],
)
def test_settings_are_those_of_the_kind_that_they_name_or_that_claims_them(
    table: dict[str, object], config: object
) -> None:
    assert validate_data(table) == config
    assert validate_data(config) is config


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kind": "sounds"}, "no such kind of data"),
        ({"source": "ring", "rotate90": True}, "is a setting of images and image-pairs, and these data are points"),
        ({"kind": "images", "pairs": "paired"}, "is a setting of image-pairs, and these data are images"),
        ({"kind": "images", "size": 0}, "each side must be from 1 to 1024 pixels"),
        ({"kind": "points", "sise": 3}, "Extra inputs are not permitted"),
    ],
)
def test_wrong_settings_are_refused(table: dict[str, object], message: str) -> None:
    with pytest.raises((ValueError, ValidationError), match=message):
        validate_data(table)


@pytest.mark.parametrize(
    ("data", "start"),
    [
        (
            'kind = "image"',
            'mine.toml line 7: data.kind: "image" is not a kind of data; choose one of images, image-pa',
        ),
        ('kind = "points"\nrotate90 = true', "mine.toml line 8: `data.rotate90`: is a setting of images and image-pai"),
        ('source = "ring"\nsize = 32', "mine.toml line 8: `data.size`: is a setting of images and image-pairs and "),
        ('kind = "images"\nfit = "stretch"', 'mine.toml line 8: data.fit = "stretch": '),
        ('pairs = "both"', 'mine.toml line 7: data.pairs = "both": '),
        ('kind = "points"\nsise = 32', "mine.toml line 8: data.sise: there is no such setting"),
        ('degrade = "gray"\npairs = "unpaired"', "mine.toml line 7: `data.degrade`: makes pairs, and this game is unp"),
    ],
)
def test_messages_say_where_a_setting_is_set(data: str, start: str) -> None:
    assert message_of(SettingsTree.from_toml(f"{NETWORKS}[data]\n{data}\n", "mine.toml")).startswith(start)


@pytest.mark.parametrize(
    ("settings", "start"),
    [
        ({"data.kind": "image"}, '`data.kind`: "image" is not a kind of data'),
        (
            {"data.source": "ring", "data.hflip": True},
            "`data.hflip`: is a setting of images and image-pairs, and these",
        ),
        ({"data.pairs": "both"}, "`data.pairs` both: "),
        ({"data.workers": 100}, "`data.workers` 100: "),
    ],
)
def test_messages_name_the_settings_of_the_user(settings: dict[str, object], start: str) -> None:
    assert message_of(build_settings_tree("auto", "", settings, {})).startswith(start)


def test_the_settings_of_the_kind_are_those_that_are_suggested() -> None:
    names = {kind: set(iter_setting_names(Recipe, {"data": {"kind": kind}})) for kind in ("images", "points")}
    own = ImageDataConfig.model_fields.keys() - PointDataConfig.model_fields.keys()
    assert names["images"] - names["points"] == {f"data.{name}" for name in own}
    assert {"size", "channels", "fit", "hflip", "rotate90", "range", "more_sources", "validation", "groups"} <= own
    assert "data.target_source" in set(iter_setting_names(Recipe, {"data": {"degrade": "gray"}}))


def test_a_recipe_of_translation_needs_inputs_and_others_take_none() -> None:
    for recipe, settings, message in (
        ("pix2pix", {"data.kind": "images", "data.pairs": "paired"}, "`data.pairs`: is a setting of image-pairs"),
        ("auto", {"data.pairs": "paired"}, "leave out `data.pairs`"),
        ("cyclegan", {"data.pairs": "paired"}, "set `data.pairs` unpaired"),
    ):
        with pytest.raises(BadInput, match=message):
            check_recipe(build_settings_tree(recipe, "", settings, {}))
    text = NETWORKS.replace('"mlp"', '"unet"', 1).replace('"mlp"', '"patchgan"') + '[game]\nkind = "translation"\n'
    with pytest.raises(BadInput, match=r"`data.pairs` is missing: translation needs inputs and targets"):
        check_recipe(SettingsTree.from_toml(text, "mine.toml"))


def test_the_data_of_a_recipe_are_written_and_read_back_as_their_kind() -> None:
    tree = build_settings_tree("pix2pix", "", {"data.source": "somewhere", "data.size": 32}, {})
    recipe = check_recipe(tree)
    again = Recipe.model_validate(recipe.model_dump(mode="json", exclude_none=True))
    assert isinstance(again.data, ImagePairDataConfig)
    assert again == recipe


def test_a_recipe_has_the_variant_of_the_kind_of_data_else_that_of_the_size() -> None:
    assert choose_variant("auto", "points", "small") == "points"
    assert choose_variant("auto", "images", "small") == "small"
    assert choose_variant("pix2pix", "image-pairs", "nano") == "nano"
    with_points = [recipe for recipe in list_recipes() if choose_variant(recipe, "points", "nano") == "points"]
    assert {"auto", "r3gan"} <= set(with_points)


def test_a_recipe_file_has_variants_of_sizes_and_kinds_only(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    for variant in ("nano", "points", "image-pairs"):
        file.write_text(f"{NETWORKS}[variant.{variant}.training]\nbatch_size = 7\n")
        assert build_settings_tree(str(file), variant, {}, {}).tree["training"]["batch_size"] == 7
    file.write_text(f"{NETWORKS}[variant.sounds.training]\nbatch_size = 7\n")
    with pytest.raises(BadInput, match=r"line 6: variant.sounds: there is no such variant; .*image-pairs, points"):
        build_settings_tree(str(file), "", {}, {})


def test_variants_for_a_trait_of_the_data_follow_that_of_the_size(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    sizes = {"nano": 7, "color": 8, "nano-color": 9}
    tables = (f"[variant.{name}.training]\nbatch_size = {value}\n" for name, value in sizes.items())
    file.write_text(NETWORKS + "".join(tables))
    for variant, traits, batch_size in (("nano", (), 7), ("small", ("color",), 8), ("nano", ("color",), 9)):
        tree = build_settings_tree(str(file), variant, {}, {}, traits)
        assert tree.tree["training"]["batch_size"] == batch_size


def test_images_in_color_have_the_trait_color() -> None:
    for channels, traits in ((1, ()), (2, ()), (3, ("color",)), (4, ("color",)), (5, ())):
        settings = {"data.source": "digits", "data.channels": channels}
        recipe = check_recipe(build_settings_tree("auto", "nano", settings, {}))
        assert find_traits(recipe) == traits
    assert find_traits(check_recipe(build_settings_tree("auto", "points", {"data.source": "ring"}, {}))) == ()


def test_settings_that_are_open_are_chosen_by_the_kind() -> None:
    for source, chosen in (("ring", []), ("digits", ["size", "channels", "fit"])):
        tree = build_settings_tree("auto", "", {"data.source": source}, {})
        data = validate_data(tree.tree["data"])
        inspection = DATA_KINDS.find(data.kind).inspect(data)
        decisions = choose_data_settings(tree, data, inspection, on_cpu=True)
        assert [decision.name for decision in decisions] == chosen
        assert tree.tree["data"]["kind"] == data.kind
        tree.validate(Recipe)
