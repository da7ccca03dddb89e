"""Molecules unlike the training set, made by rule: peptides, lipids, inorganics."""

import itertools

import numpy as np

_SIDE_CHAINS = (
    "[H]", "C", "C(C)C", "CC(C)C", "C(C)CC", "CO", "C(C)O", "CS", "CCSC", "CC(N)=O", "CCC(N)=O",
    "CC(=O)O", "CCC(=O)O", "CCCCN", "CCCNC(N)=N", "Cc1ccccc1", "Cc1ccc(O)cc1", "Cc1c[nH]cn1",
    "Cc1c[nH]c2ccccc12",
)  # fmt: skip
_CENTRES = {"B": 3, "Si": 4, "P": 5, "S": 6, "As": 3, "Ge": 4, "Se": 4, "Te": 4, "Sb": 3, "I": 5}
_LIGANDS = ("F", "Cl", "Br", "O", "I")
_HEADS = ("O", "OC", "OCC(O)CO", "NCCO", "OCCN", "OCC(COC(=O)CCCCCCCCCCCCCCC)OC(=O)CCCCCCC")


def peptides(count: int, seed: int = 0) -> list[str]:
    """Chains of four to twelve amino acids."""
    rng = np.random.default_rng(seed)
    molecules = []
    for _ in range(count):
        chain = [_SIDE_CHAINS[at] for at in rng.integers(len(_SIDE_CHAINS), size=rng.integers(4, 13))]
        inner = "".join(f"NC({side})C(=O)" if side != "[H]" else "NCC(=O)" for side in chain)
        molecules.append(inner + "O")
    return molecules


def lipids(count: int, seed: int = 0) -> list[str]:
    """Fatty acids, esters and amides with chains of 12 to 26 carbons, some of them unsaturated."""
    rng = np.random.default_rng(seed)
    molecules = []
    for _ in range(count):
        length, double = int(rng.integers(12, 27)), int(rng.integers(0, 4))
        chain = ["C"] * length
        for at in rng.choice(np.arange(4, length - 3, 3), size=min(double, 2), replace=False):
            chain[at] = "C=C"
        molecules.append("".join(chain) + "C(=O)" + _HEADS[rng.integers(len(_HEADS))])
    return molecules


def inorganics(count: int) -> list[str]:
    """Halides, hydroxides and oxides of main-group elements."""
    molecules: list[str] = []
    for centre, valence in _CENTRES.items():
        symbol = centre if centre in ("B", "P", "S", "I") else f"[{centre}]"
        molecules += [
            symbol + "".join(f"({ligand})" for ligand in ligands[:-1]) + ligands[-1]
            for ligands in itertools.combinations_with_replacement(_LIGANDS, valence)
        ]
    step = max(1, len(molecules) // count)
    return molecules[::step][:count]
