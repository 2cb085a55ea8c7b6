"""Chunks that are computed in several processes: in order, with what is raised, and ended with the generator."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator
from functools import partial

import pytest

from molecule_data import molecule_texts
from zerosum.data.molecules import worker_pool
from zerosum.data.molecules.read_molecules import ReadMolecules
from zerosum.data.molecules.worker_pool import map_chunks
from zerosum.errors import BadInput

TEXTS = molecule_texts()
CHUNKS = [TEXTS[first : first + 10] for first in range(0, 100, 10)]


def test_results_of_processes_are_those_of_one_in_order() -> None:
    read = ReadMolecules(False, 120)
    alone, together = (list(map_chunks(read, CHUNKS, processes=number)) for number in (1, 2))
    assert len(together) == len(CHUNKS)
    for one, other in zip(alone, together, strict=True):
        assert one.hashes.tolist() == other.hashes.tolist()
        assert one.tokens == other.tokens


def test_few_chunks_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "_Worker", None)
    assert list(map_chunks(len, CHUNKS[: worker_pool.FEW_CHUNKS], processes=8)) == [10, 10, 10]
    assert list(map_chunks(len, [], processes=8)) == []


def test_what_a_function_raises_and_prints_arrives_here(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_chunks(partial(operator.truediv, 1), range(5), processes=2))
    assert list(map_chunks(print, CHUNKS[:5], processes=2)) == [None] * 5
    assert capfd.readouterr().out == "", "what is printed does not get among the results"


def test_processes_end_with_the_generator() -> None:
    read: list[int] = []

    def chunks() -> Iterator[list[str]]:
        for place in range(1_000):
            read.append(place)
            yield [TEXTS[0]]

    results = map_chunks(ReadMolecules(False, 120), chunks(), processes=2)
    next(results)
    results.close()
    assert len(read) < 50, "no more is read ahead than the processes need"


def test_a_process_that_ends_is_reported() -> None:
    with pytest.raises(BadInput, match="ended unexpectedly"):
        list(map_chunks(os._exit, [0] * 5, processes=2))
