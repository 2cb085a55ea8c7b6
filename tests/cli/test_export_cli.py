"""`zerosum export` refuses what it cannot do in one sentence, before it loads anything."""

import pytest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", "tflite"), "zerosum: --to tflite: there is no such form; choose one of onnx, pt2, "),
        (("--to", "pt2", "--half"), "zerosum: --half: --to pt2 has no such option; leave it out, or choose onnx"),
        ((), "zerosum: nosuch does not exist"),
    ],
)
def test_one_sentence(run_cli, workdir, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = run_cli("export", "nosuch", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert err.count("\n") == 1
    assert not list(workdir.iterdir())
