"""The page: one file with everything in it, and with no address of anything else."""

import base64
import gzip
import json
import re

import pytest

from zerosum.inference.web.page import SCRIPTS, build_page
from zerosum.inference.web.runtime import WebRuntime

MODELS = {"mapping": b"first model" * 100, "synthesis": bytes(range(256))}
SETTINGS = {"name": "faces", "task": "generator", "classes": ["</script><script>alert(1)</script>", "{{style}}", "Bär"]}


@pytest.fixture(scope="module")
def page() -> str:
    return build_page(MODELS, SETTINGS, WebRuntime("1.30.0", b"library", b"wasm"))


def stored(page: str, name: str) -> bytes:
    found = re.search(f'<script type="application/octet-stream" id="{name}">([A-Za-z0-9+/=]*)</script>', page)
    assert found
    return gzip.decompress(base64.b64decode(found[1]))


def test_networks_and_runtime_are_in_the_page(page: str) -> None:
    for name, content in {**MODELS, "library": b"library", "wasm": b"wasm"}.items():
        assert stored(page, name) == content


def test_settings_are_in_the_page_as_data(page: str) -> None:
    found = re.search(r'<script type="application/json" id="settings">(.*?)</script>', page, re.DOTALL)
    assert found
    assert json.loads(found[1]) == {**SETTINGS, "models": ["mapping", "synthesis"]}


def test_no_address_is_in_the_page(page: str) -> None:
    assert not re.search(r"(https?:)?//[\w-]+\.\w", page)
    assert not re.search(
        r"""<(link|iframe|img)\b|\b(src|href)\s*=\s*["']|@import|fetch\(|XMLHttpRequest|WebSocket""", page
    )
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert [rules[name] for name in ("default-src", "form-action", "base-uri")] == ["'none'"] * 3
    assert {source for rule in rules.values() for source in rule.split()} <= {
        "'none'", "'unsafe-inline'", "'wasm-unsafe-eval'", "blob:", "data:",
    }  # fmt: skip


def test_the_program_is_small(page: str) -> None:
    assert len(page) < 96_500  # so that a page has at most 5 MB without its networks


def test_the_license_of_the_runtime_is_in_the_page(page: str) -> None:
    assert "ONNX Runtime Web 1.30.0" in page
    assert "Permission is hereby granted, free of charge" in page


def test_every_element_that_the_program_uses_is_there(page: str) -> None:
    script = page[page.index('<script type="module">') :]
    used = set(re.findall(r"""\b(?:byId|on|setText|setValue|fillSelect)\(\s*"([\w-]+)\"""", script))
    assert len(used) > 30
    assert used <= set(re.findall(r'\bid="([\w-]+)"', page))


def test_files_of_the_program_are_modules_of_one_scope(page: str) -> None:
    names = re.findall(
        r"^(?:async )?(?:function|class|const|let) (\w+)", page[page.index('<script type="module">') :], re.M
    )
    assert len(names) == len(set(names)) > len(SCRIPTS)
