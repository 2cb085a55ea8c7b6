"""Settings keep their origin, and validation errors name it."""

import pytest

from zerosum.errors import BadInput
from zerosum.recipes.files import check_recipe
from zerosum.recipes.parsing import SettingsTree
from zerosum.recipes.recipe import Recipe
from zerosum.recipes.variants import build_settings_tree

NETWORKS = '[generator]\nkind = "mlp"\n[discriminator]\nkind = "mlp"\n'


def messages_of(tree: SettingsTree) -> list[str]:
    with pytest.raises(BadInput) as caught:
        tree.validate(Recipe)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("settings", "start"),
    [
        ({"terms.r1.weight": "x"}, "`terms.r1.weight` x: "),
        ({"data.fit": "stretch"}, "`data.fit` stretch: "),
        ({"terms.r11.weight": 1}, "`terms.r11`: there is no such loss term; choose one of r1, r2, "),
        ({"terms.r1.kind": "r11"}, '`terms.r1.kind`: "r11" is not a kind of loss term; choose one of r1, r2, '),
        ({"terms.r1.wieght": 1}, "`terms.r1.wieght`: there is no such setting; did you mean `terms.r1.weight`?"),
        (
            {"terms.gp.kind": "gradient-penalty", "terms.gp.taget": 1},
            "`terms.gp.taget`: there is no such setting; did you mean `terms.gp.target`?",
        ),
        ({"foo.bar": 1}, "`foo.bar`: there is no such setting"),
        ({"generator.widht": 3}, "`generator.widht`: there is no such setting; did you mean `generator.width`?"),
        ({"generator.kind": "dcgann"}, '`generator.kind`: "dcgann" is not a kind of generator; choose one of '),
        (
            {"data.kind": "image"},
            '`data.kind`: "image" is not a kind of data; choose one of images, image-pairs, points, tables,',
        ),
        ({"data.sise": 3}, "`data.sise`: there is no such setting; did you mean `data.size`?"),
        ({"optimizer.lr": {"start": 1}}, "`optimizer.lr.end`: is missing; set `optimizer.lr.end`"),
        (
            {"training.batch_size": 9, "training.accumulate": 2},
            "`training.batch_size` 9: must be a multiple of `training.accumulate` 2",
        ),
        ({"optimizer.weight_clip.critic": 1}, "`optimizer.weight_clip.critic`: there is no such player"),
        ({"terms.objective.kind": "r1"}, "`terms.objective`: "),
    ],
)
def test_settings_of_the_user_are_named_in_backticks(settings: dict[str, object], start: str) -> None:
    (message,) = messages_of(build_settings_tree("auto", "", settings, {}))
    assert message.startswith(start)


def test_settings_given_by_an_argument_are_named_by_the_argument() -> None:
    tree = build_settings_tree("auto", "", {}, {"training.examples": ("`examples`", "many")})
    (message,) = messages_of(tree)
    assert message.startswith("`examples` many: ")


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ('name = "x"\n' + NETWORKS + "[data]\nsize = -7\n", "mine.toml line 7: data.size = -7: "),
        ('name = "x"\n' + NETWORKS + '[terms.r1]\nweight = "x"\n', 'mine.toml line 7: terms.r1.weight = "x": '),
        ('name = "x"\n' + NETWORKS + "[training]\nbatch_size = 9\naccumulate = 2\n",
         "mine.toml line 7: `training.batch_size` 9: must be a multiple"),
        ('name = "x"\n' + NETWORKS + "[optimizer]\nbeta3 = 1\n",
         "mine.toml line 7: optimizer.beta3: there is no such setting; did you mean `optimizer.beta2`?"),
    ],
)  # fmt: skip
def test_settings_of_a_file_are_named_by_file_and_line(text: str, start: str) -> None:
    (message,) = messages_of(SettingsTree.from_toml(text, "mine.toml"))
    assert message.startswith(start)


def test_fields_in_the_message_of_a_section_get_the_name_of_the_section() -> None:
    settings = {"optimizer.lr": {"start": 1.0, "end": 0.0, "fraction": [0.5, 0.2]}}
    (message,) = messages_of(build_settings_tree("auto", "", settings, {}))
    assert "`optimizer.lr.examples`" in message
    assert "`optimizer.lr.fraction`" in message


def test_a_term_has_one_name_with_hyphens_and_with_underscores() -> None:
    tree = build_settings_tree("wgan-gp", "", {"terms.gradient-penalty.weight": 5}, {})
    assert tree.tree["terms"] == {"gradient_penalty": {"weight": 5, "target": 1}}
    text = 'name = "x"\n' + NETWORKS + "[terms.gradient-penalty]\nweight = -7\n"
    (message,) = messages_of(SettingsTree.from_toml(text, "mine.toml"))
    assert message.startswith("mine.toml line 7: terms.gradient_penalty.weight = -7: ")
    (message,) = messages_of(build_settings_tree("auto", "", {"terms.path-length.weight": -7}, {}))
    assert message.startswith("`terms.path-length.weight` -7: ")


