"""Format the scores of scores.jsonl as lines of text, and as the scores section of the report."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from zerosum.evaluation.metrics.base import MetricInfo
from zerosum.evaluation.metrics.registry import describe_score
from zerosum.reporting.downsampling import Curve
from zerosum.reporting.html import Markup, render_code_spans, section, tag
from zerosum.reporting.run_record import RunRecord
from zerosum.reporting.samples_section import embed_image
from zerosum.reporting.svg import ReferenceLine, render_line_chart
from zerosum.run_folder import Row

MAX_CLASSES_LISTED = 20
"""Number of classes up to which their counts are listed."""
MAX_RATIO = 1_000
"""Ratio of a score to its floor from which the number says only that the floor is almost 0."""
MAX_IMAGE_BYTES = 900_000
IMAGE_CAPTIONS = {
    "neighbors": (
        "Samples and their nearest training {noun}s",
        "Left: the first samples; right: the samples nearest to a training {noun}; each with its three nearest "
        "training {noun}s. Distances are relative to the median one of held-out {noun}s: far below 1 is a copy.",
    ),
    "translations": (
        "Input, output, target",
        "From left to right the input, the output and, for paired data, the target.",
    ),
    "missing_modes": (
        "Missing modes",
        "Real {noun}s from the clusters that contain far fewer samples than they should.",
    ),
}
"""Title and caption of each figure that any kind of data may have, by the stem of its file name; `{noun}` is one item
of the data. Others are in `EvaluationKind.captions`."""


def format_scores(row: Row, noun: str) -> list[str]:
    """Format an evaluation as text: a table, sentences and the protocol.

    Args:
        row: the evaluation, a row of scores.jsonl.
        noun: one item of the data in words, such as "point"; the plural has an s.
    """
    columns = ("score", "value", "real against real", "ratio", *baseline_titles(row))
    cells = [(name, *score_cells(score)) for name, score in row["scores"].items()]
    return [
        *_paired_metric_lines(row.get("paired_metrics") or {}, _baseline_name(row)),
        *_align_columns([columns, *cells]),
        *describe_result(row, noun),
        f"protocol: {row['protocol_description']}",
    ]


def _align_columns(cells: Sequence[Sequence[str]]) -> list[str]:
    """Format cells as lines with aligned columns."""
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def _baseline_name(row: Row) -> str:
    """Return what outputs of a translation are compared with, besides their targets."""
    return str(row.get("paired_baseline") or "input")


def _paired_metric_lines(pairs: Row, baseline: str) -> list[str]:
    """Format the paired metrics of outputs and targets, with those of inputs and targets."""
    if not pairs:
        return []
    cells = [("pair by pair", "generated", baseline)]
    cells += [
        (name, format_with_error(s["value"], s["error"]), format_with_error(s["input"], None))
        for name, s in pairs.items()
    ]
    return [*_align_columns(cells), ""]


def score_cells(score: Row) -> tuple[str, ...]:
    """Format a score: its value, that of real items against real ones, how far it is from it, and any baseline's."""
    return (
        format_with_error(score["value"], score["error"]),
        format_with_error(score["floor"], score["floor_error"]),
        _format_ratio(score),
        *((format_with_error(score["baseline"], None),) if "baseline" in score else ()),
    )


def baseline_titles(row: Row) -> tuple[str, ...]:
    """Return the title of the column of a baseline in an evaluation; () if it has none."""
    return (row["baseline"],) if "baseline" in row else ()


def format_with_error(value: float | None, error: float | None) -> str:
    """Format a value and its standard error; "-" for None."""
    if value is None:
        return "-"
    return f"{value:.4g}" + ("" if error is None else f" ± {error:.1g}")


def _format_ratio(score: Row) -> str:
    """Format how far a score is from its floor; a floor that may be 0 or negative gives no number.

    Example:
        >>> floor = {"floor": -0.001, "floor_error": 0.001, "ratio_is_lower_bound": True}
        >>> _format_ratio(floor | {"value": -0.002, "error": 0.001, "ratio": None})
        'at the floor'
        >>> _format_ratio(floor | {"value": 0.02, "error": 0.001, "ratio": 10.0})
        'over 10'
    """
    ratio, is_lower_bound = score["ratio"], score["ratio_is_lower_bound"]
    if ratio is None and not is_lower_bound:
        return "-"
    difference = score["value"] - score["floor"]
    tolerance = 2 * math.hypot(score["error"] or 0.0, score["floor_error"] or 0.0)
    if is_lower_bound and abs(difference) <= tolerance:
        return "at the floor"
    if ratio is None or ratio < 0 or (is_lower_bound and difference < 0):
        return "below the floor"
    if ratio >= MAX_RATIO:
        return f"over {MAX_RATIO:,}"
    return ("over " if is_lower_bound else "") + f"{ratio:.3g}"


