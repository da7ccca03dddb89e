"""Molecules and candidates from small grammars with a fixed seed, several records in a request."""

import random
from collections.abc import Iterator

from tests.answers.request import Request, post_json

_SEED = 20170608
_REQUESTS, _RECORDS = 40, 6

_ATOMS = ("C", "N", "O", "S", "F", "Cl", "Br", "[Na+]", "[nH]", "[13CH4]", "[O-]", "c", "n", "P", "[Fe]")
_BONDS = ("", "", "", "=", "#", "/", "\\", ":", "~")
_WHOLE = (
    "CCO", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C", "C1CCCCC1",
    "[Na+].[Cl-]",
    "CCO.Cl", "O", "", " ", "CC[Na", "C1CC", "c1cccc1", "C(C)(C)(C)(C)C", "[Xx]", "C%12CC%12", "CCO CCN",
    "*C", "[H][H]", "C" * 120, "[2H]OC", "N[C@@H](C)C(=O)O", "N[C@H](C)C(=O)O", "OC(=O)C(O)=O.[K+]",
    "\tC",
    "F/C=C/F", "F/C=C\\F", "[U]", "C[N+](C)(C)C.[Br-]", "CCO>>CC=O", "Ω", "C" * 2001,
)  # fmt: skip


def _molecule(chance: random.Random, depth: int = 0) -> str:
    """A chain of atoms with branches and rings, often no molecule at all."""
    text = ""
    for _ in range(chance.randint(1, 7)):
        text += chance.choice(_BONDS) if text else ""
        text += chance.choice(_ATOMS)
        if depth < 3 and chance.random() < 0.2:
            text += f"({_molecule(chance, depth + 1)})"
        if chance.random() < 0.15:
            text += str(chance.randint(1, 2))
    return text


def _candidate(chance: random.Random) -> object:
    """Eight numbers of any size, often wrong in one place."""
    values: list[object] = [round(chance.gauss(50, 40), chance.randint(0, 6)) for _ in range(8)]
    fault = chance.random()
    if fault < 0.15:
        values[chance.randrange(8)] = chance.choice([None, "x", True, [1], 10**30, -(10**12), 1e300])
    elif fault < 0.2:
        values.pop()
    elif fault < 0.3:
        values = [
            value * chance.choice([1e-6, 1e3, 1e9]) for value in values if isinstance(value, float)
        ]
    return values


def all_() -> Iterator[Request]:
    """The same records every time."""
    chance = random.Random(_SEED)
    for number in range(_REQUESTS):
        size = chance.randint(1, _RECORDS)
        molecules = [
            chance.choice(_WHOLE) if chance.random() < 0.5 else _molecule(chance) for _ in range(size)
        ]
        form = {"smiles": molecules} if number % 2 else {"model": "tox21", "inputs": molecules}
        yield post_json(f"predict molecules:{number:02}", "/predict", form)
        candidates = [_candidate(chance) for _ in range(chance.randint(1, _RECORDS))]
        form = {"model": "htru2", "inputs": candidates}
        yield post_json(f"predict candidates:{number:02}", "/predict", form)
    for number, text in enumerate(_WHOLE):
        yield post_json(f"drawing molecules:{number:02}", "/molecule.svg", {"smiles": text})
