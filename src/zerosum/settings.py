"""The base class of all settings, and the record of a setting that was chosen."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A frozen, validated group of settings.

    Unknown names, NaN and infinity are refused. The docstrings of the fields are their descriptions.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        validate_default=True,
    )


@dataclass(frozen=True)
class Decision:
    """A setting that was chosen, with the reason."""

    name: str
    """The short name of the setting."""
    value: str
    """The chosen value, as text."""
    reason: str
    """Why it was chosen, and which settings change it."""

    def as_dict(self) -> dict[str, str]:
        """Return the fields as a dict, for plan.json."""
        return asdict(self)
