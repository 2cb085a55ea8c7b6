"""Pairs of images of low and of high resolution: the factor is found, checked for each pair, and tiles correspond."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.data.dataset import Dataset, as_tensor
from zerosum.data.image_pairs.config import ImagePairDataConfig
from zerosum.data.image_pairs.kind import IMAGE_PAIRS
from zerosum.data.kind import LoadOptions, load_dataset
from zerosum.errors import BadInput


def write_pairs(folder: Path, factor: int, suffix: str = "", sizes: tuple[tuple[int, int], ...] = ((24, 16),)) -> None:
    """Write 16 pairs; each pixel of an input is the block of its target."""
    for side in ("LR", "HR"):
        (folder / side).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(16):
        width, height = sizes[number % len(sizes)]
        small = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(small).save(folder / "LR" / f"{number:02d}{suffix}.png")
        large = small.repeat(factor, 0).repeat(factor, 1)
        Image.fromarray(large).save(folder / "HR" / f"{number:02d}.png")


def load(folder: Path, **settings: object) -> Dataset:
    table: dict[str, object] = {"source": str(folder), "input": "LR", "target": "HR", **settings}
    data = ImagePairDataConfig.model_validate(table)
    inspection = IMAGE_PAIRS.inspect(data)
    table = data.model_dump()
    IMAGE_PAIRS.choose_settings(table, inspection, on_cpu=True)
    return load_dataset(ImagePairDataConfig.model_validate(table), LoadOptions(), inspection)


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_each_tile_of_a_target_is_that_of_its_input(tmp_path: Path, factor: int) -> None:
    write_pairs(tmp_path, factor, sizes=((24, 16), (19, 23)))
    dataset = load(tmp_path, size=8 * factor, fit="tiles")
    assert dataset.input_spec != dataset.spec or factor == 1
    rows = np.concatenate([dataset.train, dataset.held_out])
    inputs, targets = dataset.inputs(rows), as_tensor(dataset.samples(rows))
    assert targets.shape == (len(rows), 3, 8 * factor, 8 * factor)
    assert len(rows) == 8 * 6 + 8 * 9
    blocks = as_tensor(inputs).repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    assert blocks.equal(targets)


def test_names_may_end_with_the_scale(tmp_path: Path) -> None:
    write_pairs(tmp_path, 4, suffix="x4")
    dataset = load(tmp_path)
    assert dataset.summary.fit == "tiles"
    assert len(dataset) >= 16


def test_a_factor_that_is_given_needs_no_other_setting(tmp_path: Path) -> None:
    write_pairs(tmp_path, 4)
    found, given = load(tmp_path), load(tmp_path, scale_factor=4)
    assert given.fingerprint == found.fingerprint
    assert (given.spec, given.input_spec, given.summary.fit) == (found.spec, found.input_spec, "tiles")


def test_a_pair_of_another_factor_is_named(tmp_path: Path) -> None:
    write_pairs(tmp_path, 2)
    Image.new("RGB", (24, 15)).save(tmp_path / "LR" / "07.png")
    message = r"targets of 1 pair are not 2 times .* such as LR/07.png in .* \(24x15\) and HR/07.png in .* \(48x32\)"
    with pytest.raises(BadInput, match=message):
        load(tmp_path, size=16)


def test_sides_the_wrong_way_round_are_said_to_be_so(tmp_path: Path) -> None:
    write_pairs(tmp_path, 4)
    with pytest.raises(BadInput, match=r"such as HR/00.png .*: give the folder of the small images as the inputs"):
        load(tmp_path, input="HR", target="LR", size=16)


def test_targets_smaller_than_a_tile_are_named(tmp_path: Path) -> None:
    write_pairs(tmp_path, 2, sizes=((24, 16), (20, 6)))
    with pytest.raises(BadInput, match=r"8 targets cannot be cut into tiles of this size, such as HR/01.png"):
        load(tmp_path, size=16)


def test_a_size_that_the_factor_does_not_divide_is_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path, 4)
    with pytest.raises(BadInput, match="must be a multiple of 4"):
        load(tmp_path, size=18)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale_factor": 2, "fit": "crop"}, "may shift targets"),
        ({"scale_factor": 2, "pairs": "unpaired"}, "is that of pairs"),
        ({"scale_factor": 2, "degrade": "down2"}, "the degradations decide it"),
        ({"input": "LR", "target": "HR", "degrade": "down2"}, "would not be read"),
    ],
)
def test_combinations_that_cannot_work_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImagePairDataConfig.model_validate({"source": "a"} | settings)
