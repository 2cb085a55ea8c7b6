"""Make src/zerosum/data/molecules/moses_filters.tsv: the structures that MOSES filters molecules by.

    pip download --no-deps molsets==0.3.1
    python docs/make_filters.py molsets-0.3.1-py3-none-any.whl OUT.tsv

A line holds the name of a structure and its SMARTS text: the 22 medicinal chemistry filters of `mcf.csv`, and the 480
pan-assay interference compounds (PAINS) of `wehi_pains.csv`. RDKit has corrected 17 of the latter since: for 5 of 3,000
molecules of the NCI its own list has another answer.
"""

import argparse
import csv
import io
import re
import zipfile
from pathlib import Path

FOLDER = "moses/metrics"
NAME_PATTERN = re.compile(r"<regId=(.+)>")


def make_filters(wheel: Path, out: Path) -> None:
    """Write the file."""
    with zipfile.ZipFile(wheel) as archive:
        texts = [archive.read(f"{FOLDER}/{name}").decode() for name in ("mcf.csv", "wehi_pains.csv")]
    named = [(row["names"], row["smarts"]) for row in csv.DictReader(io.StringIO(texts[0]))]
    for smarts, name in csv.reader(io.StringIO(texts[1])):
        match = NAME_PATTERN.search(name)
        assert match, name
        named.append((match[1], smarts.strip()))
    assert len(named) == 502
    out.write_text("".join(f"{name}\t{smarts}\n" for name, smarts in named), "utf8")
    print(f"{out}: {len(named)} structures, {out.stat().st_size / 1e3:.0f} kB")


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="the wheel of molsets 0.3.1")
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    make_filters(options.wheel, options.out)


if __name__ == "__main__":
    main()
