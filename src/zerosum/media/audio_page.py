"""A page of sounds with their spectrograms, in one file that needs no other."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zerosum.media.audio_file import encode_wav
from zerosum.media.audio_sheet import color_spectrograms

_TEMPLATE = Path(__file__).with_name("audio_page.html")
MAX_PAGE_BYTES = 16_000_000
"""Bytes that the sounds of a page take at most: browsers open it at once, and it can be sent by mail."""
MAX_SHOWN, MIN_SHOWN = 64, 4
"""Largest and smallest number of generated sounds on a page; there are as many real ones."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A sound of the page."""

    caption: str
    sound: NDArray[np.float32]
    """(T,) in [-1, 1]"""
    spectrogram: NDArray[np.uint8]
    """(H, W, 1), high frequencies on top"""


@dataclass(frozen=True)
class ClipSection:
    """Generated sounds with real ones next to them."""

    title: str
    """The class, or "" for all."""
    generated: Sequence[Clip]
    real: Sequence[Clip]


def count_shown(length: int) -> int:
    """Return how many generated sounds of `length` numbers a page holds.

    Example:
        >>> count_shown(16_384), count_shown(441_000)
        (64, 6)
    """
    bytes_each = 2 * length * 4 / 3  # 16 bits, as base64
    return max(MIN_SHOWN, min(MAX_SHOWN, int(MAX_PAGE_BYTES / (2 * bytes_each))))


def render_page(title: str, description: str, sections: Sequence[ClipSection], rate: int) -> str:
    """Return the page of sounds at a rate in Hz.

    Args:
        title: its title.
        description: a sentence below the title.
        sections: the sounds.
        rate: the rate of all of them.
    """
    values = {
        "title": html.escape(title),
        "description": html.escape(description),
        "sections": "\n".join(_render_section(section, rate) for section in sections),
    }
    page = _TEMPLATE.read_text("utf8")
    for name, value in values.items():
        page = page.replace(f"<!--{name}-->", value)
    return page


def _render_section(section: ClipSection, rate: int) -> str:
    title = f"<h2>{html.escape(section.title)}</h2>" if section.title else ""
    groups = (("generated", section.generated), ("real", section.real))
    rendered = [_render_group(name, clips, rate) for name, clips in groups if clips]
    return f'{title}<div class="groups">{"".join(rendered)}</div>'


def _render_group(name: str, clips: Sequence[Clip], rate: int) -> str:
    heading = f'<h3>{name} <button type="button">play all</button></h3>'
    figures = "".join(_render_clip(name, clip, rate) for clip in clips)
    return f'<section>{heading}<div class="clips">{figures}</div></section>'


def _render_clip(group: str, clip: Clip, rate: int) -> str:
    label = html.escape(f"Play {group} sound {clip.caption}", quote=True)
    sound = base64.b64encode(encode_wav(clip.sound, rate)).decode()
    image = base64.b64encode(_encode_png(clip.spectrogram)).decode()
    return (
        f'<figure><button type="button" aria-label="{label}"><img alt="" src="data:image/png;base64,{image}"><i></i>'
        f'</button><audio controls src="data:audio/wav;base64,{sound}"></audio>'
        f"<figcaption>{html.escape(clip.caption)}</figcaption></figure>"
    )


def _encode_png(spectrogram: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(color_spectrograms(spectrogram[None])[0]).save(file, "PNG", optimize=True)
    return file.getvalue()
