"""A short training of the default recipe on the bundled digits, judged by a classifier trained here."""

import sys
from pathlib import Path

import zerosum

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import digits


def test_the_default_makes_digits_in_a_minute(tmp_path: Path) -> None:
    """All ten digits, and most samples clear. (`make demo` trains seven times as long: benchmarks/README.md.)

    Even shares would be 10% each; a digit below 4% of 2,000 samples would be seven standard deviations of a mode lost.
    The classifier is over 90% sure of 97% of held-out real digits.
    """
    run = zerosum.train("digits", run=tmp_path / "run", images=32_000, seed=0)
    network, held_out = digits.judge(epochs=8)
    real, _ = digits.opinion(network, held_out)
    sure, counts = digits.opinion(network, run.generator("cpu").sample(2000, seed=1))
    assert real > 0.93
    assert sure > 0.55
    assert min(counts) > 80, counts
