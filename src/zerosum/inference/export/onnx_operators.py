"""Operators of PyTorch that ONNX does not have, written with those that it has."""

from __future__ import annotations

from typing import cast

from onnxscript import FLOAT
from onnxscript import opset20 as op

_CENTER = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164,
    0.246640727, 1.50140941,
)  # fmt: skip
_TAIL = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
    1.00167406, 2.83297682,
)  # fmt: skip


def erfinv(self: FLOAT) -> FLOAT:
    """Return the inverse error function of values in (-1, 1), to about 4 units in the last place of float32.

    Two polynomials of the logarithm of 1 - x^2: Giles 2010, "Approximating the erfinv Function", GPU Computing Gems,
    table 5 (single precision).
    """
    one = _number(1.0)
    w: FLOAT = op.Neg(op.Log(op.Mul(op.Sub(one, self), op.Add(one, self))))
    center, tail = op.Sub(w, _number(2.5)), op.Sub(op.Sqrt(w), _number(3.0))
    factor = op.Where(op.Less(w, _number(5.0)), _polynomial(_CENTER, center), _polynomial(_TAIL, tail))
    return op.Mul(factor, self)


def _polynomial(coefficients: tuple[float, ...], x: FLOAT) -> FLOAT:
    """Evaluate a polynomial by Horner's rule; the coefficient of the highest power comes first."""
    value = _number(coefficients[0])
    for coefficient in coefficients[1:]:
        value = op.Add(op.Mul(value, x), _number(coefficient))
    return value


def _number(value: float) -> FLOAT:
    return cast(FLOAT, op.Constant(value_float=value))
