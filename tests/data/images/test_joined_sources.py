"""Several sources are one set; a source of its own, whole groups or a share of the images are held out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from zerosum.data.dataset import Dataset
from zerosum.data.image_pairs.config import ImagePairDataConfig
from zerosum.data.images.config import ImageDataConfig
from zerosum.data.images.joined import resolve_all_sources
from zerosum.data.kind import LoadOptions, load_dataset
from zerosum.errors import BadInput

MakeImages = Callable[..., list[Path]]


def settings(source: Path, **more: object) -> ImageDataConfig:
    return ImageDataConfig.model_validate({"source": str(source), "size": 8, "channels": 3, "fit": "crop"} | more)


def load(source: Path, **more: object) -> Dataset:
    return load_dataset(settings(source, **more), LoadOptions())


def held_out_names(data: ImageDataConfig, dataset: Dataset) -> set[str]:
    """All images can be read and each is one example, so rows are indices of the source."""
    names = resolve_all_sources(data).names
    return {names[row] for row in dataset.held_out}


def test_several_sources_are_one_set_whose_classes_are_joined_by_name(tmp_path: Path, make_images: MakeImages) -> None:
    for seed, folder in enumerate(("a/dog", "a/cat", "b/dog", "b/owl")):
        make_images(tmp_path / folder, 8, seed=seed)
    a, b = tmp_path / "a", tmp_path / "b"
    dataset = load(a, more_sources=[str(b)])
    assert (dataset.classes, len(dataset), dataset.summary.classes) == (
        ("cat", "dog", "owl"), 32, {"cat": 8, "dog": 16, "owl": 8},
    )  # fmt: skip
    assert f"joined 32 images: 16 of {a}, 16 of {b}" in dataset.summary.notes
    assert dataset.summary.source == f"{a} and {b}"
    names = resolve_all_sources(settings(a, more_sources=[str(b)])).names
    assert names[0] == f"{a}/cat/0.png"
    assert names[-1] == f"{b}/owl/7.png"
    # neither the order of the sources nor joining changes the split of an image
    assert dataset.fingerprint == load(b, more_sources=[str(a)]).fingerprint
    one_by_one = {int(value) for part in (load(a), load(b)) for value in part.content_hashes}
    assert one_by_one == set(dataset.content_hashes.tolist())


def test_a_source_without_classes_leaves_none(tmp_path: Path, make_images: MakeImages) -> None:
    for seed, folder in enumerate(("a/dog", "a/cat", "b")):
        make_images(tmp_path / folder, 8, seed=seed)
    dataset = load(tmp_path / "a", more_sources=str(tmp_path / "b"))
    assert dataset.classes == ()
    assert f"no classes were read, because {tmp_path / 'b'} has none" in dataset.summary.notes


def test_an_array_joins_a_folder(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "a", 12, size=(8, 8))
    np.save(tmp_path / "b.npy", np.random.default_rng(1).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8))
    dataset = load(tmp_path / "a", more_sources=[str(tmp_path / "b.npy")])
    assert len(dataset) == 24
    assert dataset.summary.formats == {"PNG": 12, "array": 12}


def test_sources_that_hold_the_same_images_are_refused(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "a" / "b", 20)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for other in ("a", "a/b", "link"):
        with pytest.raises(BadInput, match="hold the same images"):
            load(tmp_path / "a", more_sources=[str(tmp_path / other)])


def test_a_validation_source_is_held_out_alone(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "a", 20)
    (copy, *_) = make_images(tmp_path / "v", 5, seed=1)
    (tmp_path / "a" / "copy.png").write_bytes(copy.read_bytes())
    data = settings(tmp_path / "a", validation=str(tmp_path / "v"))
    dataset = load_dataset(data, LoadOptions())
    assert held_out_names(data, dataset) == {f"{tmp_path / 'v'}/{number}.png" for number in range(5)}
    assert len(dataset.train) == 20  # without the copy
    assert any("left out 1 training image that is also in" in note for note in dataset.summary.notes)
    assert "copy.png" in " ".join(dataset.summary.notes)


def test_a_further_source_and_one_for_validation_are_cached_apart(tmp_path: Path, make_images: MakeImages) -> None:
    for seed, name in enumerate("ab"):
        make_images(tmp_path / name, 20, seed=seed)
    joined = load(tmp_path / "a", more_sources=[str(tmp_path / "b")]).summary.notes
    held_out = load(tmp_path / "a", validation=str(tmp_path / "b")).summary.notes
    assert [any("joined 40 images" in note for note in notes) for notes in (joined, held_out)] == [True, False]


def test_the_validation_split_inside_a_source_can_be_held_out(tmp_path: Path, make_images: MakeImages) -> None:
    for seed, folder in enumerate(("train", "val", "test")):
        make_images(tmp_path / "a" / folder, 18, seed=seed)
    data = settings(tmp_path / "a", validation=str(tmp_path / "a"))
    dataset = load_dataset(data, LoadOptions())
    assert len(dataset.train) == len(dataset.held_out) == 18
    assert all("/val/" in name for name in held_out_names(data, dataset))


def test_validation_that_holds_all_training_images_is_refused(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "a", 20)
    with pytest.raises(BadInput, match="it holds all training images"):
        load(tmp_path / "a", validation=str(tmp_path / "a"))


def test_images_for_validation_do_not_count_as_training_images(tmp_path: Path, make_images: MakeImages) -> None:
    for side in ("A", "B"):
        make_images(tmp_path / "a" / side, 3)
        make_images(tmp_path / "v" / side, 30, seed=1)
    with pytest.raises(BadInput, match="has only 3 distinct images"):
        load(tmp_path / "a" / "A", validation=str(tmp_path / "v" / "A"))
    table = {"source": str(tmp_path / "a"), "validation": str(tmp_path / "v"), "size": 8, "channels": 3, "fit": "crop"}
    for pairs in ("paired", "unpaired"):
        with pytest.raises(BadInput, match="has only 3 distinct images"):
            load_dataset(ImagePairDataConfig.model_validate(table | {"pairs": pairs}), LoadOptions())


@pytest.mark.parametrize("groups", ["(patient[0-9]+)", "folder", "patient"])
def test_no_group_is_on_both_sides(tmp_path: Path, make_images: MakeImages, groups: str) -> None:
    rows = ["file,label,patient"]
    for patient in range(12):
        folder = tmp_path / "a" / f"patient{patient}"
        for path in make_images(folder, 3 + patient % 4, seed=patient):
            rows.append(f"{folder.name}/{path.name},{patient % 2},{patient}")
    (tmp_path / "a" / "labels.csv").write_text("\n".join(rows))
    data = settings(tmp_path / "a", groups=groups)
    dataset = load_dataset(data, LoadOptions())
    names = resolve_all_sources(data).names
    train, held_out = ({names[row].split("/")[0] for row in rows} for rows in (dataset.train, dataset.held_out))
    assert len(train) + len(held_out) == 12
    assert held_out
    assert not train & held_out
    assert any(note.startswith("split by ") and f"{len(held_out)} group" in note for note in dataset.summary.notes)
    assert dataset.fingerprint != load(tmp_path / "a").fingerprint


def test_groups_that_share_an_image_stay_together(tmp_path: Path, make_images: MakeImages) -> None:
    for group in range(10):
        make_images(tmp_path / "a" / f"g{group}", 4, seed=group)
    for group in range(0, 10, 2):  # frame 3 of an even group is also in the next one
        content = (tmp_path / "a" / f"g{group}" / "3.png").read_bytes()
        (tmp_path / "a" / f"g{group + 1}" / "copy.png").write_bytes(content)
    (tmp_path / "a" / "labels.csv").write_text(
        "file,label\n" + "\n".join(f"{path.relative_to(tmp_path / 'a')},x" for path in (tmp_path / "a").rglob("*.png"))
    )
    data = settings(tmp_path / "a", groups="folder", held_out=0.3)
    dataset = load_dataset(data, LoadOptions())
    pairs = {int(name.split("/")[0][1:]) // 2 for name in held_out_names(data, dataset)}
    assert len(dataset.held_out) == 9 * len(pairs) > 0


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("(dog[0-9]+)", r"is not found in the paths of 20 images of .*, such as 0.png"),
        ("age", "no table of labels with a column 'age'"),
        ("folder", "all examples are in one group"),
    ],
)
def test_groups_that_do_not_suit_the_images_are_refused(
    tmp_path: Path, make_images: MakeImages, groups: str, message: str
) -> None:
    make_images(tmp_path / "a", 20)
    with pytest.raises(BadInput, match=message):
        load(tmp_path / "a", groups=groups)


def test_a_missing_column_and_empty_cells_are_named(tmp_path: Path, make_images: MakeImages) -> None:
    paths = make_images(tmp_path / "a", 20)
    table = [f"{path.name},{number % 2},{'' if number == 7 else number // 4}" for number, path in enumerate(paths)]
    (tmp_path / "a" / "labels.csv").write_text("\n".join(["file,label,patient", *table]))
    with pytest.raises(BadInput, match="no column 'age'"):
        load(tmp_path / "a", groups="age")
    with pytest.raises(BadInput, match=r"has no value for 1 image of .*, such as 7.png"):
        load(tmp_path / "a", groups="patient")


def test_folders_of_classes_are_no_groups(tmp_path: Path, make_images: MakeImages) -> None:
    for seed, folder in enumerate(("dog", "cat")):
        make_images(tmp_path / "a" / folder, 10, seed=seed)
    with pytest.raises(BadInput, match="are its classes"):
        load(tmp_path / "a", groups="folder")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"groups": "(patient"}, "is no regular expression"),
        ({"groups": "((a)b)"}, "has 2 groups in parentheses"),
        ({"groups": "folder", "held_out": 0}, "nothing of the training images is held out"),
        ({"groups": "folder", "validation": "v"}, "nothing of the training images is held out"),
        ({"held_out": 0.2, "validation": "v"}, "are held out alone"),
        ({"held_out": 0.6}, "less than or equal to 0.5"),
    ],
)
def test_settings_that_exclude_each_other_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ImageDataConfig.model_validate({"source": "a"} | given)


def test_the_share_that_the_user_sets_has_no_bounds(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "a", 200, size=(4, 4))
    sizes = [len(load(tmp_path / "a", held_out=share).held_out) for share in (0, 0.001, 0.1, 0.5)]
    assert sizes[:2] == [0, 1]
    assert 8 <= sizes[2] <= 35
    assert 70 <= sizes[3] <= 130
    assert len(load(tmp_path / "a").held_out) == 50


def test_pairs_are_held_out_by_group_and_by_validation(tmp_path: Path, make_images: MakeImages) -> None:
    for side, seed in (("A", 0), ("B", 100)):
        for patient in range(6):
            make_images(tmp_path / "pairs" / side / f"p{patient}", 4, seed=seed + patient)
        make_images(tmp_path / "v" / side, 5, seed=seed + 50)
    table = {"source": str(tmp_path / "pairs"), "size": 8, "channels": 3, "fit": "crop"}
    for pairs in ("paired", "unpaired"):
        data = ImagePairDataConfig.model_validate(table | {"pairs": pairs, "groups": "(p[0-9])/"})
        dataset = load_dataset(data, LoadOptions())
        assert len(dataset.held_out) % 4 == 0
        assert len(dataset.input_indices(held_out=True)) % 4 == 0
        data = ImagePairDataConfig.model_validate(table | {"pairs": pairs, "validation": str(tmp_path / "v")})
        dataset = load_dataset(data, LoadOptions())
        assert (len(dataset.train), len(dataset.held_out), len(dataset.input_indices(held_out=True))) == (24, 5, 5)


def test_settings_follow_their_sources_to_other_paths() -> None:
    data = ImageDataConfig(source="a", more_sources=("b", "c"), validation="v")
    assert data.sources == {"source": "a", "validation": "v", "more_sources.0": "b", "more_sources.1": "c"}
    moved = data.relocate({"source": "/x/a", "more_sources.1": "/x/c"})
    assert moved.sources == {"source": "/x/a", "validation": "v", "more_sources.0": "b", "more_sources.1": "/x/c"}
    assert data.training_sources == ["a", "b", "c"]
    other = data.with_source("d")
    assert other.sources == {"source": "d"}
    assert ImageDataConfig.model_validate(other.model_dump()) == other


def test_a_mapped_array_is_split_by_share_alone(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3), dtype=np.uint8))
    assert len(load(tmp_path / "a.npy", held_out=0.5).held_out) > 16
    with pytest.raises(BadInput, match="it is an array"):
        load(tmp_path / "a.npy", groups="patient")


@pytest.mark.parametrize("groups", ["folder", "p([0-9])"])
def test_groups_of_several_sources_do_not_depend_on_where_these_are(
    tmp_path: Path, make_images: MakeImages, groups: str
) -> None:
    """A run names its sources by other paths when it is resumed: absolute ones, or those of another machine."""
    for number, folder in enumerate(("a/p0", "a/p1", "a/p2", "b/p3", "b/p4", "b/p0")):
        make_images(tmp_path / "p7" / folder, 4 + number, seed=number)
    (tmp_path / "elsewhere").symlink_to(tmp_path / "p7")
    here, there = (
        load(tmp_path / place / "a", more_sources=[str(tmp_path / place / "b")], groups=groups)
        for place in ("p7", "elsewhere")
    )
    assert here.fingerprint == there.fingerprint
    (note,) = (note for note in here.summary.notes if note.startswith("split by "))
    counts = [int(word) for word in note.split() if word.isdigit()]
    assert sum(counts) == (6 if groups == "folder" else 5)  # p0 is one patient, and two folders


def test_several_sources_of_one_folder_each_are_groups(tmp_path: Path, make_images: MakeImages) -> None:
    for number in range(4):
        make_images(tmp_path / f"video{number}", 8, seed=number)
    first, *more = (tmp_path / f"video{number}" for number in range(4))
    data = settings(first, more_sources=list(map(str, more)), groups="folder")
    dataset = load_dataset(data, LoadOptions())
    assert len({name.rpartition("/")[0] for name in held_out_names(data, dataset)}) == 1
    assert len(dataset.held_out) == 8


def test_equal_frames_of_a_video_are_the_reason_for_groups(tmp_path: Path) -> None:
    """Without groups, near-copies fall on both sides of the split."""
    rng = np.random.default_rng(0)
    for video in range(8):
        (tmp_path / "a" / f"v{video}").mkdir(parents=True)
        frame = rng.integers(0, 200, (8, 8, 3), dtype=np.uint8)
        for number in range(8):
            Image.fromarray(frame + number).save(tmp_path / "a" / f"v{video}" / f"{number}.png")
    plain, grouped = settings(tmp_path / "a"), settings(tmp_path / "a", groups="(v[0-9])/")
    assert len({name[:2] for name in held_out_names(plain, load_dataset(plain, LoadOptions()))}) > 3
    assert len({name[:2] for name in held_out_names(grouped, load_dataset(grouped, LoadOptions()))}) <= 3
