"""Archives as people have them: names of any form, hidden and encrypted members, and bombs."""

import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from zerosum.data.images import archive
from zerosum.data.images.archive import member_path
from zerosum.data.images.inspect import inspect_source
from zerosum.data.images.load import load_source
from zerosum.data.images.sources import ZipSource, resolve_source
from zerosum.errors import BadInput

MakeImages = Callable[..., list[Path]]


@pytest.fixture
def contents(tmp_path: Path, make_images: MakeImages) -> list[bytes]:
    """The bytes of 20 distinct images."""
    return [path.read_bytes() for path in make_images(tmp_path / "images", 20)]


def write_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            info = zipfile.ZipInfo("x")
            info.filename, info.compress_type = name, method  # the constructor would change the name
            file.writestr(info, content)
    return path


@pytest.mark.parametrize(
    ("record", "sheets"),
    [
        (b'{"checkpoint": "best", "samples": [[0, 20]]}', ["a/classes.png", "a/grid.png"]),
        (b"{}", []),
        (b'{"checkpoint": "best", "samples": [' + b" " * 2**24 + b"]}", []),
        (b"\xff", []),
    ],
    ids=["record", "other", "large", "no-text"],
)
def test_sheets_are_passed_over_only_next_to_a_record_of_samples(
    tmp_path: Path, contents: list[bytes], record: bytes, sheets: list[str]
) -> None:
    members = {f"a/{number}.png": content for number, content in enumerate(contents)}
    members |= {"a/grid.png": contents[0], "a/classes.png": contents[1], "b/grid.png": contents[2]}
    path = write_zip(tmp_path / "a.zip", members | {"a/samples.json": record}, zipfile.ZIP_DEFLATED)
    opened = archive.open_archive("a.zip", path)
    assert opened.images.keys() == members.keys() - set(sheets)
    assert opened.others.keys() == (set() if sheets else {"a/samples.json"})
    assert opened.notes == (("ignored 2 sheets of generated samples, such as a/classes.png",) if sheets else ())


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        ("./cats/a.png", "cats/a.png"),
        ("../../etc/a.png", "etc/a.png"),
        ("/etc/cats/a.png", "etc/cats/a.png"),
        ("cats\\a.png", "cats/a.png"),
        ("C:\\data\\a.png", "data/a.png"),
        ("cats/x/.././/a.png", "cats/a.png"),
        ("..", ""),
    ],
)
def test_the_path_of_a_member_leads_nowhere_else(stored: str, name: str) -> None:
    assert member_path(stored) == name


@pytest.mark.parametrize("pattern", ["./{}/{}.png", "/{}/{}.png", "{}\\{}.png", "..\\{}\\{}.png", "C:/{}/{}.png"])
def test_names_of_any_form_give_images_and_classes(tmp_path: Path, contents: list[bytes], pattern: str) -> None:
    members = {pattern.format("even" if n % 2 == 0 else "odd", n): content for n, content in enumerate(contents)}
    table = {pattern.format("even", 0).replace("0.png", "notes.txt"): b"text"}
    dataset = load_source(write_zip(tmp_path / "a.zip", members | table), 8, 3, "crop")
    assert dataset.summary.count == 20
    assert dataset.summary.unreadable == []
    assert dataset.classes == ("even", "odd")


def test_a_table_of_labels_is_found_under_a_name_with_a_dot(tmp_path: Path, contents: list[bytes]) -> None:
    rows = ["file,label", *(f"{n}.png,{'a' if n < 10 else 'b'}" for n in range(20))]
    members = {f"./{n}.png": content for n, content in enumerate(contents)} | {"./labels.csv": "\n".join(rows).encode()}
    assert load_source(write_zip(tmp_path / "a.zip", members), 8, 3, "crop").classes == ("a", "b")