def test_a_term_of_a_variant_may_be_written_with_hyphens() -> None:
    tree = SettingsTree({"terms": {"patch_nce": {"weight": 1.0}}})
    tree.merge({"terms": {"patch-nce": {"weight": 2.0}}}, {})
    assert tree.tree["terms"] == {"patch_nce": {"weight": 2.0}}


def test_a_term_written_in_both_ways_in_one_file_is_refused() -> None:
    with pytest.raises(BadInput, match=r"`terms.patch-nce`, `terms.patch_nce`"):
        SettingsTree.from_toml("[terms.patch-nce]\nweight = 1\n[terms.patch_nce]\nweight = 2\n", "mine.toml")


def test_another_kind_drops_the_settings_of_the_old_kind() -> None:
    tree = SettingsTree({"generator": {"kind": "dcgan", "width": 3}})
    tree.merge({"generator": {"widths": [4], "kind": "mlp"}}, {})
    assert tree.tree["generator"] == {"kind": "mlp", "widths": [4]}


@pytest.mark.parametrize(
    ("recipe", "settings", "field"),
    [
        ("auto", {"generator.condition": "concat"}, "`generator.condition` concat: "),
        ("auto", {"discriminator.condition": "concat"}, "`discriminator.condition` concat: "),
        ("table", {"discriminator.condition": "none"}, "set `discriminator.condition` to given"),
        ("table", {"generator.condition": "none"}, "set `generator.condition` to given"),
        (
            "auto",
            {"discriminator.kind": "patchgan", "generator.condition": "concat"},
            "choose another `discriminator.kind`",
        ),
        ("cgan", {"discriminator.condition": "auxiliary-classifier"}, "`terms.classify_real.weight`"),
        ("auto", {"discriminator.norm": "batch"}, "`terms.r1`: "),
        ("auto", {"terms.path_length.weight": 1}, "`generator.kind` stylegan2"),
        ("auto", {"terms.self_supervision.weight": 1}, "`discriminator.decoder_width` 32"),
        ("cut", {"generator.contrastive_heads": False}, "`generator.contrastive_heads` true"),
        (
            "pix2pix",
            {"terms.feature_matching.weight": 1, "discriminator.kind": "dcgan"},
            "`discriminator.kind` patchgan",
        ),
        ("auto", {"terms.classify_real.weight": 1}, "`terms.classify_real`: "),
        ("wgan-gp", {"terms.gp.kind": "gradient-penalty", "terms.gp.weight": 3}, "`terms.gp`: "),
        (
            "auto",
            {f"terms.{name}.kind": "historical" for name in "ab"} | {"terms.b.half_life": 1},
            "`terms.b`: averages the weights of the generator, as `terms.a` does",
        ),
        ("auto", {"game.kind": "progressive"}, "`game.kind` progressive: "),
        ("auto", {"game.replay_buffer": 4}, "`game.replay_buffer` 4: "),
        ("auto", {"objective.kind": "relativistic-average", "training.accumulate": 2}, "`training.accumulate` 1"),
        ("stylegan2", {"latent.kind": "uniform"}, "`latent.kind` uniform: "),
        ("esrgan", {"evaluation.features": "lite0"}, "`evaluation.features` lite0: "),
        ("auto", {"game.bidirectional": True}, "`game.bidirectional`"),
        ("auto", {"data.pairs": "paired"}, "`data.pairs`"),
        ("pix2pix", {"generator.kind": "dcgan"}, "`generator.kind` dcgan: "),
        ("pix2pix", {"data.pairs": "none"}, "`data.pairs` none: "),
        ("pix2pix", {"augment.kind": "ada"}, "`augment.kind` none"),
        ("cut", {"discriminator.concat_input": True}, "`discriminator.concat_input`: "),
        ("cut", {"terms.l1.weight": 1}, "`terms.l1`: "),
        ("pix2pix", {"terms.cycle.weight": 1}, "`terms.cycle`: "),
        ("auto", {"terms.cycle.weight": 1}, "`terms.cycle`: "),
        ("auto", {"terms.l1.weight": 1}, "`terms.l1`: "),
        ("auto", {"terms.perceptual.weight": 1}, "`terms.perceptual`: "),
        ("dcgan", {"terms.patch_nce.weight": 1}, "`terms.patch_nce`: "),
    ],
)
def test_conflicting_settings_are_named(recipe: str, settings: dict[str, object], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_recipe(build_settings_tree(recipe, "", settings, {}))
    assert field in str(caught.value)
    assert "--" not in str(caught.value)


@pytest.mark.parametrize("table", ["photos", 3, ["photos"]])
def test_data_must_be_a_table(table: object) -> None:
    (message,) = messages_of(SettingsTree({**SettingsTree.from_toml(NETWORKS, "").tree, "name": "x", "data": table}))
    assert message.startswith("`data`")
    assert "must be a table" in message
