"""Structural alerts: parts of a molecule that are known to react, to bind receptors, or to be toxic.

The first list names what the assays of Tox21 are known to answer to; the second is that of R. Brenk et
al., *Lessons Learnt from Assembling Screening Libraries*, ChemMedChem 3 (2008) 435, as RDKit has it. An
alert is a fact about the structure and no prediction: many a molecule with one is harmless.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from rdkit import Chem
from rdkit.Chem import FilterCatalog

from models.features.molecules.rdkit_log import captured_rdkit_log

_KNOWN = {
    "nitroaromatic": "c[$([N+](=O)[O-]),$(N(=O)=O)]",
    "primary aromatic amine": "c[NX3;H2]",
    "secondary or tertiary aromatic amine": "[c][NX3;H1,H0;!$(N[C,S]=[O,S,N]);!$([N+])]",
    "Michael acceptor": "[CX3]=[CX3][$(C=O),$(C#N),$(S(=O)=O),$([N+](=O)[O-])]",
    "quinone": "O=[#6]1[#6]=,:[#6][#6](=O)[#6]=,:[#6]1",
    "ortho-quinone": "O=[#6]1[#6](=O)[#6]=,:[#6][#6]=,:[#6]1",
    "steroid skeleton": "[#6]1~[#6]~[#6]~[#6]2~[#6](~[#6]~1)~[#6]~[#6]~[#6]1~[#6]~2~[#6]~[#6]~[#6]2~[#6]"
    "~1~[#6]~[#6]~[#6]~2",
    "phenol": "c[OX2H]",
    "catechol or hydroquinone": "[$(c1c(O)c(O)ccc1),$(c1(O)ccc(O)cc1)]",
    "epoxide, aziridine or thiirane": "[CX4]1[O,N,S][CX4]1",
    "aldehyde": "[CX3H1](=O)[#6]",
    "alkyl halide": "[CX4][Cl,Br,I]",
    "acyl halide": "C(=O)[F,Cl,Br,I]",
    "isocyanate or isothiocyanate": "N=C=[O,S]",
    "hydrazine": "[NX3;!$(NC=O)][NX3;!$(NC=O)]",
    "azo": "[#6]N=N[#6]",
    "N-nitroso": "[#7]N=O",
    "organophosphate": "P(=[O,S])([O,S][#6])[O,S][#6]",
    "thiol": "[#6][SX2H]",
    "organotin or organomercury": "[#6][Sn,Hg]",
    "polycyclic aromatic": "c1ccc2cc3ccccc3cc2c1",
    "phenanthrene-like": "c1ccc2c(c1)ccc1ccccc12",
    "polyhalogenated aromatic": "c1([F,Cl,Br,I])c([F,Cl,Br,I])cccc1",
}
# RDKit's pattern of this alert takes two nitrogens, too, as in hydrazines.
_RENAMED = {"Oxygen-nitrogen single bond": "single bond of nitrogen to oxygen or nitrogen"}


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, from which list it is, and the atoms of each place where the molecule has it."""

    name: str
    source: str
    places: tuple[tuple[int, ...], ...]


def alerts(molecule: Chem.Mol) -> list[Alert]:
    """The alerts of a sanitised molecule: the known ones first, then those of Brenk's list."""
    found = [
        Alert(name, "known", tuple(places))
        for name, pattern in _known().items()
        if (places := molecule.GetSubstructMatches(pattern, maxMatches=20))
    ]
    with captured_rdkit_log():
        for entry in _brenk().GetMatches(molecule):
            places = {
                tuple(sorted(atom for _, atom in match.atomPairs))
                for match in entry.GetFilterMatches(molecule)
            }
            name = entry.GetDescription().replace("_", " ")
            name = _RENAMED.get(name, name)
            found.append(Alert(name, "Brenk 2008", tuple(sorted(places))))
    return found


@cache
def _known() -> dict[str, Chem.Mol]:
    return {name: Chem.MolFromSmarts(smarts) for name, smarts in _KNOWN.items()}


@cache
def _brenk() -> Any:  # without types
    parameters: Any = FilterCatalog.FilterCatalogParams()
    parameters.AddCatalog(FilterCatalog.FilterCatalogParams.FilterCatalogs.BRENK)
    return FilterCatalog.FilterCatalog(parameters)
