"""The verb `data`: what a data source holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.recipes import defaults
from zerosum.reporter import Silent, Voice

if TYPE_CHECKING:
    from zerosum.data.images.summary import Survey


def survey(source: str | Path, *, voice: Voice | None = None) -> Survey:
    """What the intake sees: sizes, modes, classes, duplicates, unreadable files, and the split.

    Raises:
        BadInput: it is not there, or holds nothing to train on.
    """
    from zerosum.data.images.inspect import glance
    from zerosum.data.images.load import read
    from zerosum.recipes.parsing import Draft

    voice = voice or Silent()
    seen = glance(str(source))
    draft = Draft()
    defaults.settle_data(draft, seen, on_cpu=True)
    chosen = draft.tree["data"]

    def progress(done: int, total: int) -> None:
        voice.progress(done, total, "reading")

    size, channels, fit = chosen.get("size", 0), chosen.get("channels", 0), chosen.get("fit", "")
    return read(str(source), size, channels, fit, progress=progress).survey