def test_hidden_members_are_counted_and_only_hidden_ones_are_not_empty(tmp_path: Path, contents: list[bytes]) -> None:
    hidden = {f"__MACOSX/._{n}.png": b"x" for n in range(20)} | {".thumbnails/0.png": contents[0]}
    with pytest.raises(BadInput, match=r"holds 21 files, all hidden, such as __MACOSX/\._0\.png"):
        inspect_source(write_zip(tmp_path / "a.zip", hidden))
    shown = {f"{n}.png": content for n, content in enumerate(contents)}
    summary = load_source(write_zip(tmp_path / "b.zip", hidden | shown | {"x.zip": b"", "a.psd": b""}), 8, 3, "crop")
    assert summary.summary.notes == [
        "ignored 1 .psd: convert them to PNG or JPEG to use them",
        "ignored 1 .zip: archives are not read here, so unpack them",
        "ignored 1 hidden image, such as .thumbnails/0.png",
    ]


def test_of_members_of_one_name_the_last_is_read_and_links_are_not(tmp_path: Path, contents: list[bytes]) -> None:
    path = write_zip(tmp_path / "a.zip", {f"{n}.png": content for n, content in enumerate(contents)})
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(zipfile.ZipInfo("./0.png"), b"")
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, b"/etc/passwd")
    summary = load_source(path, 8, 3, "crop").summary
    assert summary.unreadable == [("0.png", "the file is empty")]
    assert summary.notes == [
        "ignored 1 earlier member with the name of a later one",
        "ignored 1 link",
    ]


def test_encrypted_members_are_skipped_or_the_archive_is_refused(tmp_path: Path, contents: list[bytes]) -> None:
    members = {f"{n}.png": content for n, content in enumerate(contents)}
    one, every = (write_zip(tmp_path / name, members) for name in ("one.zip", "every.zip"))
    flag = struct.pack("<H", 1)
    for path, count in ((one, 1), (every, 20)):
        content, start = bytearray(path.read_bytes()), 0
        for signature, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
            start = 0
            for _ in range(count):
                start = content.index(signature, start) + 4
                content[start - 4 + offset : start - 2 + offset] = flag
        path.write_bytes(content)
    [(name, reason)] = load_source(one, 8, 3, "crop").summary.unreadable
    assert name == "0.png"
    assert "encrypted" in reason
    with pytest.raises(BadInput, match=r"the images in the archive .*every\.zip are encrypted: unpack it"):
        inspect_source(every)


def test_a_damaged_member_and_one_with_a_wrong_size_are_skipped(tmp_path: Path, contents: list[bytes]) -> None:
    path = write_zip(tmp_path / "a.zip", {f"{n}.png": content for n, content in enumerate(contents)})
    content = bytearray(path.read_bytes())
    content[content.index(contents[3]) + 60] ^= 1  # a bit that the checksum covers
    entry = content.index(b"PK\1\2", content.index(b"PK\1\2") + 4)
    content[entry + 24 : entry + 28] = struct.pack("<I", 10)  # the second member states fewer bytes than it has
    path.write_bytes(content)
    assert [name for name, _ in load_source(path, 8, 3, "crop").summary.unreadable] == ["1.png", "3.png"]


