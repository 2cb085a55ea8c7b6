"""Molecules as samples: the tokens of a SMILES text as numbers, and properties that may be given as a condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.codec import Items
from zerosum.data.molecules.chemistry import canonical_smiles, kekule_smiles
from zerosum.data.molecules.property_range import PropertyRange, find_property, parse_wanted
from zerosum.data.molecules.scores import MoleculeScores
from zerosum.data.molecules.smiles_codec import SmilesCodec
from zerosum.data.molecules.syntax import smiles_syntax
from zerosum.data.molecules.tokens import Tokenizer, decode_rows, encode_texts, token_dtype
from zerosum.data.text import printable
from zerosum.errors import BadInput
from zerosum.game.sample_spec import SampleSpec, TensorSpec
from zerosum.game.sample_tree import leaves
from zerosum.run_folder import Json

if TYPE_CHECKING:
    from zerosum.game.types import Sample

EMBEDDED_NUMBERS = 64
"""Number D of the features of `MoleculeCodec.embed`."""
_HASH_FACTOR = 2_654_435_761  # Knuth's multiplicative hash: 2^32 divided by the golden ratio


@dataclass(frozen=True, eq=False)
class MoleculeCodec(SmilesCodec):
    """Encodes token numbers (N, L) as samples float32 (N, L), and decodes samples to SMILES texts (N,)."""

    tokens: tuple[str, ...]
    """The vocabulary: token number 1 is `tokens[0]`; 0 ends a text and fills the places after its end."""
    max_tokens: int
    """Length L of a sample; the texts of molecules are shorter."""
    properties: tuple[PropertyRange, ...] = ()
    """The P properties that may be given."""
    score: tuple[str, ...] = ()
    """The functions of the user among them, `package.module:function`."""

    # ------------------------------------------------------------------ form

    @cached_property
    def spec(self) -> TensorSpec:
        """A sequence of tokens."""
        return TensorSpec((self.max_tokens,), num_tokens=len(self.tokens) + 1, syntax=smiles_syntax(self.tokens))

    @property
    def property_names(self) -> tuple[str, ...]:
        """The names of the P properties."""
        return tuple(known.name for known in self.properties)

    @property
    def condition_spec(self) -> SampleSpec | None:
        """The standardized properties, zeros where unknown, and which are known; None without properties."""
        spec = TensorSpec((len(self.properties),)) if self.properties else None
        return None if spec is None else {"values": spec, "known": spec}

    # ------------------------------------------------------------------ molecules to samples and back

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer(self.tokens)

    def encode(self, raw: Sample) -> Tensor:
        """Encode token numbers (N, L) as samples float32 (N, L)."""
        assert isinstance(raw, Tensor), "raw molecules are one tensor"
        return raw.float()

    def encode_smiles(self, texts: Sequence[str]) -> tuple[NDArray[np.unsignedinteger], NDArray[np.bool_]]:
        """Return SMILES texts as token numbers (N, L), and which of them are known (N,); unknown ones are 0.

        A text is known if it is a molecule, has known tokens and leaves a place for its end. It should be canonical:
        `zerosum.data.molecules.chemistry.canonical_smiles`. What is written are single and double bonds for aromatic
        ones, as in the training data.
        """
        written = [kekule_smiles(text) or "" for text in texts]
        raw, known = encode_texts(written, self._tokenizer, self.max_tokens - 1, token_dtype(len(self.tokens)))
        return np.pad(raw, ((0, 0), (0, 1))), known

    def decode(self, sample: Sample, seed: Tensor) -> Items:
        """Decode samples (N, L) to SMILES texts (N,), which may be no molecules."""
        assert isinstance(sample, Tensor), "molecules are one tensor"
        return decode_rows(self._round(sample).cpu().numpy(), self.tokens)

    def items(self, raw: Sample) -> Items:
        """Return the SMILES texts (N,) of token numbers (N, L)."""
        assert isinstance(raw, Tensor), "raw molecules are one tensor"
        return decode_rows(raw.numpy(), self.tokens)

    def round(self, sample: Sample) -> Sample:
        """Return samples (N, L) of whole numbers of tokens, with zeros after the first 0."""
        assert isinstance(sample, Tensor), "molecules are one tensor"
        numbers = self._round(sample)
        return torch.where((numbers == 0).cumsum(1) > 0, 0, numbers).float()

    def _round(self, sample: Tensor) -> Tensor:
        """Return samples (N, L) as token numbers int64."""
        return sample.detach().float().nan_to_num().round().clamp(0, len(self.tokens)).long()

    @property
    def steps(self) -> float:
        """The number of tokens."""
        return float(len(self.tokens))

    def embed(self, sample: Sample) -> Tensor:
        """Return features (N, 64): counts of pairs of neighboring tokens, hashed to 64 numbers, of length 1."""
        assert isinstance(sample, Tensor), "molecules are one tensor"
        numbers = leaves(self.round(sample))[0].long().cpu()
        first, second = numbers[:, :-1], numbers[:, 1:]
        pairs = (first * (len(self.tokens) + 1) + second) * _HASH_FACTOR % 2**32 * EMBEDDED_NUMBERS // 2**32
        counts = torch.zeros(len(numbers), EMBEDDED_NUMBERS)
        counts.scatter_add_(1, pairs, (first > 0).float())
        return torch.nn.functional.normalize(counts)

    def parse_text(self, argument: str, text: str) -> Tensor:
        """Return the sample (1, L) of a SMILES text.

        Raises:
            BadInput: it is no molecule, or cannot be written in the tokens of the run.
        """
        canonical = canonical_smiles(text)
        if canonical is None:
            raise BadInput(f"`{argument}` {printable(text)}: is no molecule; give a SMILES text, such as CCO")
        raw, known = self.encode_smiles([canonical])
        if not known[0]:
            raise BadInput(
                f"`{argument}` {printable(text)}: has more than {self.max_tokens - 1} tokens, or some that the run "
                "does not know; give a molecule like those it was trained on"
            )
        return torch.from_numpy(raw.astype(np.float32))

    def item_scores(self) -> MoleculeScores:
        """Return the properties of molecules, and how similar molecules are."""
        return MoleculeScores(self.properties, self.score)

    # ------------------------------------------------------------------ given properties

    def standardize(self, values: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """Return the condition of properties (N, P), NaN where unknown."""
        means = np.array([known.mean for known in self.properties])
        deviations = np.array([known.deviation for known in self.properties])
        known = ~np.isnan(values)
        standardized = np.where(known, (values - means) / deviations, 0.0)
        return {"values": standardized.astype(np.float32), "known": known.astype(np.float32)}

    @property
    def condition_names(self) -> tuple[str, ...]:
        """The names of the properties."""
        return self.property_names

    @property
    def condition_entries(self) -> tuple[str, ...]:
        """The names of the properties."""
        return self.property_names

    @property
    def condition_scales(self) -> Mapping[str, tuple[float, float]]:
        """Mean and standard deviation of each property."""
        return {known.name: (known.mean, known.deviation) for known in self.properties}

    def draw_conditions(self, seed: Tensor, label: Tensor | None) -> Sample | None:
        """Return the condition of samples of which nothing is given; None without properties."""
        return self.give_nothing(len(seed)) if self.properties else None

    def give_nothing(self, count: int) -> Sample:
        """Return the condition of `count` samples of which nothing is given."""
        shape = (count, len(self.properties))
        return {"values": torch.zeros(shape), "known": torch.zeros(shape)}

    def set_condition(self, condition: Sample, name: str, value: str) -> Sample:
        """Return conditions (N, ...) with one more property given.

        Raises:
            BadInput: there is no such property, or the value is far from those of the training molecules.
        """
        assert isinstance(condition, Mapping), "the condition of molecules is a tree"
        place = find_property(self.properties, name)
        wanted = parse_wanted(self.properties[place], value)
        values, known = (leaves(condition[part])[0].clone() for part in ("values", "known"))
        values[:, place], known[:, place] = self.properties[place].standardize(wanted), 1.0
        return {"values": values, "known": known}

    # ------------------------------------------------------------------ saved state

    def settings(self) -> Mapping[str, Json]:
        """Return the vocabulary, the length and the properties."""
        return {
            "tokens": list(self.tokens),
            "max_tokens": self.max_tokens,
            "properties": [known.settings() for known in self.properties],
            "score": list(self.score),
        }

    @classmethod
    def restore(cls, settings: Mapping[str, Json]) -> Self:
        """Return the codec that was saved.

        Raises:
            KeyError, TypeError, ValueError: the settings are damaged.
        """
        tokens, properties, score = settings["tokens"], settings["properties"], settings["score"]
        if not (isinstance(tokens, list) and isinstance(properties, list) and isinstance(score, list)):
            raise TypeError("the codec of molecules has lists of tokens, properties and functions")
        ranges = tuple(PropertyRange.restore(known) for known in properties)
        names = tuple(str(location) for location in score)
        return cls(tuple(str(token) for token in tokens), int(str(settings["max_tokens"])), ranges, names)
