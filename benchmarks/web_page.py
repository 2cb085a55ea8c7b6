"""Compare pages of `zerosum export --to web` in a browser, without a network, with the command line.

python benchmarks/web_page.py --ort onnxruntime-web-1.30.0.tgz --chromium /usr/bin/chromium

It needs playwright (pip install playwright) and Chromium. Small networks are trained first, on images that are drawn
here; of each, the page is written, opened from a file with the connection cut, and what it saves is compared with what
the commands write: samples of a seed, of a class, truncated, edited along a direction, on the way to another sample,
mixed styles, and translations of an uploaded image. Writes docs/web.json, docs/web.png and the table in docs/export.md.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, sync_playwright

import zerosum
from zerosum.inference.load import load_translator, read_recipe
from zerosum.run_folder import RunFolder

DOCS = Path(__file__).resolve().parents[1] / "docs"
MAX_DIFFERENCE = 2
"""Largest allowed difference of two pixels, of 255."""
MAX_RUNTIME_BYTES, MODEL_FACTOR = 5_000_000, 1.4
"""A page has at most so many bytes, and so many for each byte of the compressed networks."""
MAX_FIRST_IMAGE_SECONDS = 3.0
SETTINGS = {"data.workers": 0, "evaluation.features": "none"}
Pixels = NDArray[np.uint8]


@dataclass
class Result:
    """What was measured of a page."""

    recipe: str
    size_mb: float
    limit_mb: float
    first_seconds: float
    """From opening the file to the first image, or, for translators, to the page."""
    requests: list[str]
    """Schemes of what the page asked for."""
    differences: dict[str, int] = field(default_factory=dict)
    """Largest difference of pixels, of 255, by what was compared."""

    @property
    def is_within_limits(self) -> bool:
        """Whether every figure is as it should be."""
        return (
            max(self.differences.values()) <= MAX_DIFFERENCE
            and self.size_mb <= self.limit_mb
            and self.first_seconds <= MAX_FIRST_IMAGE_SECONDS
            and set(self.requests) <= {"file", "blob"}
        )


class PageDriver:
    """A page that was opened in the browser."""

    def __init__(self, browser: Browser, path: Path) -> None:
        """Prepare to open the file without a network; what the page asks for is recorded."""
        self.path, self.requests = path, set[str]()
        self.context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
        self.page: Page = self.context.new_page()
        self.page.on("request", lambda request: self.requests.add(request.url.partition(":")[0]))
        self.page.on("pageerror", lambda error: sys.exit(f"{path.name}: {error}"))

    def open(self, state: str = "") -> None:
        """Open the page anew in a state, such as seed=7, and wait until all of it is drawn."""
        self.page.goto("about:blank")
        self.requests.discard("about")
        self.page.goto(f"{self.path.as_uri()}#{state}")
        self.wait()

    def wait(self) -> None:
        """Wait until the page is at rest."""
        self.page.wait_for_selector("html[data-state=ready], html[data-state=failed]", timeout=120_000)
        if self.page.is_visible("#problem"):
            sys.exit(f"{self.path.name}: {self.page.inner_text('#problem')}")

    def save(self, button: str) -> Pixels:
        """Press a button, and return the image that is saved (H, W, C)."""
        with self.page.expect_download() as download:
            self.page.click(button)
        return read_pixels(Path(download.value.path()))

    def first_image_seconds(self) -> float:
        """Open the page, and return the time from there to the first image."""
        self.open("seed=7")
        milliseconds: float = self.page.evaluate(
            "performance.getEntriesByName('first-image')[0]?.startTime ?? performance.now()"
        )
        return milliseconds / 1000


def read_pixels(file: Path) -> Pixels:
    """Return an image (H, W, C)."""
    pixels = np.asarray(Image.open(file))
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def largest_difference(first: Pixels, second: Pixels) -> int:
    """Return the largest difference of two images, which must have one shape."""
    if first.shape != second.shape:
        sys.exit(f"images of {first.shape} and {second.shape} are compared")
    return int(np.abs(first.astype(int) - second).max())


def grid_cell(file: Path, row: int, column: int, size: int, columns: int) -> Pixels:
    """Return a cell of a grid that a command has written, at the size of the network's images."""
    grid = read_pixels(file)
    scale = (grid.shape[1] + 2) // columns // size
    top, left = row * (size * scale + 2), column * (size * scale + 2)
    return grid[top : top + size * scale : scale, left : left + size * scale : scale]


def draw_images(folder: Path) -> Path:
    """Draw 256 images of shapes of 32 pixels, the training data, in two classes."""
    rng = np.random.default_rng(0)
    for number in range(256):
        image = Image.new("RGB", (32, 32), tuple(rng.integers(0, 256, 3)))
        left, top, width, height = rng.integers(2, 14, 4)
        shape, color = (
            [int(left), int(top), int(left + width + 4), int(top + height + 4)],
            tuple(rng.integers(0, 256, 3)),
        )
        name = ("discs", "boxes")[number % 2]
        draw = ImageDraw.Draw(image).ellipse if name == "discs" else ImageDraw.Draw(image).rectangle
        draw(shape, fill=color)
        (folder / name).mkdir(parents=True, exist_ok=True)
        image.save(folder / name / f"{number:03d}.png")
    return folder


