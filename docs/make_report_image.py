"""Draw docs/report.png: the top of a run's report.html, as Chromium shows it.

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
    """Take a screenshot, and save it with few colors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    report = parser.parse_args().run / "report.html"
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        raise SystemExit("needs Chromium on the PATH")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--screenshot={shot}"]
        subprocess.run([*command, f"--window-size={WIDTH},{HEIGHT}", report.resolve().as_uri()], check=True)
        Image.open(shot).convert("RGB").quantize(128).save(DOCS / "report.png", optimize=True)


if __name__ == "__main__":
    main()
