"""Records as registers have them, each with the compound that is judged and what is warned of.

Salts with larger counter-ions, hydrates, solvates, metals, organometallics, imidic acids and lactims,
radicals, zwitterions, N-oxides, azides, isotopes, mixtures: made by hand, and judged one by one.
``records.tsv`` has more of them, by name.
"""

import csv
from pathlib import Path

import pytest

from models.features.molecules.parents.compound import parent_compound
from models.features.molecules.reading import Unreadable
from models.features.molecules.text.notation import read_text

#: The record, its parent (or what an error says), and the codes of its warnings, or ``refused``.
RECORDS = (
    ("C[N+](C)(C)CCO.O=C([O-])CC(O)(CC(=O)O)C(=O)O", "C[N+](C)(C)CCO", ""),
    ("CC(C)Cc1ccc(cc1)C(C)C(=O)[O-].NCCCC[C@H]([NH3+])C(=O)O", "CC(C)Cc1ccc(C(C)C(=O)O)cc1", ""),
    ("CN1CCC[C@H]1c1cccnc1.OC(=O)c1cc2ccccc2c(Cc2c(O)c(cc3ccccc23)C(O)=O)c1O", "CN1CCCC1c1cccnc1", ""),
    (
        "Clc1ccc(cc1)C(c1ccccc1)N1CCN(CC1)CCOCC(=O)O.Cl.Cl",
        "O=C(O)COCCN1CCN(C(c2ccccc2)c2ccc(Cl)cc2)CC1",
        "",
    ),
    ("NC(CO)(CO)CO.CC(c1cccc(c1)C(=O)c1ccccc1)C(=O)O", "CC(C(=O)O)c1cccc(C(=O)c2ccccc2)c1", ""),
    ("CN(C)C(=N)NC(=N)N.OC(=O)COc1ccc(Cl)cc1", "O=C(O)COc1ccc(Cl)cc1", "mixture"),
    ("CCN(CC)CC.OC(=O)Cc1ccccc1Nc1c(Cl)cccc1Cl", "O=C(O)Cc1ccccc1Nc1c(Cl)cccc1Cl", ""),
    (
        "[Na+].[Na+].[O-]C(=O)CN(CCN(CC([O-])=O)CC(O)=O)CC(O)=O",
        "O=C(O)CN(CCN(CC(=O)O)CC(=O)O)CC(=O)O",
        "",
    ),
    (
        "[Ca+2].[O-]C(=O)CN(CCN(CC([O-])=O)CC(O)=O)CC(O)=O.[Na+].[Na+]",
        "O=C(O)CN(CCN(CC(=O)O)CC(=O)O)CC(=O)O",
        "",
    ),
    (
        "[Fe+3].[O-]C(=O)CN(CCN(CC([O-])=O)CC([O-])=O)CC([O-])=O.[Na+]",
        "O=C(O)CN(CCN(CC(=O)O)CC(=O)O)CC(=O)O",
        "metal",
    ),
    ("O.O.O.NC(=O)c1ccc(cc1)N", "NC(=O)c1ccc(N)cc1", ""),
    ("CS(=O)C.CC(=O)Nc1ccc(O)cc1", "CC(=O)Nc1ccc(O)cc1", ""),
    ("C1CCOC1.CC(=O)Nc1ccc(O)cc1.O", "CC(=O)Nc1ccc(O)cc1", ""),
    ("[Li]CCCC", "CCCC", "metal"),
    ("CC[Al](CC)CC", "CC", "metal"),
    ("C[Zn]C", "C", "metal"),
    ("[Mg+]c1ccccc1.[Br-]", "c1ccccc1", "metal"),
    ("CC(=O)O[Pb](OC(C)=O)(OC(C)=O)OC(C)=O", "CC(=O)O", "metal"),
    ("CC[Pb](CC)(CC)CC", "C[CH2][Pb]([CH2]C)([CH2]C)[CH2]C", "metal"),
    ("C[Hg+].[Cl-]", "[CH3][Hg][Cl]", "metal"),
    ("C[Hg]Cl", "[CH3][Hg][Cl]", "metal"),
    (
        "CCCC[Sn](CCCC)(CCCC)O[Sn](CCCC)(CCCC)CCCC",
        "CCC[CH2][Sn]([CH2]CCC)([CH2]CCC)[O][Sn]([CH2]CCC)([CH2]CCC)[CH2]CCC",
        "metal",
    ),
    (
        "CC(=O)O[Sn](c1ccccc1)(c1ccccc1)c1ccccc1",
        "CC(=O)[O][Sn]([c]1ccccc1)([c]1ccccc1)[c]1ccccc1",
        "metal",
    ),
    ("[Cl-].[Cl-].[Fe+2]", "[Cl-].[Cl-].[Fe+2]", "metal inorganic"),
    ("[cH-]1cccc1.[cH-]1cccc1.[Fe+2]", "C1=CCC=C1", "metal"),
    (
        "[C-]#[O+].[C-]#[O+].[C-]#[O+].[C-]#[O+].[Ni]",
        "[C-]#[O+].[C-]#[O+].[C-]#[O+].[C-]#[O+].[Ni]",
        "metal inorganic",
    ),
    ("Cl[Pt]1(Cl)NCCN1", "NCCN", "metal"),
    ("O=C1O[Pt]2(OC1=O)NC1CCCCC1N2", "NC1CCCCC1N", "metal"),
    ("C[Si](C)(C)O[Si](C)(C)C", "C[Si](C)(C)O[Si](C)(C)C", ""),
    ("B(O)(O)c1ccccc1", "OB(O)c1ccccc1", ""),
    ("CC1(C)OB(OC1(C)C)c1ccccc1", "CC1(C)OB(c2ccccc2)OC1(C)C", ""),
    ("[B-](F)(F)(F)c1ccccc1.[K+]", "F[B-](F)(F)c1ccccc1", ""),
    ("c1ccccc1[Se]c1ccccc1", "c1ccc([Se]c2ccccc2)cc1", ""),
    ("C[As](C)(=O)O", "C[As](C)(=O)O", ""),
    ("OC(=NC)c1ccccc1", "CNC(=O)c1ccccc1", ""),
    ("OC1=NC=CC(=O)N1", "O=c1cc[nH]c(=O)[nH]1", ""),
    ("Oc1ncnc2[nH]cnc12", "O=c1[nH]cnc2[nH]cnc12", ""),
    ("N=C1NC(=N)NC(=N)N1", "Nc1nc(N)nc(N)n1", ""),
    ("Sc1nc2ccccc2[nH]1", "S=c1[nH]c2ccccc2[nH]1", ""),
    ("CC(O)=Nc1ccc(O)cc1", "CC(=O)Nc1ccc(O)cc1", ""),
    ("OC(=NO)c1ccccc1", "O=C(NO)c1ccccc1", ""),
    ("C[N+]1(C)CCCCC1.[OH-]", "C[N+]1(C)CCCCC1", ""),
    ("C[N+](C)(C)[O-]", "C[N+](C)(C)[O-]", ""),
    ("C[n+]1ccccc1C=NO.[I-]", "C[n+]1ccccc1C=NO", ""),
    ("[O-][n+]1ccccc1", "[O-][n+]1ccccc1", ""),
    ("[N-]=[N+]=NCc1ccccc1", "[N-]=[N+]=NCc1ccccc1", ""),
    ("[N-]=[N+]=C(C(=O)OCC)C(=O)OCC", "CCOC(=O)C(=[N+]=[N-])C(=O)OCC", ""),
    ("C=[N+]=[N-]", "C=[N+]=[N-]", ""),
    ("[2H]C([2H])([2H])O", "CO", ""),
    ("[13CH3]C(=O)O", "CC(=O)O", ""),
    ("[3H]c1ccccc1", "c1ccccc1", ""),
    ("[131I]c1cccc(CNC(=N)N)c1", "NC(N)=NCc1cccc(I)c1", ""),
    ("[18F]c1ccccc1", "Fc1ccccc1", ""),
    (
        "CC(=O)Oc1ccccc1C(=O)O.CC(=O)Nc1ccc(O)cc1.Cn1cnc2c1c(=O)n(C)c(=O)n2C",
        "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
        "mixture",
    ),
    ("CCO.O", "CCO", ""),
    ("C(C)O.CC(C)=O", "CC(C)=O", ""),
    ("*CC*", "wildcard", "refused"),
    ("[*]c1ccccc1", "wildcard", "refused"),
    ("C[CH]C", "open valence", "refused"),
    ("[CH3]", "open valence", "refused"),
    ("[O]N1C(C)(C)CCCC1(C)C", "CC1(C)CCCC(C)(C)N1[O]", "radical"),
    ("CC(C)(C)c1cc(C)cc(C(C)(C)C)c1[O]", "Cc1cc(C(C)(C)C)c([O])c(C(C)(C)C)c1", "radical"),
    ("[O-][O]", "[O][O-]", "inorganic"),
    ("O=O", "O=O", "inorganic"),
    ("N#N", "N#N", "inorganic"),
    ("OO", "OO", "inorganic"),
    ("C", "C", ""),
    ("[C-]#N.[Na+]", "C#N", ""),
    ("C#N", "C#N", ""),
    ("S=C=S", "S=C=S", ""),
    ("O=C=O", "O=C=O", "inorganic"),
    ("C(#N)[S-].[K+]", "N#CS", ""),
    ("[NH4+].[O-]C(=O)N", "NC(=O)O", ""),
    ("NC(=O)N", "NC(N)=O", ""),
    ("F[P-](F)(F)(F)(F)F.CCCCn1cc[n+](C)c1", "CCCC[n+]1ccn(C)c1", ""),
    ("CCCCn1cc[n+](C)c1.[N-](S(=O)(=O)C(F)(F)F)S(=O)(=O)C(F)(F)F", "CCCC[n+]1ccn(C)c1", ""),
    ("CCCCCCCCCCCCCCCC[n+]1ccccc1.[Cl-].O", "CCCCCCCCCCCCCCCC[n+]1ccccc1", ""),
    ("OC(=O)CN.Cl", "NCC(=O)O", ""),
    ("[NH3+]CC([O-])=O", "NCC(=O)O", ""),
    ("C[N+](C)(C)CC(O)CC([O-])=O", "C[N+](C)(C)CC(O)CC(=O)[O-]", ""),
    ("OC(=O)[C@@H](N)CCCNC(N)=[NH2+].[Cl-]", "NC(N)=NCCCC(N)C(=O)O", ""),
    ("NC(=[NH2+])NCCCC(N)C(=O)[O-]", "NC(N)=NCCCC(N)C(=O)O", ""),
    ("CC(N)Cc1ccccc1.OS(O)(=O)=O.CC(N)Cc1ccccc1", "CC(N)Cc1ccccc1", ""),
    ("OS(=O)(=O)O.NCCc1ccc(O)c(O)c1", "NCCc1ccc(O)c(O)c1", ""),
    (
        "[K+].[O-]C(=O)C1=C(C)CSC2N1C(=O)C2NC(=O)Cc1ccccc1",
        "CC1=C(C(=O)O)N2C(=O)C(NC(=O)Cc3ccccc3)C2SC1",
        "",
    ),
    ("Cl.Cl.Cl", "Cl.Cl.Cl", "inorganic"),
    ("[Al+3].[O-]C(=O)c1ccccc1O.[OH-].[OH-]", "O=C(O)c1ccccc1O", "metal"),
    ("[Bi+3].[O-]C(=O)c1ccccc1[O-].[OH-]", "O=C(O)c1ccccc1O", "metal"),
    ("[Zn+2].CN(C)C(=S)[S-].CN(C)C(=S)[S-]", "CN(C)C(=S)S", "metal"),
    ("CN(C)C(=S)S[Zn]SC(=S)N(C)C", "CN(C)C(=S)S", "metal"),
    ("[Cu+2].[O-]c1cccc2cccnc12.[O-]c1cccc2cccnc12", "Oc1cccc2cccnc12", "metal"),
    ("[Mn+2].[S-]C(=S)NCCNC([S-])=S", "S=C(S)NCCNC(=S)S", "metal"),
    ("[Ag+].[N-](c1ncccn1)S(=O)(=O)c1ccc(N)cc1", "Nc1ccc(S(=O)(=O)Nc2ncccn2)cc1", "metal"),
    ("[Au]SC1OC(CO)C(O)C(O)C1O", "OCC1OC(S)C(O)C(O)C1O", "metal"),
    ("O=[Sb]1OC(C(O)=O)C(C([O-])=O)O1.[K+]", "O=C(O)C(O)C(O)C(=O)O", "metal"),
    ("C[C@H](O)C(=O)[O-].[Ca+2].C[C@H](O)C(=O)[O-].O.O.O.O.O", "CC(O)C(=O)O", ""),
    ("[Sr+2].OC(=O)C(CC)", "CCCC(=O)O", "metal"),
    (
        "[Gd+3].[O-]C(=O)CN1CCN(CC([O-])=O)CCN(CC([O-])=O)CC1",
        "O=C(O)CN1CCN(CC(=O)O)CCN(CC(=O)O)CC1",
        "metal",
    ),
    ("CC(=O)[CH-]C(C)=O.CC(=O)[CH-]C(C)=O.[Cu+2]", "CC(=O)CC(C)=O", "metal"),
    ("[Na]OC(=O)c1ccccc1", "O=C(O)c1ccccc1", ""),
    ("[Na]Cc1ccccc1", "Cc1ccccc1", "metal"),
    ("COc1ccccc1[Mg]Br", "COc1ccccc1", "metal"),
    ("O[Hg]c1ccccc1", "[OH][Hg][c]1ccccc1", "metal"),
    ("[I-].[I-].C[N+](C)(C)CCCCCCCCCC[N+](C)(C)C", "C[N+](C)(C)CCCCCCCCCC[N+](C)(C)C", ""),
    (
        "OCC(O)CO.CC(C)(C)NCC(O)COc1nsnc1N1CCOCC1.OC(=O)/C=C\\C(O)=O",
        "CC(C)(C)NCC(O)COc1nsnc1N1CCOCC1",
        "",
    ),
)


with Path(__file__).with_name("records.tsv").open(newline="", encoding="utf-8") as file:
    _, *NAMED = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
CASES = [*RECORDS, *(case[1:] for case in NAMED)]
IDS = [*(record for record, *_ in RECORDS), *(case[0] for case in NAMED)]


@pytest.mark.parametrize(("record", "parent", "codes"), CASES, ids=IDS)
def test_a_record_is_judged_by_its_compound(record: str, parent: str, codes: str) -> None:
    """What is not applicable is so by its metal, or because it is inorganic."""
    written = read_text(record)
    if codes == "refused":
        with pytest.raises(Unreadable, match=parent):
            parent_compound(written.molecule, written.text)
        return
    answer = parent_compound(written.molecule, written.text)
    assert answer.smiles == parent
    assert [code for code, _ in answer.warnings] == codes.split()
    judged = not answer.reason
    assert judged == (
        "inorganic" not in codes and ("metal" not in codes or "Sn" in parent or "Hg" in parent)
    )
