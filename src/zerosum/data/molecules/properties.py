"""Properties of molecules by name: those of RDKit, and functions of the user."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from zerosum.data.molecules.chemistry import parse_smiles
from zerosum.data.text import printable
from zerosum.errors import BadInput

if TYPE_CHECKING:
    from rdkit.Chem import Mol

_MOLECULE_NAMES = ("mol", "molecule")  # of a parameter that takes a molecule of RDKit


@dataclass(frozen=True)
class Property:
    """A number that each molecule has.

    Example:
        >>> round(PROPERTIES["weight"](parse_smiles("CCO")), 2)
        46.07
    """

    name: str
    description: str
    """What it is, in words, with its unit."""
    compute: Callable[[Mol], float]
    is_count: bool = False
    """Whether its values are whole numbers."""
    own_function: Callable[..., object] | None = None
    """The function of the user, if it is one."""

    def __call__(self, molecule: Mol) -> float:
        """Return the property of a molecule; NaN if it has none.

        What a function of the user raises is passed on.
        """
        return float(self.compute(molecule))


def _logp(molecule: Mol) -> float:
    from rdkit.Chem import Crippen

    return float(Crippen.MolLogP(molecule))  # type: ignore[attr-defined]


def _qed(molecule: Mol) -> float:
    from rdkit.Chem import QED

    return float(QED.qed(molecule))  # type: ignore[no-untyped-call]


@cache
def _load_sa_scorer() -> Callable[[Mol], float]:
    """Return the function of the file that comes with RDKit among its contributions."""
    from rdkit import RDConfig

    path = Path(RDConfig.RDContribDir) / "SA_Score" / "sascorer.py"
    spec = spec_from_file_location("rdkit_contrib_sascorer", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise BadInput(f"`data.properties` sa: RDKit was installed without {path}; install the rdkit of PyPI")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("Callable[[Mol], float]", vars(module)["calculateScore"])


def _sa(molecule: Mol) -> float:
    return float(_load_sa_scorer()(molecule))


def _weight(molecule: Mol) -> float:
    from rdkit.Chem import Descriptors

    return float(Descriptors.MolWt(molecule))  # type: ignore[attr-defined]


def _tpsa(molecule: Mol) -> float:
    from rdkit.Chem import rdMolDescriptors

    return float(rdMolDescriptors.CalcTPSA(molecule))


def _rings(molecule: Mol) -> float:
    from rdkit.Chem import rdMolDescriptors

    return float(rdMolDescriptors.CalcNumRings(molecule))


def _donors(molecule: Mol) -> float:
    from rdkit.Chem import rdMolDescriptors

    return float(rdMolDescriptors.CalcNumHBD(molecule))


def _acceptors(molecule: Mol) -> float:
    from rdkit.Chem import rdMolDescriptors

    return float(rdMolDescriptors.CalcNumHBA(molecule))


PROPERTIES: Mapping[str, Property] = {
    known.name: known
    for known in (
        Property("logp", "octanol-water partition coefficient (Crippen's logP)", _logp),
        Property("qed", "drug-likeness, 0 to 1 (QED; Bickerton et al. 2012)", _qed),
        Property("sa", "synthetic accessibility, 1 (easy) to 10 (Ertl and Schuffenhauer 2009)", _sa),
        Property("weight", "molecular weight in g/mol", _weight),
        Property("tpsa", "topological polar surface area in square angstroms", _tpsa),
        Property("rings", "number of rings", _rings, is_count=True),
        Property("donors", "number of hydrogen-bond donors", _donors, is_count=True),
        Property("acceptors", "number of hydrogen-bond acceptors", _acceptors, is_count=True),
    )
}
"""The properties that RDKit computes, by name."""


def find_name(name: str, names: Sequence[str]) -> str:
    """Return the one of `names` that a user means, in any case; "" if there is none.

    Example:
        >>> find_name("LogP", list(PROPERTIES))
        'logp'
    """
    if name in names:
        return name
    same = [known for known in names if known.lower() == name.lower()]
    return same[0] if len(same) == 1 else ""


def load_score(location: str) -> Property:
    """Return a function of the user as a property that has the function's name.

    The function takes a SMILES text; or a molecule of RDKit, if its parameter is named `mol` or `molecule`, or has the
    type `Mol`.

    Args:
        location: `package.module:function`.

    Raises:
        BadInput: there is no such function.
    """
    module_name, _, name = location.partition(":")
    if not (module_name and name):
        raise BadInput(f"`data.score` {printable(location)}: name a function as `package.module:function`")
    try:
        with _working_folder_as_last():
            found = vars(import_module(module_name)).get(name)
    except Exception as error:  # a module of the user may raise anything when it is imported
        raise BadInput(f"`data.score` {printable(location)}: the module cannot be imported ({printable(str(error))}); "
                       "run in its folder, or install it") from error  # fmt: skip
    if not callable(found):
        raise BadInput(f"`data.score` {printable(location)}: the module has no function of this name; correct it")
    description = (inspect.getdoc(found) or f"{module_name}:{name}").strip().splitlines()[0]
    compute = found if _takes_molecule(found) else _of_text(found)
    return Property(name, description, compute, own_function=found)


@contextmanager
def _working_folder_as_last() -> Iterator[None]:
    """Find modules of the working folder, too, which none of those that are installed gives way to."""
    own = str(Path.cwd())
    sys.path.append(own)
    try:
        yield
    finally:
        sys.path.remove(own)


def _takes_molecule(function: Callable[..., object]) -> bool:
    """Return whether the first parameter of a function is a molecule of RDKit."""
    try:
        parameter = next(iter(inspect.signature(function).parameters.values()), None)
    except (TypeError, ValueError):  # a function of C has no signature
        return False
    if parameter is None:
        return False
    return parameter.name in _MOLECULE_NAMES or str(parameter.annotation).rstrip("'>\"").split(".")[-1] == "Mol"


def _of_text(function: Callable[[str], float]) -> Callable[[Mol], float]:
    """Return a function of molecules from one of SMILES texts."""
    from zerosum.data.molecules.chemistry import to_canonical

    return lambda molecule: function(to_canonical(molecule))


def resolve_properties(names: Sequence[str], scores: Sequence[str] = ()) -> list[Property]:
    """Return the properties of these names, and then those of functions of the user, `package.module:function`.

    Raises:
        BadInput: there is no such property or function, or two have one name.
    """
    found: list[Property] = []
    for name in names:
        own = find_name(name, list(PROPERTIES))
        if not own:
            raise BadInput(
                f"`data.properties` {printable(name)}: there is no such property; choose of {', '.join(PROPERTIES)}"
            )
        found.append(PROPERTIES[own])
    found += [load_score(location) for location in scores]
    seen: set[str] = set()
    for known in found:
        if known.name in seen:
            raise BadInput(f"`data.properties` {printable(known.name)}: is named twice; name it once")
        seen.add(known.name)
    return found


def compute_properties(properties: Sequence[Property], molecules: Sequence[Mol | None]) -> NDArray[np.float64]:
    """Return properties (N, P) of molecules; NaN of None, and where a property cannot be computed or is infinite."""
    values = np.full((len(molecules), len(properties)), np.nan)
    for row, molecule in enumerate(molecules):
        if molecule is None:
            continue
        for column, known in enumerate(properties):
            values[row, column] = _compute_one(known, molecule)
    return values


def compute_of_texts(properties: Sequence[Property], texts: Sequence[str]) -> NDArray[np.float64]:
    """Return properties (N, P) of SMILES texts; NaN of those that are no molecule.

    Example:
        >>> compute_of_texts(resolve_properties(["rings"]), ["c1ccccc1", "C("]).ravel().tolist()
        [1.0, nan]
    """
    return compute_properties(properties, [parse_smiles(text) for text in texts])


def _compute_one(known: Property, molecule: Mol) -> float:
    try:
        value = known(molecule)
    except BadInput:
        raise
    except Exception:  # RDKit and functions of the user raise anything; the property is then not known
        return math.nan
    return value if math.isfinite(value) else math.nan