def describe_result(row: Row, noun: str) -> list[str]:
    """Return sentences on memorization, missing modes and classes, and the warnings of an evaluation."""
    lines = ["direction: from target to input (reverse)"] if row.get("direction") == "reverse" else []
    if copies := row.get("memorization"):
        c_t = format_with_error(copies["c_t"], copies["c_t_error"])
        if copies["c_t"] is None:
            meaning = f"too few {noun}s to tell memorization"
        elif copies["c_t"] < -3 * (copies["c_t_error"] or 0):
            meaning = f"memorization: samples are nearer to training {noun}s than other real {noun}s are"
        else:
            meaning = "no sign of memorization"
        counted = "" if row.get("overlaps") else f"; {copies['exact_copies']:,} samples are training {noun}s"
        if (nearest := copies.get("nearest_ratio")) is not None:
            counted += f"; the nearest training {noun} is {nearest:.2f} times as far as that of other real {noun}s"
        lines.append(f"copies: C_T {c_t}, {meaning}{counted}")
    lines += [f"overlap: {overlap['text']}" for overlap in row.get("overlaps", [])]
    if modes := row.get("modes"):
        missing = len(modes["missing_modes"])
        lines.append(
            f"modes: {modes['ndb']} of {modes['num_modes']} clusters have a wrong fraction of the samples (real "
            f"against real: {modes['floor_ndb']}); {missing} {'is' if missing == 1 else 'are'} hardly made"
        )
    if classes := row.get("per_class"):
        lines += _describe_classes(classes, noun)
    return lines + [f"note: {warning}" for warning in row.get("warnings", [])]


def _describe_classes(classes: Row, noun: str) -> list[str]:
    names, classifier_accuracy = classes["class_names"], classes["classifier"]["accuracy"]
    accuracy_note = "" if classifier_accuracy is None else f" (its accuracy on them: {classifier_accuracy:.1%})"
    listed = [f"{name} {count:,}" for name, count in zip(names, classes["generated_counts"], strict=True)]
    counts = f"{', '.join(listed)}; " if len(names) <= MAX_CLASSES_LISTED else ""
    kl = "infinite" if classes["kl"] is None else f"{classes['kl']:.4f}"
    conditional = "" if classes.get("accuracy") is None else f"; {classes['accuracy']:.1%} are of the requested class"
    return [
        f"classes: {counts}KL divergence from the class prior {kl}{conditional}",
        *_describe_probe(classes.get("probe") or {}, noun),
        f"confidence: a classifier is over 90% confident on {classes['confident_fraction']:.1%} of the samples, and on "
        f"{classes['confident_fraction_real']:.1%} of real {noun}s{accuracy_note}",
    ]


def _describe_probe(probe: Row, noun: str) -> list[str]:
    """Return in how many samples a linear probe recognizes the requested class, and in how many real items."""
    if probe.get("accuracy") is None:
        return []
    real = "" if probe["accuracy_real"] is None else f"; of real {noun}s, in {probe['accuracy_real']:.1%}"
    return [f"class by a linear probe on the features: recognized in {probe['accuracy']:.1%} of the samples{real}"]


# ---------------------------------------------------------------------- in the report


def render_scores(record: RunRecord) -> Markup:
    """Return the newest offline evaluation with its figures, and a chart of the online ones; empty without any."""
    from zerosum.evaluation.kinds.base import EVALUATION_KINDS, EvaluationKind

    noun = record.noun
    offline = [row for row in record.score_rows if row.get("mode") == "offline"]
    online = [row for row in record.score_rows if row.get("mode") == "online"]
    if not offline and not online:
        return Markup()
    parts: list[Markup] = []
    if offline:
        kind = EVALUATION_KINDS.find(record.kind) if record.kind else EvaluationKind()
        parts += [
            _paired_metrics_table(offline[-1].get("paired_metrics") or {}, noun, _baseline_name(offline[-1])),
            _score_table(offline[-1], noun, kind.metrics),
            *(_figure(record.folder / name, noun, kind.captions) for name in offline[-1].get("image_files", [])),
        ]
    if online:
        parts.append(tag("div", _distance_chart(online), class_="charts"))
    description = (
        f"Distance of samples from held-out real {noun}s, with the distance of real {noun}s from each other: the "
        "floor, below which a generator can be only by chance."
    )
    return section("Scores", description, *parts)