def test_a_member_larger_than_the_memory_is_not_unpacked(
    tmp_path: Path, contents: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = {"bomb.png": bytes(2**22)}
    members = {f"{n}.png": content for n, content in enumerate(contents)} | bomb
    path = write_zip(tmp_path / "a.zip", members, zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(archive, "physical_memory_bytes", lambda: 2**24)
    source = resolve_source(path)
    assert isinstance(source, ZipSource)
    with pytest.raises(ValueError, match=r"too large: .* GiB, more than an eighth of the memory"):
        source.open(source.names.index("bomb.png"))
    assert [name for name, _ in load_source(path, 8, 3, "crop").summary.unreadable] == ["bomb.png"]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_no_more_is_unpacked_than_the_size_that_is_stated(tmp_path: Path, contents: list[bytes], method: int) -> None:
    members = {"bomb.png": bytes(2**27)} | {f"{n}.png": content for n, content in enumerate(contents)}
    path = write_zip(tmp_path / "a.zip", members, method)
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\1\2")
    content[entry + 24 : entry + 28] = struct.pack("<I", 1000)
    path.write_bytes(content)
    source = resolve_source(path)
    tracemalloc.start()
    try:
        with pytest.raises(zipfile.BadZipFile, match="Bad CRC-32"):
            source.open(source.names.index("bomb.png"))
        assert tracemalloc.get_traced_memory()[1] < 2**27
    finally:
        tracemalloc.stop()
    assert [name for name, _ in load_source(path, 8, 3, "crop").summary.unreadable] == ["bomb.png"]


def test_names_of_many_digits_are_sorted(tmp_path: Path, contents: list[bytes]) -> None:
    numbers = ["10" * 2500, "9" * 5000, "8", "08"]
    path = write_zip(tmp_path / "a.zip", {f"{number}.png": contents[0] for number in numbers})
    assert [name.removesuffix(".png") for name in resolve_source(path).names] == ["08", "8", *numbers[:2]]


def test_members_that_share_their_bytes_are_refused(tmp_path: Path, contents: list[bytes]) -> None:
    """So does a bomb of 42 kB that unpacks to 5 GB: each entry of the directory leads to the same bytes."""
    path = write_zip(tmp_path / "a.zip", {f"{n}.png": contents[0] for n in range(20)})
    content = path.read_bytes()
    start, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    first = content[: content.index(b"PK\3\4", 4)]
    directory = bytearray(content[start:end])
    position = 0
    for _ in range(20):
        position = directory.index(b"PK\1\2", position) + 4
        directory[position + 38 : position + 42] = struct.pack("<I", 0)
    tail = bytearray(content[end:])
    tail[16:20] = struct.pack("<I", len(first))
    path.write_bytes(first + directory + tail)
    with pytest.raises(BadInput, match="claims more compressed bytes than it has"):
        inspect_source(path)


def test_names_longer_than_a_file_name_are_read(tmp_path: Path, contents: list[bytes]) -> None:
    members = {f"{'long' * 100}/{n}{'é' * 200}.png": content for n, content in enumerate(contents)}
    assert load_source(write_zip(tmp_path / "a.zip", members), 8, 3, "crop").summary.count == 20


@pytest.mark.parametrize("cut", [1, 30, 200, 2000])
def test_a_cut_archive_is_refused(tmp_path: Path, contents: list[bytes], cut: int) -> None:
    path = write_zip(tmp_path / "a.zip", {f"{n}.png": content for n, content in enumerate(contents)})
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(BadInput, match=r"cannot be opened as a zip archive \(.+\): create or download it again"):
        inspect_source(path)


def test_the_number_of_members_is_bounded_before_they_are_read(
    tmp_path: Path, contents: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_zip(tmp_path / "a.zip", {f"{n}.png": content for n, content in enumerate(contents)})
    count, listing_bytes = archive.measure_listing(path)
    assert count == 20
    assert listing_bytes == sum(46 + len(f"{n}.png") for n in range(20))
    assert load_source(path, 8, 3, "crop").summary.count == 20
    with monkeypatch.context() as patch:
        patch.setattr(archive, "MAX_MEMBERS", 19)
        with pytest.raises(BadInput, match=r"a\.zip has more than 19 members: unpack it, and give the folder$"):
            resolve_source(path)
    content = path.read_bytes()
    # the number of members that is stated may be anything; Python reads as many as the list holds
    path.write_bytes(content[:-12] + struct.pack("<H", 1) + content[-10:])
    monkeypatch.setattr(archive, "_MAX_LISTING_BYTES", listing_bytes - 1)
    with pytest.raises(BadInput, match=r"a\.zip has more than 2,000,000 members: unpack it"):
        resolve_source(path)


def test_the_members_of_a_zip64_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 3)
    path = write_zip(tmp_path / "a.zip", {f"{n}.png": b"" for n in range(5)})
    assert b"PK\x06\x06" in path.read_bytes()
    assert archive.measure_listing(path)[0] == 5
    (tmp_path / "b.zip").write_bytes(b"PK")
    assert archive.measure_listing(tmp_path / "b.zip") == (0, 0)
