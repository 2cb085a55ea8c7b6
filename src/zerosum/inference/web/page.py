"""Build the page: one HTML file with the networks, the runtime and the program, and no address of anything else."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from collections.abc import Mapping
from importlib import resources

from zerosum.inference.web.runtime import WebRuntime
from zerosum.run_folder import Json

SCRIPTS = (
    "dom.js", "random.js", "png.js", "pixels.js", "engine.js", "samples.js", "tiles.js", "generator.js",
    "translator.js", "texts.js", "main.js",
)  # fmt: skip
"""The files of the program, in the order in which they are run."""
RUNTIME_NOTICE = """ONNX Runtime Web {version}
Copyright (c) Microsoft Corporation

MIT License

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""
"""The license of the runtime, which copies of it must hold."""


def build_page(models: Mapping[str, bytes], settings: Mapping[str, Json], runtime: WebRuntime) -> str:
    """Return the page as HTML.

    Args:
        models: ONNX models by name.
        settings: what the program needs to know about them, such as `name` and `task`; see `page_settings`.
        runtime: what runs the models.

    Example:
        >>> page = build_page({"generator": b"..."}, {"name": "digits"}, WebRuntime("1.30.0", b"js", b"wasm"))
        >>> page.startswith("<!doctype html>"), "https://" in page
        (True, False)
    """
    stored = {"library": runtime.library, "wasm": runtime.wasm, **models}
    data = [_settings_element({**settings, "models": list(models)})]
    data += [_stored_element(name, content) for name, content in stored.items()]
    parts = {
        "title": html.escape(str(settings["name"])),
        "notice": RUNTIME_NOTICE.format(version=runtime.version),
        "style": _read("style.css"),
        "data": "\n".join(data),
        "script": "\n".join(_read(name) for name in SCRIPTS),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _read("page.html"))


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf8")


def _settings_element(settings: Mapping[str, Json]) -> str:
    text = json.dumps(settings, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _element("settings", "application/json", text.replace("<", "\\u003c"))


def _stored_element(name: str, content: bytes) -> str:
    packed = base64.b64encode(gzip.compress(content, 9, mtime=0)).decode("ascii")
    return _element(name, "application/octet-stream", packed)


def _element(name: str, media_type: str, text: str) -> str:
    return f'<script type="{media_type}" id="{name}">{text}</script>'
