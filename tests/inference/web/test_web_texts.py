"""The page of a generator of texts, run by Node.js: inputs of the network and texts are the package's."""

import json

import numpy as np
from page_program import ELEMENTS, needs_node, run

from zerosum.game import seeded_rng
from zerosum.game.latent import Normal

pytestmark = needs_node

FILES = ("dom.js", "random.js", "engine.js", "samples.js", "generator.js", "texts.js")
PROPERTIES = [
    {"name": "logp", "mean": 2.0, "deviation": 0.5, "low": 0.0, "high": 4.0},
    {"name": "qed", "mean": 0.8, "deviation": 0.1, "low": 0.2, "high": 0.9},
]
SETTINGS = {
    "name": "my run", "tokens": ["C", "O", "CC"], "properties": PROPERTIES, "margin": 0.25, "takes_wishes": True,
    "latent": {"kind": "normal", "size": 5}, "hint": "", "suffix": ".smi", "best": False,
}  # fmt: skip


def test_inputs_are_those_of_the_package() -> None:
    found = run(
        FILES,
        f"""(() => {{
          const generator = new TextGenerator({json.dumps(SETTINGS)}, null);
          const {{latent, seed, values, known}} = generator.feeds(7n, 3, 2, [3, null]);
          const dims = [latent.dims, seed.dims, values.dims], seeds = [...seed.data].map(String);
          return {{latent: [...latent.data], dims, seed: seeds, values: [...values.data], known: [...known.data]}};
        }})()""",
    )
    assert isinstance(found, dict)
    seeds = seeded_rng.derive_seeds(7, 3, 2)
    np.testing.assert_allclose(found["latent"], Normal(size=5).sample(seeds).flatten().numpy(), atol=1e-6)
    assert [int(seed) for seed in found["seed"]] == seeds.tolist()
    assert (found["values"], found["known"]) == ([2, 0, 2, 0], [1, 0, 1, 0])
    assert found["dims"] == [[2, 5], [2], [2, 2]]


def test_texts_end_at_the_first_zero() -> None:
    data = "Float32Array.of(3, 2, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0)"
    found = run(FILES, f"new TextGenerator({json.dumps(SETTINGS)}, null).decode({{data: {data}, dims: [3, 4]}})")
    assert found == ["CCO", "CCCC", ""]


PAGE = f"""
const settings = {json.dumps(SETTINGS)};
const page = () => Object.assign(Object.create(TextPage.prototype), {{
  settings, names: ["logp", "qed"], seed: 4n, count: 3, list: new Newest((error) => report(error.message)),
  generator: {{generate: async (seed, first, count, wanted) =>
    Array.from({{length: count}}, (_, i) => `${{seed}}:${{first + i}}:${{wanted}}`)}},
}});
globalThis.history = {{replaceState: (state, title, address) => (globalThis.address = address)}};
document.createElement = makeElement;
byId("texts").replaceChildren = (...items) => (byId("texts").children = items);
"""


def test_what_is_wanted_is_in_the_command_and_the_address() -> None:
    found = run(
        FILES,
        """(async () => {
          byId("want-logp").value = ""; byId("want-qed").value = "0.85";
          await page().refresh();
          const {textContent: command} = byId("command");
          const texts = byId("texts").children.map(({textContent}) => textContent);
          byId("want-qed").value = "7";
          await page().refresh();
          return {command, texts, address, problem: visibleProblem()};
        })()""",
        ELEMENTS + PAGE,
    )
    assert isinstance(found, dict)
    assert found["command"] == "zerosum sample 'my run' -n 3 --seed 4 --want qed=0.85"
    assert found["texts"] == ["4:0:,0.85", "4:1:,0.85", "4:2:,0.85"]
    assert found["address"] == "#seed=4&n=3&want-qed=0.85"
    assert found["problem"] == "qed 7: the training data have 0.200 to 0.900; give one of these values."
