"""The labels of NVIDIA's dataset_tool: a dataset.json with {"labels": [["00000/img00000000.png", 6], ...]} or null."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable

from zerosum.data.images.table_file import LabelTable
from zerosum.errors import BadInput

DATASET_JSON = "dataset.json"
"""The name of the file."""


def find_dataset_json(other_files: Iterable[str], root: str) -> str | None:
    """Return the path of the uppermost dataset.json on the way down to the folder of all images, or None.

    Args:
        other_files: paths of the files that are not images.
        root: the folder that contains all images: "" or with a trailing slash.
    """
    found = [
        path
        for path in other_files
        if path.rpartition("/")[2] == DATASET_JSON and root.startswith(path.removesuffix(DATASET_JSON))
    ]
    return min(found, key=len, default=None)


def read_dataset_json(table: LabelTable) -> LabelTable | None:
    """Return the file as a table of labels with columns `file` and `label`.

    Without one label for each image the table is empty: null, or several numbers for each image. A file that is not
    from dataset_tool, without "labels", is None.

    Raises:
        BadInput: if it is not valid JSON, or its labels are no pairs of a file and a label.
    """
    try:
        content = json.loads(table.content)
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"{table.display_name} is not valid JSON ({error}): write it again, or rename it to ignore it"
        ) from error
    if not isinstance(content, dict) or "labels" not in content:
        return None
    labels = content["labels"] or []
    if not isinstance(labels, list) or not all(_is_pair(entry) for entry in labels):
        raise BadInput(f'{table.display_name}: "labels" must be a list of pairs ["FILE", LABEL], or null')
    if any(isinstance(label, list) for _, label in labels):
        labels = []
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("file", "label"), *labels] if labels else [])
    return LabelTable(table.name, table.display_name, text.getvalue().encode(errors="surrogatepass"))


def _is_pair(entry: object) -> bool:
    return isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str) and entry[1] is not None