def draw_upload(file: Path, width: int, height: int) -> Path:
    """Draw an image to be translated, of another size than those of training, and with soft edges."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin(rows / 7 + columns / 11), np.cos(rows / 5), np.sin(columns / 9 - rows / 13)]
    Image.fromarray(np.uint8(np.stack(waves, 2) * 120 + 128)).save(file)
    return file


# ---------------------------------------------------------------------- what is compared


def compare_generator(driver: PageDriver, run: Path, scratch: Path) -> dict[str, int]:
    """Compare samples of a class-conditional generator, or one with styles."""
    has_classes = bool(zerosum.load(run).classes)
    has_styles = zerosum.load(run).has_styles
    size, label = 32, ("boxes" if has_classes else None)  # the first: principal components are those of its samples
    class_state = "&class=boxes" if has_classes else ""
    found: dict[str, int] = {}

    def compare_grid(name: str, state: str, **options: object) -> None:
        driver.open(f"seed=7&n=9{state}")
        folder = zerosum.sample(run, 9, seed=7, into=scratch / f"{run.name}-{name}", **options)  # type: ignore[arg-type]
        found[name] = largest_difference(driver.save("#save-grid"), read_pixels(folder / "grid.png"))

    def compare_large(name: str, state: str, expected: Callable[[], Pixels]) -> None:
        driver.open(f"seed=7&n=9{class_state}&{state}")
        found[name] = largest_difference(driver.save("#save"), expected())

    def edit(direction: str, sigma: float, **options: object) -> Pixels:
        file = scratch / f"{run.name}-{direction.replace(':', '')}-{len(options)}.png"
        zerosum.edit(
            run, direction, sample_indices=[1], max_sigma=sigma, steps=2, seed=7, label=label, into=file, **options
        )  # type: ignore[arg-type]
        return grid_cell(file, 0, 1, size, 2)

    compare_grid("seed 7", "")
    compare_grid("truncation", "&truncation=0.6", truncation=0.6)
    if has_classes:
        compare_grid("a class", "&class=discs", label="discs")
    compare_large("SeFa", "sample=1&sefa0=1.5", lambda: edit("sefa:0", 1.5))
    compare_large("PCA", "sample=1&directions=pca&pca1=2", lambda: edit("pca:1", 2))
    compare_large("SeFa, truncated", "sample=1&truncation=0.6&sefa2=2", lambda: edit("sefa:2", 2, truncation=0.6))

    def walk() -> Pixels:
        strip, _ = zerosum.walk(run, seed=7, keyframes=2, steps=4, label=label, into=scratch / f"{run.name}-walk")
        return grid_cell(strip, 0, 1, size, 4)

    compare_large("interpolation", "sample=0&tab=interpolate&to=7:1&t=0.25", walk)
    if has_styles:

        def mix() -> Pixels:
            file = zerosum.mix(run, [0], [1], layers="middle", seed=7, into=scratch / f"{run.name}-mix.png")
            return grid_cell(file, 1, 1, size, 2)

        compare_large("style mixing", "sample=0&tab=mix&with=7:1&mix=middle", mix)
    return found


def compare_translator(driver: PageDriver, run: Path, scratch: Path) -> dict[str, int]:
    """Compare translations of uploaded images: small, large enough for tiles, and transparent in places."""
    is_local = load_translator(run, "cpu").receptive_radius is not None
    uploads = {"an uploaded image": draw_upload(scratch / "upload.png", 90, 53)}
    if is_local:
        uploads["a large one, in tiles"] = draw_upload(scratch / "large.png", 530, 520)
    image = Image.open(uploads["an uploaded image"]).convert("RGBA")
    image.paste((0, 0, 0, 0), (20, 10, 50, 35))
    uploads["one with a transparent hole"] = scratch / "hole.png"
    image.save(uploads["one with a transparent hole"])
    if read_recipe(RunFolder(run)).data.fills_holes:  # and needs one
        uploads = {"one with a transparent hole": uploads["one with a transparent hole"]}
    found = {}
    for name, upload in uploads.items():
        driver.open()
        driver.page.set_input_files("#file", upload)
        driver.page.wait_for_selector("html[data-state=translating]", timeout=120_000)
        driver.wait()
        (expected,) = zerosum.apply(run, upload, into=scratch / "translated")
        found[name] = largest_difference(driver.save("#save"), read_pixels(expected))
    return found


RUNS: dict[str, dict[str, object]] = {
    "cgan": {"examples": 20_000, "size": "nano"},
    "stylegan2": {"examples": 8_000, "size": "nano"},
    "colorize": {"examples": 6_000, "size": "nano"},
    "inpaint": {"examples": 1_500, "size": "nano"},
    "esrgan": {"examples": 600, "size": "nano"},
}
"""Recipes, and how long they are trained."""


def write_page(recipe: str, ort: Path, scratch: Path) -> Path:
    """Train a recipe, and return its page."""
    run = scratch / recipe
    if not run.exists():
        print(f"training {recipe}", flush=True)
        zerosum.train(draw_images(scratch / "shapes"), recipe=recipe, run=run, settings=SETTINGS, **RUNS[recipe])  # type: ignore[arg-type]
    page = scratch / f"{recipe}.html"
    page.unlink(missing_ok=True)
    zerosum.export(run, "web", ort=ort, into=page)
    return page


def measure(browser: Browser, page: Path, run: Path) -> Result:
    """Open a page, and compare it with the commands."""
    driver = PageDriver(browser, page)
    first = min(driver.first_image_seconds() for _ in range(3))  # the fastest: other programs only slow it down
    models = sum(stored_bytes(page, name) for name in ("generator", "mapping", "synthesis", "translator"))
    limit = (MAX_RUNTIME_BYTES + MODEL_FACTOR * models) / 1e6
    result = Result(run.name, page.stat().st_size / 1e6, limit, first, sorted(driver.requests))
    is_translator = driver.page.locator("#file").count() > 0
    with tempfile.TemporaryDirectory() as outputs:
        compare = compare_translator if is_translator else compare_generator
        result.differences = compare(driver, run, Path(outputs))
    result.requests = sorted(driver.requests)
    driver.context.close()
    return result


def draw_page(browser: Browser, run: Path, ort: Path, scratch: Path) -> None:
    """Draw the page of a run, with a sample that is edited."""
    page = zerosum.export(run, "web", ort=ort, into=scratch / "image" / f"{run.name}.html")
    driver = PageDriver(browser, page)
    driver.open("seed=7&n=16&sample=2&sefa0=1.5")
    driver.page.mouse.move(0, 0)
    driver.page.screenshot(path=DOCS / "web.png")


def stored_bytes(page: Path, name: str) -> int:
    """Return the size of a compressed network in a page, before it is written as text; 0 if there is none."""
    found = re.search(f'id="{name}">([^<]*)<', page.read_text("utf8"))
    return len(found[1]) * 3 // 4 if found else 0


def make_table(results: list[Result]) -> str:
    """Return the figures as a Markdown table."""
    rows = [
        "| recipe | page | limit | first image | requests | largest difference, of 255 |",
        "|---|---|---|---|---|---|",
    ]
    for each in results:
        differences = ", ".join(f"{name} {value}" for name, value in each.differences.items())
        first = "-" if "one with a transparent hole" in each.differences else f"{each.first_seconds:.1f} s"
        rows.append(
            f"| {each.recipe} | {each.size_mb:.1f} MB | {each.limit_mb:.1f} MB | {first} | "
            f"{', '.join(each.requests)} | {differences} |"
        )
    return "\n".join(rows)


def replace_section(file: Path, marker: str, text: str) -> None:
    """Replace what is between two markers of a Markdown file."""
    pattern = re.compile(rf"(<!-- {marker} -->\n).*?(<!-- end of {marker} -->)", re.DOTALL)
    if file.exists():
        file.write_text(pattern.sub(lambda found: f"{found[1]}{text}\n{found[2]}", file.read_text("utf8")), "utf8")


def write_docs(results: list[Result]) -> None:
    """Put the figures into docs/, in place of older ones of the same recipes."""
    file = DOCS / "web.json"
    older = [Result(**each) for each in json.loads(file.read_text())["pages"]] if file.exists() else []
    by_recipe = {each.recipe: each for each in older + results}
    ordered = [by_recipe[recipe] for recipe in RUNS if recipe in by_recipe]
    record = {"date": time.strftime("%Y-%m-%d"), "pages": [vars(each) for each in ordered]}
    file.write_text(json.dumps(record, indent=2) + "\n")
    replace_section(DOCS / "export.md", "pages", make_table(ordered))


def main() -> None:
    """Measure all recipes, write the figures, and fail if one is beyond its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ort", type=Path, required=True, help="onnxruntime-web-1.30.0.tgz")
    parser.add_argument("--chromium", default=None, help="path of the browser; by default playwright's own")
    parser.add_argument("--scratch", type=Path, default=None, help="folder of the runs, which are kept and used again")
    parser.add_argument("--recipes", nargs="+", default=list(RUNS))
    parser.add_argument("--image-of", type=Path, default=None, help="run whose page is drawn as docs/web.png")
    parser.add_argument("--docs", action="store_true", help="write the figures into docs/")
    arguments = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        scratch = arguments.scratch or Path(temporary)
        pages = [write_page(recipe, arguments.ort, scratch) for recipe in arguments.recipes]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=arguments.chromium, args=["--no-sandbox"])
            for recipe, page in zip(arguments.recipes, pages, strict=True):
                results.append(measure(browser, page, scratch / recipe))
                print(results[-1], flush=True)
            if arguments.image_of:
                draw_page(browser, arguments.image_of, arguments.ort, Path(temporary))
    print(make_table(results))
    if arguments.docs:
        write_docs(results)
    if not all(each.is_within_limits for each in results):
        sys.exit("a figure is beyond its limit")


if __name__ == "__main__":
    main()
