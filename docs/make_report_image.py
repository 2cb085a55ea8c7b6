"""Draw docs/report.png: the top of a run's report.html, as Chromium renders it.

python docs/make_report_image.py RUN
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parent
WIDTH, HEIGHT = 1100, 1250


def main() -> None:
    """Take a screenshot of the report, and save it with 128 colors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    report = parser.parse_args().run / "report.html"
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        raise SystemExit("Chromium is not on the PATH; install it")
    with tempfile.TemporaryDirectory() as folder:
        screenshot = Path(folder) / "screenshot.png"
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={WIDTH},{HEIGHT}"]
        subprocess.run([browser, *flags, f"--screenshot={screenshot}", report.resolve().as_uri()], check=True)
        Image.open(screenshot).convert("RGB").quantize(128).save(DOCS / "report.png", optimize=True)


if __name__ == "__main__":
    main()
