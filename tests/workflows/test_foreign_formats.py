"""A file of another format that is named .png is refused by every command, and no program is started to read it."""

import contextlib
import io
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import EpsImagePlugin, Image
from workflow_helpers import IMAGES

import zerosum
from zerosum.errors import BadInput

STARTING_EVENTS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile"}
started: list[str] = []
is_recording = [False]


def record(event: str, arguments: tuple[object, ...]) -> None:
    if is_recording[0] and event in STARTING_EVENTS:
        started.append(f"{event} {arguments}")


sys.addaudithook(record)  # Python has no way to remove a hook


@pytest.fixture(autouse=True)
def _record_programs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", "gs")  # Pillow would try to start Ghostscript, installed or not
    started.clear()
    is_recording[0] = True
    yield
    is_recording[0] = False


def saved_as(pil_format: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(file, pil_format)
    return file.getvalue()


EPS = saved_as("EPS")
FORMATS = {
    "eps": EPS,
    "eps with a preview": b"\xc5\xd0\xd3\xc6" + (32).to_bytes(4, "little") + bytes(24) + EPS,
    "pdf": saved_as("PDF"),
    "wmf": b"\xd7\xcd\xc6\x9a\x00\x00" + bytes(4) + b"\x10\x00\x10\x00\x60\x00" + bytes(6) + b"\x01\x00\x09" + bytes(9),
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16"/>',
    "fits": b"SIMPLE  =                    T" + bytes(60),
}  # fmt: skip


@pytest.fixture(params=sorted(FORMATS))
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder of 20 files of a foreign format, each named .png."""
    (tmp_path / "photos").mkdir()
    for number in range(20):
        (tmp_path / f"photos/{number}.png").write_bytes(FORMATS[request.param] + bytes(number))
    return tmp_path / "photos"


def assert_refused(command: Callable[[], object]) -> None:
    with pytest.raises(BadInput, match="not an image in a supported format"):
        command()
    assert started == []


def test_the_record_sees_a_program_that_pillow_starts(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(EPS)
    with contextlib.suppress(OSError), Image.open(tmp_path / "a.png") as image:  # Ghostscript may be absent
        image.load()
    assert "gs" in started[0]


def test_train_refuses_it(folder: Path, tmp_path: Path) -> None:
    assert_refused(lambda: zerosum.train(folder, run=tmp_path / "run", examples=16, settings=IMAGES))
    assert not (tmp_path / "run").exists()


def test_train_skips_it_beside_images(folder: Path, image_pairs: Path) -> None:
    from zerosum.data.images.load import load_source

    shutil.copytree(image_pairs / "A", folder / "good")
    summary = load_source(folder, 16, 3, "crop").summary
    assert summary.count == 96
    assert summary.unreadable[0] == ("0.png", "not an image in a supported format")
    assert started == []


def test_apply_refuses_it(trained_pairs: Path, folder: Path, tmp_path: Path) -> None:
    assert_refused(lambda: zerosum.apply(trained_pairs, folder / "0.png", into=tmp_path / "one"))
    assert_refused(lambda: zerosum.apply(trained_pairs, folder, into=tmp_path / "all"))


def test_a_mask_of_it_is_refused(inpainting_run: Path, image_pairs: Path, folder: Path, tmp_path: Path) -> None:
    image, mask = image_pairs / "A/00.png", folder / "0.png"
    assert_refused(lambda: zerosum.apply(inpainting_run, image, mask=mask, into=tmp_path / "out"))


def test_encode_refuses_it(trained_digits: Path, folder: Path, tmp_path: Path) -> None:
    assert_refused(lambda: zerosum.encode(trained_digits, folder / "0.png", steps=1, into=tmp_path / "out.png"))


def test_evaluate_refuses_it(trained_images: Path, image_pairs: Path, folder: Path) -> None:
    good = image_pairs / "A"
    assert_refused(lambda: zerosum.evaluate_folders(folder, good, size=16, features="pixels"))
    assert_refused(lambda: zerosum.evaluate_folders(good, folder, size=16, features="pixels"))
    assert_refused(lambda: zerosum.evaluate(trained_images, data=folder))


def test_the_report_of_a_run_with_such_a_sheet_starts_no_program(images_run: Path) -> None:
    from zerosum.reporting.report import write_report

    for sheet in (images_run / "samples").glob("*.png"):
        sheet.write_bytes(EPS)
    with contextlib.suppress(BadInput, OSError):
        write_report(images_run)
    assert started == []
