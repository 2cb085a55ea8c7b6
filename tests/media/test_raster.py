import errno
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.errors import BadInput
from zerosum.media.points import FAKE_COLOR, scatter_plot
from zerosum.media.raster import make_grid, make_strip, save_gif, save_image


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_grid_places_every_pixel(channels: int, mode: str) -> None:
    images = noise(5, 4, 6, channels)
    grid = make_grid(images, columns=3, scale=2, gap=1)
    assert grid.mode == mode
    assert grid.size == (3 * 12 + 2, 2 * 8 + 1)
    pixels = np.asarray(grid).reshape(17, 38, channels)
    for index, image in enumerate(images):
        top, left = index // 3 * 9, index % 3 * 13
        assert (pixels[top : top + 8 : 2, left : left + 12 : 2] == image).all()
        assert (pixels[top + 1 : top + 8 : 2, left + 1 : left + 12 : 2] == image).all()
    background = [255] * channels if channels in (1, 3) else [255] * (channels - 1) + [0]
    assert (pixels[8] == background).all()
    assert (pixels[9:, 26:] == background).all()


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((64, 32, 32, 3), (8 * 64 + 14, 8 * 64 + 14)),  # enlarged twice
        ((10, 28, 28, 1), (4 * 84 + 6, 3 * 84 + 4)),
        ((4, 64, 64, 3), (130, 130)),  # large enough
        ((4, 128, 32, 3), (4 * 32 + 6, 128)),  # tall images in one row
        ((1, 8, 8, 1), (64, 64)),
        ((1024, 32, 32, 1), (32 * 64 + 62, 32 * 64 + 62)),
        ((10_000, 32, 32, 1), (100 * 32 + 198, 100 * 32 + 198)),  # not enlarged
    ],
)
def test_grid_chooses_columns_and_scale(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    assert make_grid(np.zeros(shape, np.uint8)).size == size


def test_grid_never_has_more_columns_than_images() -> None:
    assert make_grid(noise(2, 64, 64, 1), columns=8, gap=0).size == (128, 64)


@pytest.mark.parametrize("images", [noise(2, 4, 4), noise(2, 4, 4, 5), np.zeros((2, 4, 4, 3)), noise(0, 4, 4, 3)])
def test_arrays_that_are_not_images_are_refused(images: np.ndarray) -> None:
    with pytest.raises(BadInput, match="images"):
        make_grid(images)


def test_negative_layout_is_refused() -> None:
    with pytest.raises(BadInput, match="0 or more"):
        make_grid(noise(2, 4, 4, 1), columns=-1)


def test_strip_is_one_row() -> None:
    images = noise(6, 64, 64, 3)
    row = make_strip(images)
    assert row.size == (6 * 64, 64)
    assert (np.asarray(row) == np.concatenate(list(images), axis=1)).all()


def read_frames(path: Path) -> np.ndarray:
    with Image.open(path) as gif:
        frames = []
        for number in range(gif.n_frames):
            gif.seek(number)
            frames.append(np.asarray(gif.convert("RGB")))
    return np.stack(frames)


@pytest.mark.parametrize("channels", [1, 3])
def test_gif_of_few_colors_is_exact_and_loops(tmp_path: Path, channels: int) -> None:
    images = noise(5, 4, 4, channels)
    save_gif(images, tmp_path / "a.gif", 0.25)
    assert (read_frames(tmp_path / "a.gif") == np.broadcast_to(images, (5, 4, 4, 3))).all()
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.info["loop"] == 0
        assert gif.info["duration"] == 250


def test_gif_ping_pong(tmp_path: Path) -> None:
    images = noise(4, 8, 8, 1)
    save_gif(images, tmp_path / "a.gif", ping_pong=True, scale=2)
    frames = read_frames(tmp_path / "a.gif")
    assert (frames[:, ::2, ::2, :1] == images[[0, 1, 2, 3, 2, 1]]).all()
    save_gif(images[:1], tmp_path / "one.gif", ping_pong=True)
    assert len(read_frames(tmp_path / "one.gif")) == 1


def test_gif_of_many_colors_is_close_and_static_pixels_do_not_flicker(tmp_path: Path) -> None:
    y, x = np.mgrid[:64, :64] * 4
    images = np.stack([np.stack([x, y, np.full_like(x, 128)], axis=-1)] * 4).astype(np.uint8)
    images[:, :32] += np.arange(4, dtype=np.uint8)[:, None, None, None] * 9  # only the upper half moves
    save_gif(images, tmp_path / "a.gif")
    frames = read_frames(tmp_path / "a.gif")
    assert np.abs(frames.astype(int) - images).mean() < 9
    assert (frames[1:, 32:] == frames[0, 32:]).all()


def test_gif_composites_alpha_on_white(tmp_path: Path) -> None:
    images = noise(1, 4, 4, 4)
    images[..., 3] = 0
    save_gif(images, tmp_path / "a.gif")
    assert (read_frames(tmp_path / "a.gif") == 255).all()


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_gif_seconds_per_frame_are_checked(tmp_path: Path, seconds: float) -> None:
    with pytest.raises(BadInput, match="`seconds_per_frame`"):
        save_gif(noise(2, 4, 4, 1), tmp_path / "a.gif", seconds)


def test_images_are_written_atomically(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "a.png"
    image = make_grid(noise(4, 8, 8, 3))
    save_image(image, path)
    former_bytes = path.read_bytes()

    def fail_halfway(self: Image.Image, target: Path, *args: object, **kwargs: object) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(Image.Image, "save", fail_halfway)
    with pytest.raises(OSError, match="disk full"):
        save_image(image, path)
    with pytest.raises(OSError, match="disk full"):
        save_gif(noise(2, 4, 4, 1), path)
    assert path.read_bytes() == former_bytes
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]


def test_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"\.xyz"):
        save_image(make_grid(noise(1, 8, 8, 1)), tmp_path / "a.xyz")


def test_scatter_axes_depend_on_the_real_points_only() -> None:
    real = np.array([[-1.0, -1.0], [1.0, 1.0]])
    inside, with_outlier = np.array([[0.0, 0.0]]), np.array([[0.0, 0.0], [90.0, 0.0], [np.nan, 0.0]])
    plot, outlier_plot = (np.asarray(scatter_plot(points, real, 240)).astype(int) for points in (inside, with_outlier))
    assert (plot[117:123, 117:123, 2] > plot[117:123, 117:123, 0] + 50).any()  # the generated point, blue
    assert (plot[60:180, 60:180] == outlier_plot[60:180, 60:180]).all()
    assert (outlier_plot[110:130, 230:239] != plot[110:130, 230:239]).any()  # drawn on the frame
    assert (plot[217:223, 17:23] < 255).any()  # a real point, lower left: y points up
    assert (plot[17:23, 17:23] == 255).all()


def test_scatter_without_generated_points_and_with_one_real_point() -> None:
    image = scatter_plot(np.zeros((0, 2)), np.zeros((1, 2)), 120)
    assert image.size == (120, 120)
    assert FAKE_COLOR[2] > FAKE_COLOR[0]


def test_scatter_refuses_other_shapes() -> None:
    with pytest.raises(BadInput, match="scatter"):
        scatter_plot(np.zeros((3, 3)), np.zeros((3, 2)))
    with pytest.raises(BadInput):
        scatter_plot(np.zeros((3, 2)), np.zeros((0, 2)))
