"""Scores for people: as lines of text, and as a section of the report. They are read from scores.jsonl alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from zerosum.reporting.downsampling import Curve
from zerosum.reporting.html import Markup, tag
from zerosum.reporting.svg import ReferenceLine, render_line_chart
from zerosum.reporting.timeline_section import embed_image
from zerosum.run_folder import Row

MAX_CLASSES_LISTED = 20
"""Classes whose counts are told."""
MAX_IMAGE_BYTES = 900_000
SCORE_DESCRIPTIONS = {
    "kid": "kernel distance: 0 where samples and real images cannot be told apart",
    "fd": "Fréchet distance of features",
    "fid": "Fréchet inception distance, by the standard protocol",
    "is": "Inception Score: sure and varied classes",
    "precision": "share of samples that look real",
    "recall": "share of real images the generator could make",
    "density": "how deep among real images samples lie",
    "coverage": "share of real images with a sample near by",
    "ndb": "clusters whose share of the samples is wrong",
    "authenticity": "share of samples that copy no training image",
    "l1": "mean absolute difference, 0 to 2: less is better",
    "psnr": "peak signal-to-noise ratio in dB: more is better",
    "ssim": "structural similarity: 1 where equal",
    "perceptual": "distance in the eyes of a network trained on photographs: less is better",
}
"""What a score says, by the first word of its name."""
IMAGE_CAPTIONS = {
    "neighbors": (
        "Samples and their nearest training images",
        "Left the first samples, right those nearest to a training image; beside each the three nearest. The distance "
        "is in parts of the usual one between a held-out image and its nearest training image: far below 1 is a copy.",
    ),
    "translations": (
        "Given, made, wanted",
        "From left to right what was given, what was made of it, and what was wanted, where that is known.",
    ),
    "missing_modes": (
        "Kinds of images that are hardly made",
        "Real images from the clusters that samples reach far less often than they should.",
    ),
}


def format_scores(row: Row) -> list[str]:
    """A judgement as text: a table, sentences, the protocol."""
    cells = [("score", "value", "real against real", "times that")]
    cells += [(name, *_score_cells(score)) for name, score in row["scores"].items()]
    return [
        *_paired_metric_lines(row.get("paired_metrics") or {}),
        *_align_columns(cells),
        *describe_result(row),
        f"protocol: {row['protocol_description']}",
    ]


def _align_columns(cells: Sequence[Sequence[str]]) -> list[str]:
    """Cells as lines whose columns stand below each other."""
    wide = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return ["  ".join(f"{cell:<{w}}" for cell, w in zip(line, wide, strict=True)).rstrip() for line in cells]


def _paired_metric_lines(pairs: Row) -> list[str]:
    """Pair by pair: how alike what was made and what was wanted are, beside what was given."""
    if not pairs:
        return []
    cells = [("pair by pair", "generated", "input")]
    cells += [
        (name, format_with_error(s["value"], s["error"]), format_with_error(s["input"], None))
        for name, s in pairs.items()
    ]
    return [*_align_columns(cells), ""]


def _score_cells(score: Row) -> tuple[str, str, str]:
    return (
        format_with_error(score["value"], score["error"]),
        format_with_error(score["floor"], score["floor_error"]),
        _format_ratio(score),
    )


def format_with_error(value: float | None, error: float | None) -> str:
    """A value and its standard error."""
    if value is None:
        return "-"
    return f"{value:.4g}" + ("" if error is None else f" ± {error:.1g}")


def _format_ratio(score: Row) -> str:
    if score["ratio"] is None:
        return "-"
    return ("over " if score["ratio_is_lower_bound"] else "") + f"{score['ratio']:.3g}"


def describe_result(row: Row) -> list[str]:
    """What a judgement says beside its scores."""
    conditioning: list[str] = []
    if copies := row.get("memorization"):
        c_t = format_with_error(copies["c_t"], copies["c_t_error"])
        near = copies["c_t"] is not None and copies["c_t"] < -3 * (copies["c_t_error"] or 0)
        says = "nearer to training images than other real images are: memorised" if near else "no sign of memorization"
        conditioning.append(f"copies: C_T {c_t}, {says}; {copies['exact_copies']:,} samples are training images")
    if modes := row.get("modes"):
        missing = len(modes["missing_modes"])
        conditioning.append(
            f"modes: {modes['ndb']} of {modes['num_modes']} clusters have a wrong share of the samples (real "
            f"against real: {modes['floor_ndb']}); {missing} {'is' if missing == 1 else 'are'} hardly made"
        )
    if classes := row.get("per_class"):
        conditioning += _describe_classes(classes)
    return conditioning + [f"note: {warning}" for warning in row.get("warnings", [])]


def _describe_classes(classes: Row) -> list[str]:
    names, right = classes["class_names"], classes["classifier"]["accuracy"]
    knows = "" if right is None else f", of which it knows {right:.1%}"
    shares = [f"{name} {count:,}" for name, count in zip(names, classes["generated_counts"], strict=True)]
    counts = f"{', '.join(shares)}; " if len(names) <= MAX_CLASSES_LISTED else ""
    kl = "infinite" if classes["kl"] is None else f"{classes['kl']:.4f}"
    asked = "" if classes.get("accuracy") is None else f"; {classes['accuracy']:.1%} are of the class asked for"
    return [
        f"classes: {counts}KL from the real shares {kl}{asked}",
        f"sure: a classifier is over 90% sure of {classes['confident_fraction']:.1%} of the samples, and of "
        f"{classes['confident_fraction_real']:.1%} of real images{knows}",
    ]


# ---------------------------------------------------------------------- in the report


def render_scores(rows: Sequence[Row], folder: Path) -> Markup:
    """The newest judgement, its pictures, and how the judgements during training went; nothing without any."""
    asked = [row for row in rows if row.get("mode") == "offline"]
    during = [row for row in rows if row.get("mode") == "online"]
    if not asked and not during:
        return Markup()
    parts: list[Markup] = []
    if asked:
        parts += [
            _paired_metrics_table(asked[-1].get("paired_metrics") or {}),
            _score_table(asked[-1]),
            *(_image_figure(folder / name) for name in asked[-1].get("image_files", [])),
        ]
    if during:
        parts.append(tag("div", _distance_chart(during), class_="charts"))
    about = (
        "How far samples are from real images that training never saw, beside how far real images are from each other: "
        "the floor that no generator can be below but by chance."
    )
    return tag("section", tag("h2", "Scores"), tag("p", about, class_="about"), *parts)


def _score_table(row: Row) -> Markup:
    words = ("Score", "Samples", "Real against real", "Times that", "What it says")
    body = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            *(tag("td", cell) for cell in _score_cells(score)),
            tag("td", _score_description(name)),
        )
        for name, score in row["scores"].items()
    ]
    head = tag("tr", *(tag("th", word, scope="col") for word in words))
    notes = [tag("li", sentence) for sentence in [*describe_result(row), f"protocol: {row['protocol_description']}"]]
    table = tag("table", tag("thead", head), tag("tbody", *body), class_="choices")
    return tag("div", table, tag("ul", *notes, class_="notes"), _class_table(row.get("per_class") or {}))


def _paired_metrics_table(pairs: Row) -> Markup:
    """How alike what was made and what was wanted are, pair by pair."""
    if not pairs:
        return Markup()
    words = ("Pair by pair", "Made", "What was given", "What it says")
    head = tag("tr", *(tag("th", word, scope="col") for word in words))
    body = [
        tag("tr", tag("th", name, scope="row"), tag("td", format_with_error(score["value"], score["error"])),
            tag("td", format_with_error(score["input"], None)), tag("td", _score_description(name)))
        for name, score in pairs.items()
    ]  # fmt: skip
    return tag("table", tag("thead", head), tag("tbody", *body), class_="choices")


def _class_table(classes: Row) -> Markup:
    """A row a class: how many there are and should be, and how well it is reached."""
    if not classes:
        return Markup()
    words = ("Class", "Real", "Samples", "Kernel distance", "Recall", "Coverage")
    head = tag("tr", *(tag("th", word, scope="col") for word in words))
    columns = [
        classes[name] for name in ("class_names", "real_counts", "generated_counts", "kid", "recall", "coverage")
    ]
    body = [tag("tr", *(tag("td", _format_cell(cell)) for cell in cells)) for cells in zip(*columns, strict=True)]
    table = tag("table", tag("thead", head), tag("tbody", *body), class_="choices")
    return tag("details", tag("summary", f"Class by class ({len(body)})"), table)


def _format_cell(cell: str | float | None) -> str:
    return cell if isinstance(cell, str) else format_with_error(cell, None)


def _score_description(name: str) -> str:
    return SCORE_DESCRIPTIONS.get(name) or SCORE_DESCRIPTIONS.get(name.partition("_")[0], "")


def _image_figure(path: Path) -> Markup:
    title, about = IMAGE_CAPTIONS.get(path.stem, (path.stem, ""))
    if not path.is_file():
        return tag("p", f"{path.name} is missing.", class_="none")
    image = tag("img", src=embed_image(path, MAX_IMAGE_BYTES), alt=title, style="max-width:100%")
    return tag("div", tag("h3", title), tag("p", about, class_="about"), image)


def _distance_chart(rows: Sequence[Row]) -> Markup:
    """The distance of samples over the run, as judged in passing."""
    name, first = next(iter(rows[0]["scores"].items()))
    same = [row for row in rows if name in row["scores"]]
    images = np.array([float(row["examples"]) for row in same])
    values = np.array([np.nan if (v := row["scores"][name]["value"]) is None else v for row in same], np.float64)
    levels = [] if first["floor"] is None else [ReferenceLine(max(0.0, first["floor"]), "real against real")]
    about = "Judged in passing from few samples: the best moment's networks are kept in best/."
    return render_line_chart(
        name,
        about,
        [Curve(name, images, values, 2)],
        float(images.max()),
        reference_lines=levels,
        include_values=(0.0,),
    )


def report_scores(row: Row, report: Callable[[str], None]) -> None:
    """A judgement in lines of text, to whoever listens."""
    for line in format_scores(row):
        report(f"  {line}")
