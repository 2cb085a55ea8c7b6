"""A process that computes chunks for another one: it reads calls from its input, and writes the results.

It is a program of its own, since processes of `multiprocessing` import the user's script again, which would then have
to be guarded by `if __name__ == "__main__"`.
"""

from __future__ import annotations

import os
import pickle
import sys


def main() -> None:
    """Answer calls (function, chunk) with (True, result) or (False, exception), until the input ends."""
    calls = sys.stdin.buffer
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a function of the user prints must not get among the results
    while True:
        try:
            function, chunk = pickle.load(calls)  # from the process that started this one
        except EOFError:
            return
        try:
            answer = (True, function(chunk))
        except Exception as error:  # raised again in the other process
            answer = (False, error)
        pickle.dump(answer, results, pickle.HIGHEST_PROTOCOL)
        results.flush()
