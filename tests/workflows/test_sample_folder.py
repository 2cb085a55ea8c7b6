"""Many samples: streamed, continued, with their classes, and read again as data."""

import csv
import json
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor
from workflow_helpers import IMAGES, RecordingReporter

import zerosum
from zerosum import files
from zerosum.data.codec import Codec
from zerosum.errors import BadInput
from zerosum.inference import sample_stream
from zerosum.inference.sample_stream import SampleSettings
from zerosum.media.kind import MEDIA_KINDS, MediaKind
from zerosum.reporter import SilentReporter
from zerosum.workflows import sample_folder
from zerosum.workflows.sample_folder import SampleFolder, merge_ranges


class InterruptingReporter(RecordingReporter):
    """Interrupts when half of the samples are written."""

    def progress(self, done: int, total: int, description: str) -> None:
        if 2 * done >= total:
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MediaKind, "batch_size", 8)


def numbered_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[0-9]*.png")}


def read_labels(folder: Path) -> list[tuple[str, str]]:
    with (folder / "labels.csv").open(newline="") as file:
        return [(row["file"], row["label"]) for row in csv.DictReader(file)]


def record(folder: Path) -> dict:
    return json.loads((folder / "samples.json").read_text())


def test_samples_do_not_depend_on_their_number_or_where_a_command_begins(trained_digits: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    zerosum.sample(trained_digits, 30, seed=3, into=whole)
    for first, count in ((0, 11), (20, 10), (11, 9)):
        zerosum.sample(trained_digits, count, first=first, seed=3, into=parts)
    assert len(numbered_files(whole)) == 30
    assert numbered_files(parts) == numbered_files(whole)
    assert read_labels(parts) == read_labels(whole)
    assert record(parts) == record(whole)
    assert record(whole)["samples"] == [[0, 30]]
    assert (record(whole)["seed"], record(whole)["checkpoint"]) == (3, "00000064")
    expected = zerosum.load(trained_digits)
    images = expected.decode(expected.sample(30, seed=3), seed=3)
    for number, image in enumerate(images):
        assert np.array_equal(np.asarray(Image.open(whole / f"{number:05d}.png")), image[..., 0])
    labels = expected.draw_labels(30, seed=3)
    assert labels is not None
    assert read_labels(whole) == [(f"{n:05d}.png", expected.classes[label]) for n, label in enumerate(labels.tolist())]


def test_an_interrupted_command_leaves_whole_files_and_is_continued(trained_digits: Path, tmp_path: Path) -> None:
    folder, whole = tmp_path / "samples", tmp_path / "whole"
    reporter = InterruptingReporter()
    with pytest.raises(KeyboardInterrupt):
        zerosum.sample(trained_digits, 200, into=folder, reporter=reporter)
    ((first, end),) = record(folder)["samples"]
    assert first == 0
    assert 100 <= end < 200
    assert reporter.messages == [
        f"stopped: {folder} holds samples 0 to {end - 1}; go on with `first` {end}, `num_samples` {200 - end}, "
        f"`into` {folder} and the other options as here"
    ]
    assert len(numbered_files(folder)) == len(read_labels(folder)) == end
    assert (folder / "grid.png").exists()
    with pytest.raises(BadInput, match=f"holds samples 0 to {end - 1} already; go on with `first` {end}"):
        zerosum.sample(trained_digits, 200, into=folder)
    zerosum.sample(trained_digits, 200 - end, first=end, into=folder)
    zerosum.sample(trained_digits, 200, into=whole)
    assert numbered_files(folder) == numbered_files(whole)
    assert read_labels(folder) == read_labels(whole)


def test_a_killed_command_is_continued_from_its_record(
    trained_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill leaves no time for anything: neither for the last record nor for the labels."""
    folder = tmp_path / "samples"
    monkeypatch.setattr(sample_folder, "SAMPLES_PER_RECORD", 16)
    with monkeypatch.context() as patch:
        patch.setattr(sample_folder.SampleFolder, "_complete", lambda *arguments: None)
        with pytest.raises(KeyboardInterrupt):
            zerosum.sample(trained_digits, 100, into=folder, reporter=InterruptingReporter())
    ((_, end),) = record(folder)["samples"]
    assert 16 <= end <= len(numbered_files(folder)) < 100
    assert not (folder / "labels.csv").exists()
    zerosum.sample(trained_digits, 100 - end, first=end, into=folder)
    assert len(read_labels(folder)) == len(numbered_files(folder)) == 100


def test_a_file_that_cannot_be_written_leaves_those_before(
    trained_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, media = tmp_path / "samples", MEDIA_KINDS.find("images")
    write = type(media).write

    def fill_disk(self: object, items: np.ndarray, codec: Codec, into: Path, first: int = 0) -> None:
        if first == 16:
            raise OSError(28, "No space left on device", str(into / "00016.png"))
        write(media, items, codec, into, first)

    monkeypatch.setattr(type(media), "write", fill_disk)
    with pytest.raises(OSError, match="No space left"):
        zerosum.sample(trained_digits, 64, into=folder)
    assert record(folder)["samples"] == [[0, 16]]
    assert len(read_labels(folder)) == 16


def test_an_interrupted_command_removes_no_file_of_others(
    trained_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record without samples is that of a killed command, or of one that has just begun in another process."""
    folder = zerosum.sample(trained_digits, 4, into=tmp_path / "samples")
    (folder / "samples.json").write_text(json.dumps(record(folder) | {"samples": []}))
    (tmp_path / "empty").mkdir()
    before = {path: path.read_bytes() for path in folder.iterdir() if path.name != "samples.json"}

    def interrupt(writer: sample_stream.SampleWriter, *arguments: object) -> None:
        (writer._folder / "my-notes.txt").write_text("written meanwhile")
        raise KeyboardInterrupt

    monkeypatch.setattr(sample_stream.SampleWriter, "write", interrupt)
    for into in (folder, tmp_path / "empty", tmp_path / "new"):
        with pytest.raises(KeyboardInterrupt):
            zerosum.sample(trained_digits, 4, first=20_000, into=into)
        assert (into / "my-notes.txt").read_text() == "written meanwhile"
    assert before.items() <= {path: path.read_bytes() for path in folder.iterdir()}.items()
    assert record(folder)["samples"] == []
    assert {path.name for path in (tmp_path / "empty").iterdir()} == {"my-notes.txt", "samples.json"}


def test_processes_that_fill_one_folder_keep_each_others_ranges(
    trained_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = SampleFolder.open(tmp_path, tmp_path, trained_digits, zerosum.load(trained_digits), SampleSettings())
    read = SampleFolder._ranges

    def read_slowly(self: SampleFolder) -> list[tuple[int, int]]:
        ranges = read(self)
        time.sleep(0.01)  # the others read meanwhile
        return ranges

    monkeypatch.setattr(SampleFolder, "_ranges", read_slowly)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(folder.record, [[(10 * number, 10 * number + 1)] for number in range(16)]))
    assert record(tmp_path)["samples"] == [[10 * number, 10 * number + 1] for number in range(16)]
    assert [path.name for path in tmp_path.iterdir()] == ["samples.json"]


def test_classes_take_turns_so_that_all_are_equally_frequent(trained_digits: Path, tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    zerosum.sample(trained_digits, each=3, into=folder)
    assert [label for _, label in read_labels(folder)] == [str(number % 10) for number in range(30)]
    zerosum.sample(trained_digits, each=4, first=30, into=folder)
    assert len(read_labels(folder)) == 40
    generator = zerosum.load(trained_digits)
    image = generator.decode(generator.sample(1, first=37, label="7"))[0, ..., 0]
    assert np.array_equal(np.asarray(Image.open(folder / "00037.png")), image)
    with pytest.raises(BadInput, match="`first` 40: 4 of each of 10 classes are samples 0 to 39"):
        zerosum.sample(trained_digits, each=4, first=40, into=folder)
    assert zerosum.sample(trained_digits, each=1, seed=5).name == "00000064-seed5-each1"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"each": 2, "num_samples": 3}, "`each` 2 and `num_samples` 3"),
        ({"each": 2, "label": "3"}, "`each` 2 and `label` 3"),
        ({"each": -1}, "`each` -1"),
        ({"first": -1}, "`first` -1"),
        ({"num_samples": 10**8}, "`num_samples` 100,000,000"),
        ({"each": 10**7}, "`each` 10,000,000: of 10 classes these are 100,000,000 samples, and"),
        ({"each": 10**7, "first": 10**7}, "`each` 10,000,000: of 10 classes these are 90,000,000 samples, and"),
    ],
)
def test_options_that_exclude_each_other_are_refused(trained_digits: Path, arguments: dict, problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        zerosum.sample(trained_digits, **arguments)


def test_a_run_without_classes_has_none_to_take_turns(trained_ring: Path) -> None:
    with pytest.raises(BadInput, match="`each`: this generator knows no classes"):
        zerosum.sample(trained_ring, each=2)


def test_samples_of_different_settings_are_not_mixed(digits_run: Path, ring_run: Path, tmp_path: Path) -> None:
    folder = zerosum.sample(digits_run, 4, into=tmp_path / "samples")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for arguments, problem in (
        ({"seed": 1}, "with seed 0, and these have seed 1"),
        ({"truncation": 0.5}, "with truncation None"),
        ({"label": 3}, "with class None, and these have class 3"),
    ):
        with pytest.raises(BadInput, match=problem):
            zerosum.sample(digits_run, 4, first=4, into=folder, **arguments)
    points = zerosum.sample(ring_run, 4, into=tmp_path / "points")
    with pytest.raises(BadInput, match=r"`into` .*: exists and is not empty"):
        zerosum.sample(ring_run, 4, first=4, into=points)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_points_are_streamed_into_one_table(ring_run: Path, tmp_path: Path) -> None:
    folder = zerosum.sample(ring_run, 30, first=5, into=tmp_path / "points")
    points = np.loadtxt(folder / "points.csv", delimiter=",")
    np.testing.assert_allclose(points, zerosum.load(ring_run).sample(35).numpy()[5:], rtol=1e-4, atol=1e-5)
    assert {path.name for path in folder.iterdir()} == {"points.csv", "samples.json"}


def test_a_folder_of_samples_is_data_with_classes(trained_digits: Path, tmp_path: Path) -> None:
    """The sheets are no data, and the classes are those of the generator."""
    folder = zerosum.sample(trained_digits, each=3, into=tmp_path / "samples")
    settings = {**IMAGES, "diagnostics.probe": False}
    run = zerosum.train(folder, recipe="cgan", run=tmp_path / "run", examples=16, batch_size=8, settings=settings)
    data = json.loads((run.path / "data.json").read_text())
    assert (data["count"], data["other_files"]) == (30, 0)
    assert data["classes"] == {str(digit): 3 for digit in range(10)}
    assert zerosum.load(run.path).classes == tuple("0123456789")


def test_memory_does_not_grow_with_the_number_of_samples(trained_digits: Path, tmp_path: Path) -> None:
    """Not even by a byte for each pixel: 300 more images of 32 px would be 300 KiB."""
    peaks = []
    zerosum.sample(trained_digits, 100, into=tmp_path / "first")  # whatever is allocated once
    for count in (300, 600):
        tracemalloc.start()
        zerosum.sample(trained_digits, count, into=tmp_path / str(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 100 * 1024


def test_few_batches_wait_to_be_written(trained_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the disk is: samples are tensors, which tracemalloc does not see."""
    waiting, most = set[int](), []
    generate, write = sample_stream.SampleSettings.generate, sample_stream.SampleWriter._write_batch

    def count_up(self: sample_stream.SampleSettings, generator: object, first: int, count: int) -> object:
        waiting.add(first)
        most.append(len(waiting))
        return generate(self, generator, first, count)

    def count_down(self: sample_stream.SampleWriter, samples: Tensor, first: int) -> None:
        write(self, samples, first)
        waiting.discard(first)

    monkeypatch.setattr(sample_stream.SampleSettings, "generate", count_up)
    monkeypatch.setattr(sample_stream.SampleWriter, "_write_batch", count_down)
    monkeypatch.setattr(sample_stream, "MAX_THREADS", 1)
    zerosum.sample(trained_digits, 200, into=tmp_path / "samples", reporter=SilentReporter())
    assert len(most) == 200 / 8 + 1, "one more to check the settings"
    assert max(most) <= sample_stream.WAITING_BATCHES + 2


def test_ranges_that_touch_are_joined() -> None:
    assert merge_ranges([]) == []
    assert merge_ranges([(20, 30), (0, 10), (10, 20), (40, 41), (35, 38)]) == [(0, 30), (35, 38), (40, 41)]


def test_what_a_killed_command_left_is_removed_by_the_next(trained_ring: Path) -> None:
    folder = zerosum.sample(trained_ring, 4, seed=9)
    (folder / sample_folder.LOCK_FILE).touch()
    part = folder / f".00003.png.zerosum-{files.HOST}-{2**22 + 1}"  # Linux has no process of this number
    part.touch()
    assert zerosum.sample(trained_ring, 4, seed=9) != folder
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
