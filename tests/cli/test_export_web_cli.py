"""`zerosum export --to web`: what it says where it cannot write a page."""

from collections.abc import Callable
from pathlib import Path

RunCli = Callable[..., tuple[int, str, str]]


def test_without_the_runtime_one_sentence_says_how_to_get_it(run_cli: RunCli, workdir: Path) -> None:
    settings = "--recipe vanilla --examples 128 --training.batch_size 64 --diagnostics.probe false"
    code, _, err = run_cli("train", "digits", *settings.split(), "--run", "run")
    assert code == 0, err
    for ort in ((), ("--ort", "nothing-there")):
        code, out, err = run_cli("export", "run", "--to", "web", "--into", "page.html", *ort)
        assert (code, out) == (2, "")
        assert "--ort" in err
        assert "npm pack onnxruntime-web@" in err
        assert "Traceback" not in err
    assert not (workdir / "page.html").exists()
