"""The card of a published model: Markdown with a header in YAML, as the Hugging Face Hub shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zerosum.data.kind import DATA_KINDS
from zerosum.data.text import printable
from zerosum.files import quote_path
from zerosum.media.kind import MEDIA_KINDS
from zerosum.reporting.run_record import RunRecord
from zerosum.reporting.scores_section import baseline_titles, describe_result, score_cells
from zerosum.units import format_count, format_seconds

MAX_CLASSES_NAMED, MAX_PARTS_NAMED = 50, 100
"""Number of classes, and of parts of an item, that are named."""
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|])")
LICENSE_NOTE = (
    "No license is stated yet, so by law nobody may use this model. Choose one (`license:` in the header of this file; "
    "https://hf.co/docs/hub/repositories-licenses lists the names), and mind that of the training data."
)


@dataclass(frozen=True)
class PublishedModel:
    """What a card says of a model besides the record of its run."""

    title: str
    """What it is called."""
    name: str
    """How commands name it: hf:user/name, or the name of the folder."""
    examples: int
    """Training examples of the weights."""
    num_parameters: int
    """Numbers in the networks that generate."""
    files: Mapping[str, str]
    """What each file holds, by name."""
    sheet: str = ""
    """The file of a sheet of samples; "" if there is none."""


def write_model_card(record: RunRecord, model: PublishedModel) -> str:
    """Return the text of README.md."""
    recipe, caution = record.recipe, MEDIA_KINDS.find(record.kind).caution
    return "\n".join(
        [
            *_header(record),
            f"# {_escape(model.title)}",
            "",
            _describe(record),
            *([f"\n![Samples of seed 0]({model.sheet})"] if model.sheet else []),
            *_usage(record, model),
            *_section("Data", _data_rows(record)),
            *_parts(record),
            *_section("Training", _training_rows(record, model)),
            *([f"\nRecipe `{recipe['name']}`: {_escape(recipe.get('paper'))}"] if recipe.get("paper") else []),
            *_scores(record, model.examples),
            *([f"\n{caution}"] if caution else []),
            *_section("Files", [(f"`{name}`", content) for name, content in model.files.items()]),
            "\nNothing in this folder is code: Zerosum refuses model folders that hold pickles or programs.",
            f"\n## License\n\n{LICENSE_NOTE}",
            "",
        ]
    )


def _header(record: RunRecord) -> list[str]:
    """Return the header in YAML; texts are quoted as in JSON, which is YAML."""
    kind = DATA_KINDS.find(record.kind)
    tags = ["zerosum", "gan", str(record.recipe.get("name", "")), kind.name]
    return [
        "---",
        "library_name: zerosum",
        *([f"pipeline_tag: {kind.pipeline_tag}"] if kind.pipeline_tag else []),
        "tags:",
        *(f"- {json.dumps(tag)}" for tag in dict.fromkeys(filter(None, tags))),
        "# license: choose one, see the end of this file",
        "---",
        "",
    ]


def _describe(record: RunRecord) -> str:
    """Return what the model does, and what its items are."""
    task = "translates" if record.is_translation else "generates"
    form = MEDIA_KINDS.find(record.kind).describe(record.data)
    trained = f", trained with [Zerosum](https://pypi.org/project/zerosum/), recipe `{record.recipe.get('name', '')}`"
    return f"A generator that {task} {record.plural}{trained}. {form}".rstrip()


def _usage(record: RunRecord, model: PublishedModel) -> list[str]:
    """Return how the model is used from the command line and from Python."""
    name = json.dumps(model.name, ensure_ascii=False)
    if record.is_translation:
        commands = [f"zerosum apply {quote_path(model.name)} photos/"]
        code = [f"translator = zerosum.load_translator({name})"]
    else:
        commands = [f"zerosum sample {quote_path(model.name)} -n 64"]
        sample = "generator.sample(64, seed=7)"
        items = sample if DATA_KINDS.find(record.kind).publishes_items else f"generator.decode({sample}, seed=7)"
        code = [f"generator = zerosum.load({name})", f"{record.plural} = {items}"]
    extras = ",".join(filter(None, ("hub", DATA_KINDS.find(record.kind).extra)))
    shell = [f'pip install "zerosum[{extras}]"', *commands]
    lines = ["```bash", *shell, "```", "", "```python", "import zerosum", "", *code]
    return ["", "## Use", "", *lines, "```"]


def _data_rows(record: RunRecord) -> list[tuple[str, object]]:
    data = record.data
    classes: Mapping[str, int] = data.get("classes") or {}
    named = [f"{name} {count:,}" for name, count in list(classes.items())[:MAX_CLASSES_NAMED]]
    more = [f"and {len(classes) - len(named):,} more"] if len(classes) > len(named) else []
    return [
        ("source", Path(str(data.get("source", ""))).name),
        (record.plural, format_count(data["count"]) if "count" in data else ""),
        ("trained on", format_count(data["train"]) if "train" in data else ""),
        ("held out", format_count(data["held_out"]) if "held_out" in data else ""),
        ("classes", ", ".join(named + more)),
    ]


def _parts(record: RunRecord) -> list[str]:
    """Return a section with what the parts of an item hold, such as columns; [] if it has none."""
    title, parts = MEDIA_KINDS.find(record.kind).parts(record.data)
    more = [("", f"and {len(parts) - MAX_PARTS_NAMED:,} more")] if len(parts) > MAX_PARTS_NAMED else []
    return _section(title, [(_escape(name), content) for name, content in parts[:MAX_PARTS_NAMED] + more])


def _training_rows(record: RunRecord, model: PublishedModel) -> list[tuple[str, object]]:
    metadata = record.recipe.get("metadata", {})
    versions = [f"{name} {metadata[name]}" for name in ("zerosum", "torch", "python") if metadata.get(name)]
    return [
        ("examples", format_count(model.examples)),
        ("time of the run", format_seconds(record.seconds) if record.seconds else ""),
        ("device", metadata.get("device", "")),
        ("parameters", format_count(model.num_parameters)),
        ("made with", ", ".join(versions)),
    ]


def _scores(record: RunRecord, examples: int) -> list[str]:
    """Return the newest evaluation of these weights, or of those before, with its protocol and floors."""
    rows = [row for row in record.score_rows if row["examples"] <= examples and row.get("direction") != "reverse"]
    if not rows:
        return ["", "## Scores", "", "This model was not evaluated."]
    row = max(rows, key=lambda row: (row["examples"], row.get("mode") == "offline"))
    when = "" if row["examples"] == examples else f"Measured after {format_count(row['examples'])} examples. "
    table = [[_escape(name), *map(_escape, score_cells(score))] for name, score in row["scores"].items()]
    header = ["score", "value", f"real {record.plural} against real ones", "ratio", *baseline_titles(row)]
    lines = [
        f"\n{when}A score means something only next to the one that real {record.plural} get against other real ones, "
        "and under the same protocol.",
        "",
        *_table(header, table),
        "",
        *(f"- {_escape(line)}" for line in describe_result(row, record.noun)),
        f"\nProtocol: {_escape(row.get('protocol_description', ''))}",
    ]
    return ["", "## Scores", *lines]


def _section(title: str, rows: Sequence[tuple[str, object]]) -> list[str]:
    """Return a section with a table of facts, without those that are not known."""
    known = [[name, _escape(value)] for name, value in rows if value not in ("", None)]
    return ["", f"## {title}", "", *_table(["", ""], known)] if known else []


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


def _escape(value: object) -> str:
    """Return a text without marks of Markdown or HTML, in one line."""
    return _MARKDOWN.sub(r"\\\1", printable(" ".join(str(value).split())))
