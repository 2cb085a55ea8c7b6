"""The sentences about an evaluation."""

import pytest

from zerosum.reporting.scores_section import describe_result


@pytest.mark.parametrize(
    ("c_t", "error", "meaning"),
    [
        (None, None, "C_T -, too few images to tell memorization"),
        (-0.5, 1.0, "no sign of memorization"),
        (-9.0, 1.0, "memorization: samples are nearer to training images than other real images are"),
    ],
)
def test_a_test_of_memorization_says_whether_it_could_tell(
    c_t: float | None, error: float | None, meaning: str
) -> None:
    (line,) = describe_result({"memorization": {"c_t": c_t, "c_t_error": error, "exact_copies": 0}}, "image")
    assert meaning in line
