"""Scripts that write molecules as SMILES texts without Zerosum, with numpy, and with RDKit if it is installed."""

from __future__ import annotations

from pathlib import Path

from zerosum.data.molecules.codec import MoleculeCodec
from zerosum.data.molecules.property_range import RANGE_MARGIN
from zerosum.media.script import ScriptPart, load_script, render

_SCRIPTS = Path(__file__).with_name("scripts")
_IMPORTS = """
try:
    from rdkit import Chem, rdBase
except ImportError:
    Chem = None
    print("RDKit is not installed, so texts that are no molecules are printed too; pip install rdkit", file=sys.stderr)
"""
OUTPUT = (
    "A sample is a row of token numbers: 1 is the first of `tokens` in `config.json`, and 0 ends the text. The texts, "
    "joined, are SMILES. With RDKit (`pip install rdkit`), `infer.py` writes them in their canonical form, and what is "
    "no molecule is drawn again from the next seeds of the same sample, up to 30 times, as `zerosum sample` does; what "
    "is none even then is left out, and counted. Without RDKit all first draws are written as they are. Where a drawn "
    "number is next to the boundary of two tokens, ONNX Runtime and PyTorch may choose different ones."
)
WANTED = (
    "`values` holds wanted properties, with the mean subtracted and divided by the deviation in `config.json`, and "
    "`known` a 1 for each wanted one; zeros: nothing is wanted."
)


def sample_script(codec: MoleculeCodec, caution: str) -> ScriptPart:
    """Return how scripts write samples: as `MoleculeMedia.write` does; `caution` is a paragraph for the README."""
    settings = codec.settings()
    wanted = render(load_script(_SCRIPTS / "molecules_wanted.py.txt"), (), {"margin": str(RANGE_MARGIN)})
    example = next((f"{known.name}={known.mean:.3g}" for known in codec.properties if known.name.isidentifier()), "")
    return ScriptPart(
        load_script(_SCRIPTS / "molecules.py.txt"), (_IMPORTS,),
        facts={"sample": {name: settings[name] for name in ("tokens", "max_tokens", "properties")}},
        words=frozenset({"texts"}), given_source=wanted.strip("\n") if codec.properties else "", given_example=example,
        notes=(OUTPUT, caution), given_notes=(WANTED,),
    )  # fmt: skip