def _score_table(row: Row, noun: str, item_metrics: Sequence[MetricInfo]) -> Markup:
    titles = ("Score", "Samples", "Real against real", "Ratio", *map(str.capitalize, baseline_titles(row)), "Meaning")
    body = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            *(tag("td", cell) for cell in score_cells(score)),
            tag("td", describe_score(name, noun, item_metrics)),
        )
        for name, score in row["scores"].items()
    ]
    head = tag("tr", *(tag("th", title, scope="col") for title in titles))
    intake = [f"{name}: {line}" for name, lines in row.get("intake", {}).items() for line in lines]
    texts = [*describe_result(row, noun), *intake, f"protocol: {row['protocol_description']}"]
    notes = [tag("li", render_code_spans(text)) for text in texts]
    table = tag("table", tag("thead", head), tag("tbody", *body), class_="scores")
    parts = (_parts_table(name, parts) for name, parts in row.get("parts", {}).items())
    return tag("div", table, tag("ul", *notes, class_="notes"), *parts, _class_table(row.get("per_class") or {}))


def _paired_metrics_table(pairs: Row, noun: str, baseline: str) -> Markup:
    """Return the table of paired metrics; empty without any."""
    if not pairs:
        return Markup()
    titles = ("Pair by pair", "Output", baseline[0].upper() + baseline[1:], "Meaning")
    head = tag("tr", *(tag("th", title, scope="col") for title in titles))
    body = [
        tag("tr", tag("th", name, scope="row"), tag("td", format_with_error(score["value"], score["error"])),
            tag("td", format_with_error(score["input"], None)), tag("td", describe_score(name, noun)))
        for name, score in pairs.items()
    ]  # fmt: skip
    return tag("table", tag("thead", head), tag("tbody", *body), class_="scores")


def _parts_table(name: str, parts: Mapping[str, float]) -> Markup:
    """Return the table of a score of each part of an item, such as a column, the worst one first."""
    head = tag("tr", tag("th", "Part", scope="col"), tag("th", name, scope="col"))
    body = [
        tag("tr", tag("th", part, scope="row"), tag("td", format_with_error(value, None)))
        for part, value in parts.items()
    ]
    table = tag("table", tag("thead", head), tag("tbody", *body), class_="scores")
    return tag("details", tag("summary", f"{name} of each part, the worst first ({len(body)})"), table)


def _class_table(classes: Row) -> Markup:
    """Return the table of classes, with counts and metrics; empty without any."""
    if not classes:
        return Markup()
    titles = ("Class", "Real", "Samples", "Kernel distance", "Recall", "Coverage")
    head = tag("tr", *(tag("th", title, scope="col") for title in titles))
    columns = [
        classes[name] for name in ("class_names", "real_counts", "generated_counts", "kid", "recall", "coverage")
    ]
    body = [tag("tr", *(tag("td", _format_cell(cell)) for cell in cells)) for cells in zip(*columns, strict=True)]
    table = tag("table", tag("thead", head), tag("tbody", *body), class_="scores")
    return tag("details", tag("summary", f"Metrics by class ({len(body)})"), table)


def _format_cell(cell: str | float | None) -> str:
    return cell if isinstance(cell, str) else format_with_error(cell, None)


def _figure(path: Path, noun: str, captions: Mapping[str, tuple[str, str]]) -> Markup:
    """Return a figure with its title and its caption, of its kind of data or of any."""
    known = {**IMAGE_CAPTIONS, **captions}.get(path.stem, (path.stem, ""))
    title, caption = (text.format(noun=noun) for text in known)
    if not path.is_file():
        return tag("p", f"{path.name} is missing.", class_="muted")
    image = tag("img", src=embed_image(path, MAX_IMAGE_BYTES), alt=title, style="max-width:100%")
    return tag("div", tag("h3", title), tag("p", caption, class_="description"), image)


def _distance_chart(rows: Sequence[Row]) -> Markup:
    """Return the chart of the distance over training, from online evaluations."""
    name, first = next(iter(rows[0]["scores"].items()))
    scored = [row for row in rows if name in row["scores"]]
    examples = np.array([float(row["examples"]) for row in scored])
    values = np.array([np.nan if (v := row["scores"][name]["value"]) is None else v for row in scored], np.float64)
    floor_line = [] if first["floor"] is None else [ReferenceLine(max(0.0, first["floor"]), "real against real")]
    return render_line_chart(
        name,
        "Online evaluation with few samples. The networks with the lowest distance are in best/.",
        [Curve(name, examples, values, 2)],
        float(examples.max()),
        reference_lines=floor_line,
        include_values=(0.0,),
    )


def report_scores(row: Row, report: Callable[[str], None], noun: str) -> None:
    """Report an evaluation line by line; `noun` is one item of the data in words."""
    for line in format_scores(row, noun):
        report(f"  {line}")
