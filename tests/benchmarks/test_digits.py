"""A short training of the default recipe on the bundled digits, scored by a classifier that is trained here."""

import sys
from pathlib import Path

import zerosum

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import digits


def test_the_default_recipe_generates_all_ten_digits_in_a_minute(tmp_path: Path) -> None:
    """All ten digits occur, and most samples are clear. (`make demo` trains seven times as long: benchmarks/README.md.)

    Uniform fractions would be 10% each; a digit below 4% of 2,000 samples would be seven standard deviations away: a
    missing mode. The classifier is over 90% sure of 97% of the held-out real digits.
    """
    run = zerosum.train("digits", run=tmp_path / "run", examples=32_000, seed=0)
    network, held_out = digits.train_classifier(epochs=8)
    real_fraction, _ = digits.classify(network, held_out)
    fraction, counts = digits.classify(network, run.generator("cpu").sample(2000, seed=1))
    assert real_fraction > 0.93
    assert fraction > 0.55
    assert min(counts) > 80, counts
