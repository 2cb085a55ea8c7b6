"""Maps of two columns, of real rows and of generated ones."""

from dataclasses import dataclass

import numpy as np

from zerosum.data.tables.layout import TableColumn
from zerosum.media.tables_pairs import draw_pairs


@dataclass(frozen=True)
class Column:
    name: str
    is_numeric: bool


def draw(real: np.ndarray, generated: np.ndarray, *columns: Column) -> np.ndarray:
    """The pixels of one pair's two maps, without their frames."""
    typed: list[TableColumn] = list(columns)  # type: ignore[arg-type]
    image = np.asarray(draw_pairs(real, generated, typed, [(0, 1)]), np.int64)
    return np.stack([image[41:183, 15 + start : 15 + start + 142] for start in (0, 150)])


def test_equal_rows_have_equal_maps_and_others_do_not() -> None:
    rng = np.random.default_rng(0)
    number, category = rng.normal(size=2_000), rng.integers(0, 3, 2_000).astype(float)
    rows = np.stack([number, np.where(number > 0, 2.0, category)], 1)
    columns = (Column("Größe", True), Column("kind", False))
    real, equal = draw(rows, rows, *columns)
    is_white = (real == 255).all(2)
    assert (is_white == (equal == 255).all(2)).all()
    assert 0.2 < is_white.mean() < 0.8, "of positive numbers there is only the upper category"
    assert is_white[100:, 80:].all()
    independent = np.stack([number, rng.permutation(rows[:, 1])], 1)
    assert not (draw(rows, independent, *columns)[1] == 255).all(2)[100:, 80:].all()


def test_the_real_rows_determine_the_axes_and_missing_cells_are_left_out() -> None:
    columns = (Column("a" * 200, True), Column("b", True))
    real = np.stack([np.linspace(0, 1, 500), np.linspace(0, 1, 500)], 1)
    far = real + np.array([100.0, 0.0])
    (whole, moved) = draw(real, far, *columns)
    assert (moved[:, :100] == 255).all(), "all are in the outermost bins"
    assert (whole[:70, :70] == 255).all(), "the second axis points up"
    assert (draw(real, np.full((3, 2), np.nan), *columns)[1] == 255).all()
    assert (draw(np.full((3, 2), np.nan), real, *columns)[0] == 255).all()
