"""Molecules that are none, or too much, beside good ones."""

import json
import random

import pytest

from tests.chaos import wire
from tests.support.server import Server

GOOD = ["CCO", "c1ccccc1", "CC(=O)Oc1ccccc1C(=O)O"]
_random = random.Random(0)

BAD = [
    "", " ", "C" * 100_000, "C1CC", "c1cccc1", "[", "]", "(", "C(" * 500, "C" + "(C)" * 5000,
    "[Na", "%%%", "C%99", "[999C]", "[C+999]", "[" + "1" * 1000 + "C]", "C" + "1" * 1000, "\x00",
    "C\x00C", "é", "💥", "*", "C*", ".", "..", "C..C", ">>", "CCO>>CC", "CCO |$;;$|",
    "InChI=1S/CH4/h1H4", "[H]", "[H][H]", ".".join("C" * 300), "C1" * 300, "[" * 5000,
    "F/C=C/F\\", "[Xx]", "[1234567890123C]", "[C@@@H]", "[C@TH99]", "C12345678901234567890",
    "c" * 200, "[U]" * 150, "N" * 1999, None, 1, True, [], {}, 1.5, "C1CC1" * 300,
    "(" * 1999 + "C", "C" + "=C" * 900,
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda value: repr(value)[:30])
def test_a_bad_molecule_costs_itself_alone(server: Server, bad: object) -> None:
    """It is answered in its place, with a molecule or a sentence; its neighbours as without it."""
    alone = wire.ask(server, wire.post(json.dumps({"smiles": GOOD}).encode())).json()["results"]
    records = [GOOD[0], bad, *GOOD[1:]]
    answer = wire.ask(server, wire.post(json.dumps({"smiles": records}).encode()))
    assert answer.status == 200, answer.body[:300]
    results = answer.json()["results"]
    assert len(results) == len(records)
    odd = results.pop(1)
    assert results == alone
    if odd["status"] == "error":
        assert 0 < len(odd["message"]) < 500
        assert "Traceback" not in odd["message"]


def test_many_broken_molecules_are_survived(server: Server) -> None:
    """Thousands of SMILES with letters swapped, dropped and doubled are each answered somehow."""
    records = []
    for _ in range(3000):
        letters = list(_random.choice(GOOD) * _random.randint(1, 3))
        for _ in range(_random.randint(1, 4)):
            place = _random.randrange(len(letters))
            letters[place] = _random.choice("CNOScnos123()[]=#+-@/\\.%HFl* \t")
        records.append("".join(letters))
    answer = wire.ask(server, wire.post(json.dumps({"smiles": records}).encode()), patience=60)
    assert answer.status == 200
    results = answer.json()["results"]
    assert [result["smiles"] for result in results] == records
    assert {result["status"] for result in results} == {"ok", "error"}
