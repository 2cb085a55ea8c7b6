"""The last part of a report that a user acts on: the commands to go on with the run."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from zerosum.media.kind import MEDIA_KINDS
from zerosum.reporting.html import Markup, section, tag
from zerosum.reporting.run_record import RunRecord
from zerosum.run_folder import RunState


def render_commands(record: RunRecord) -> Markup:
    """Return the section of commands."""
    rows = [tag("tr", tag("td", tag("code", command)), tag("td", label)) for command, label in _commands(record)]
    return section("Next steps", "", tag("table", tag("tbody", *rows), class_="commands"))


def _commands(record: RunRecord) -> Iterable[tuple[str, str]]:
    """Yield the commands with what they do."""
    name = shlex.quote(str(_relative_to_cwd(record.folder)))
    if record.state != RunState.DONE:  # a run that is done has reached its end: there is nothing to continue
        yield f"zerosum resume {name}", "continue training from the last checkpoint"
    if record.is_translation:
        yield (
            f"zerosum apply {name} {record.plural.upper()}",
            f"translate {record.plural} of any size: a file, a folder, the frames of a video",
        )
    else:
        yield f"zerosum sample {name} -n 64", "generate new samples"
        if record.kind and MEDIA_KINDS.find(record.kind).has_frames:
            yield f"zerosum walk {name}", "interpolate through latent space"
    if record.kind and MEDIA_KINDS.find(record.kind).fills_files:
        yield f"zerosum apply {name} FILE", "fill what is missing in a file"
    yield f"zerosum evaluate {name}", "evaluate the samples: scores with their floor, copies, missing modes"


def _relative_to_cwd(folder: Path) -> Path:
    """Return the folder relative to the current one, or its name: a shared report must not contain the user's home."""
    absolute = folder.resolve()
    return absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else Path(absolute.name)
