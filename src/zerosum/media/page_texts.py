"""What a web page that shows samples as texts has to know about a kind of data."""

from __future__ import annotations

from dataclasses import dataclass

from zerosum.run_folder import Json


@dataclass(frozen=True)
class PageTexts:
    """How a sample becomes a text, and what can be asked for."""

    tokens: tuple[str, ...]
    """The texts of tokens: number 1 is the first, and 0 ends a text."""
    properties: tuple[dict[str, Json], ...]
    """Name, mean, deviation, and the lowest and highest value in the training data (`low`, `high`) of each."""
    margin: float
    """Deviations that a value that is asked for may lie outside of these."""
    hint: str
    """A paragraph about the samples."""
    suffix: str
    """The suffix of files of texts, such as ".smi"."""

    def settings(self) -> dict[str, Json]:
        """Return the same as JSON."""
        return {
            "tokens": list(self.tokens), "properties": list(self.properties), "margin": self.margin, "hint": self.hint,
            "suffix": self.suffix,
        }  # fmt: skip
