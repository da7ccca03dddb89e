"""What the parts of a record are: the compound, its counter-ions, its solvents.

A drug is registered as a salt or a solvate, and a partner may be larger than the drug: pamoic acid has
29 heavy atoms, meglumine 13. So partners are known by name and not by size. The names are those of
P. H. Stahl, C. G. Wermuth (eds.), *Handbook of Pharmaceutical Salts* (2002), of the WHO's list of
radicals and groups in International Nonproprietary Names (2012), of the ICH guideline Q3C for residual
solvents, and of the usual reagents and ionic liquids. A partner that is itself a common drug or nutrient
(choline, lysine, salicylic acid, a cyclodextrin) is the compound where the record holds only other
partners. So is a permanent cation, before any of their acids: tetraethylammonium tosylate is no sample
of the acid.
"""

from enum import IntEnum
from functools import cache

from rdkit import Chem

from models.features.molecules.parents.tautomers import placed


class Role(IntEnum):
    """What a neutral fragment usually is beside others; of two, the greater is the compound."""

    INORGANIC = 0
    SOLVENT = 1
    PARTNER = 2
    #: A counter-ion or co-former that is also given by itself.
    ACTIVE_PARTNER = 3
    #: A permanent cation that acids are sold with; it has no neutral form, as an amine has.
    ONIUM = 4
    COMPOUND = 5
    #: A compound that keeps its metal.
    ORGANOMETALLIC = 6


# Residual solvents of ICH Q3C, classes 1 to 3, and other solvents that crystals hold.
_SOLVENTS = """
CO CCO CCCO CC(C)O CCCCO CC(C)CO CCC(C)O CC(C)(C)O CCCCCO CC(C)CCO C=CCO OCC(F)(F)F OC(C(F)(F)F)C(F)(F)F
OCCO CC(O)CO OCCCO COCCO CCOCCO CCCCOCCO COCCOC COCCOCCOC OCCOCCO
CC(C)=O CCC(C)=O CC(C)CC(C)=O CCCC(C)=O CCCCC(C)=O O=C1CCCCC1 O=C1CCCC1
COC(C)=O CCOC(C)=O CCCOC(C)=O CC(C)OC(C)=O CCCCOC(C)=O CC(C)COC(C)=O CCOC=O COC=O COC(=O)OC CC1COC(=O)O1
CS(C)=O O=S1(=O)CCCC1 CN(C)C=O CC(=O)N(C)C NC=O CNC=O CNC(C)=O CN1CCCC1=O CN1CCN(C)C1=O CN1CCCN(C)C1=O
CN(C)P(=O)(N(C)C)N(C)C CN(C)C(=O)N(C)C
CCOCC CC(C)OC(C)C COC(C)(C)C CCOC(C)(C)C COC1CCCC1 C1CCOC1 CC1CCCO1 C1COCCO1 C1COCO1 C1CCOCC1 CCCCOCCCC
CC#N CCC#N C[N+](=O)[O-] ClCCl ClC(Cl)Cl ClC(Cl)(Cl)Cl ClCCCl ClC=CCl C=C(Cl)Cl ClC=C(Cl)Cl ClCC(Cl)Cl
CC(Cl)(Cl)Cl S=C=S
c1ccccc1 Cc1ccccc1 Cc1ccccc1C Cc1cccc(C)c1 Cc1ccc(C)cc1 CCc1ccccc1 CC(C)c1ccccc1 Cc1cc(C)cc(C)c1
Clc1ccccc1 Clc1ccccc1Cl Fc1ccccc1 FC(F)(F)c1ccccc1 COc1ccccc1 N#Cc1ccccc1 O=[N+]([O-])c1ccccc1
CCCCC CCCCCC CCCCCCC CCCCCCCC CC(C)CC CC(C)CC(C)(C)C C1CCCC1 C1CCCCC1 CC1CCCCC1 C1CCc2ccccc2C1
c1ccncc1 Cc1ccccn1 Cc1cccnc1 Cc1ccncc1
"""
#: Carbonic acid and the oxides of carbon: the training set has none of them alone, nor their salts.
MINERAL = frozenset(("O=C(O)O", "O=C=O", "[C-]#[O+]"))
#: The ions of carbides, as they are drawn; their neutral forms are acetylene and methane.
CARBIDES = frozenset(("[C-]#[C-]", "[C-4]", "[C+]#[Si-]", "[C-]#[Si+]"))

# Acids, then bases, that are hardly ever the compound of a record that holds another.
_PARTNERS = """
O=CO CC(=O)O CCC(=O)O CCCC(=O)O CC(C)C(=O)O CCCCC(=O)O CC(C)(C)C(=O)O CCCCCC(=O)O CCCCCCC(=O)O
CCCCCCCC(=O)O CCCCCCCCCC(=O)O CC=CC=CC(=O)O C=CCCCCCCCCC(=O)O C=CC(=O)O C=C(C)C(=O)O
O=C(O)C(F)(F)F O=C(O)C(Cl)Cl O=C(O)C(Cl)(Cl)Cl O=C(O)CCl O=C(O)CO CC(O)C(=O)O CC(=O)C(=O)O CC(=O)CCC(=O)O
CC(=O)CC(=O)O O=CC(=O)O CC(=O)NCC(=O)O O=C(O)C(=O)O O=C(O)CC(=O)O O=C(O)CCC(=O)O O=C(O)CCCC(=O)O
O=C(O)CCCCC(=O)O O=C(O)CCCCCCC(=O)O O=C(O)CCCCCCCCC(=O)O O=C(O)C=CC(=O)O O=C(O)CC(O)C(=O)O
O=C(O)C(O)C(O)C(=O)O O=C(O)CC(O)(CC(=O)O)C(=O)O O=C(O)CC(C(=O)O)C(O)C(=O)O O=C(O)CCC(=O)C(=O)O
O=C(O)C=C(CC(=O)O)C(=O)O O=C(O)CC(CC(=O)O)C(=O)O C=C(CC(=O)O)C(=O)O O=C(O)C(O)C(O)C(O)C(O)C(=O)O
OCC(O)C(O)C(O)C(O)C(=O)O OCC(O)C(O)C(O)C(O)C(O)C(=O)O O=CC(O)C(O)C(O)C(O)C(=O)O
O=C(O)C1OC(O)C(O)C(O)C1O OCC1OC(OC(C(O)CO)C(O)C(O)C(=O)O)C(O)C(O)C1O OCC(=O)C(O)C(O)C(O)C(=O)O
O=C(O)c1ccccc1C(=O)O O=C(O)c1ccc(C(=O)O)cc1 O=C(O)C(O)c1ccccc1 O=C(O)C(O)(c1ccccc1)c1ccccc1
O=C(O)C=Cc1ccccc1 O=C(O)Cc1ccccc1 O=C(O)CCC1CCCC1 CC(=O)Nc1ccc(C(=O)O)cc1 O=C(O)CNC(=O)c1ccccc1
Cc1ccc(C(=O)OC(C(=O)O)C(OC(=O)c2ccc(C)cc2)C(=O)O)cc1 O=C(OC(C(=O)O)C(OC(=O)c1ccccc1)C(=O)O)c1ccccc1
O=C(O)c1cc(O)ccc1O O=C(O)c1ccc(O)cc1O O=C(O)c1c(O)cccc1O O=C(O)c1cc(S(=O)(=O)O)ccc1O
O=C(O)c1ccc2ccccc2c1O O=C(O)c1cc2ccccc2cc1O
O=C(O)c1cc2ccccc2c(Cc2c(O)c(C(=O)O)cc3ccccc23)c1O O=C(O)c1c[nH]c(=O)[nH]c1=O O=C(O)c1cc(=O)[nH]c(=O)[nH]1
O=C(O)C1CCC(=O)N1 O=C(O)c1ccco1 O=C(c1ccc(O)cc1)c1ccccc1C(=O)O O=C(O)CCc1ccccc1 CN(C)CC(=O)O
O=C(O)c1ccccc1C(=O)c1ccc(O)c(-c2ccccc2)c1
CS(=O)(=O)O CCS(=O)(=O)O CCCS(=O)(=O)O O=S(=O)(O)CCO O=S(=O)(O)CCS(=O)(=O)O O=S(=O)(O)C(F)(F)F
O=S(=O)(O)C(F)(F)C(F)(F)C(F)(F)C(F)(F)F O=S(=O)(O)c1ccccc1 Cc1ccc(S(=O)(=O)O)cc1 O=S(=O)(O)c1ccc(Cl)cc1
O=S(=O)(O)c1ccc(O)cc1 O=S(=O)(O)c1ccc2ccccc2c1 O=S(=O)(O)c1cccc2ccccc12
O=S(=O)(O)c1cccc2c(S(=O)(=O)O)cccc12 O=S(=O)(O)c1ccc2cc(S(=O)(=O)O)ccc2c1
O=S(=O)(O)CCCCS(=O)(=O)O C=Cc1ccc(S(=O)(=O)O)cc1 Nc1ccc(C=Cc2ccc(N)cc2S(=O)(=O)O)c(S(=O)(=O)O)c1
CC(C)(C)c1ccc2c(S(=O)(=O)O)c(C(C)(C)C)ccc2c1S(=O)(=O)O
CC1(C)C2CCC1(CS(=O)(=O)O)C(=O)C2 Cc1ccc(C)c(S(=O)(=O)O)c1 Cc1cc(C)c(S(=O)(=O)O)c(C)c1
O=S(=O)(O)NC1CCCCC1 COS(=O)(=O)O CCOS(=O)(=O)O CCCCCCCCOS(=O)(=O)O COP(=O)(O)O
CCOP(=O)(O)OCC CCCCOP(=O)(O)OCCCC
O=C1O[B-]2(OC1=O)OC(=O)C(=O)O2
O=P(O)(O)OCC(O)CO O=P(O)(O)OC(CO)CO OCC1OC(OP(=O)(O)O)C(O)C(O)C1O
O=S(=O)(NS(=O)(=O)C(F)(F)F)C(F)(F)F O=S(=O)(C(S(=O)(=O)C(F)(F)F)S(=O)(=O)C(F)(F)F)C(F)(F)F
O=S(=O)(NS(=O)(=O)C(F)(F)C(F)(F)F)C(F)(F)C(F)(F)F CS(=O)(=O)NS(C)(=O)=O O=S(=O)(F)C(F)(F)F
N#CN=C=N N#CNC#N N#CC(C#N)C#N N#CS N=C=S N#CO N=C=O C#N N#C[BH-](C#N)C#N N#C[B-](C#N)(C#N)C#N
c1ccc([B-](c2ccccc2)(c2ccccc2)c2ccccc2)cc1
FC(F)(F)c1cc([B-](c2cc(C(F)(F)F)cc(C(F)(F)F)c2)(c2cc(C(F)(F)F)cc(C(F)(F)F)c2)c2cc(C(F)(F)F)cc(C(F)(F)F)c2)cc(C(F)(F)F)c1
Fc1c(F)c(F)c([B-](c2c(F)c(F)c(F)c(F)c2F)(c2c(F)c(F)c(F)c(F)c2F)c2c(F)c(F)c(F)c(F)c2F)c(F)c1F
FC(F)(F)C(F)(F)[P-](F)(F)(F)(C(F)(F)C(F)(F)F)C(F)(F)C(F)(F)F
O=[N+]([O-])c1cc([N+](=O)[O-])c(O)c([N+](=O)[O-])c1 O=[N+]([O-])c1cc([N+](=O)[O-])c2cccc(S(=O)(=O)O)c2c1O
CN CNC CN(C)C CCN CCNCC CCN(CC)CC CCCN CC(C)N CCCCN CC(C)CN CCC(C)N CC(C)(C)N CC(C)NC(C)C
CCN(C(C)C)C(C)C CCCCN(CCCC)CCCC CCCCNCCCC CCCCCCN CCCCCCCCN CC(C)(C)CC(C)(C)N NC1CCCCC1
C1CCC(NC2CCCCC2)CC1 NC1CCCC1 NCC1CCCCC1 NC12CC3CC(CC(C3)C1)C2 NCc1ccccc1 CC(N)c1ccccc1 CN(C)Cc1ccccc1
NCCN NCCCN NCCCCN NCCNCCN CN(C)CCN(C)C NCCO CNCCO CN(C)CCO CCN(CC)CCO OCCNCCO OCCN(CCO)CCO
CN(CCO)CCO CC(O)CNCC(C)O CC(O)CN(CC(C)O)CC(C)O NCCOCCO CN(CCCN)CCCN
OCCN1CCCC1 OCCN1CCOCC1 CC(C)(N)CO CC(N)(CO)CO CCC(N)CO NCC(O)CO CC(O)CN
C1COCCN1 CN1CCOCC1 C1CCNCC1 CN1CCCCC1 C1CCNC1 C1CCC2=NCCCN2CC1 C1CN2CCN1CC2 CN1CCNCC1 c1c[nH]cn1
CNCC(O)C(O)C(O)C(O)CO CCNCC(O)C(O)C(O)C(O)CO NCC(O)C(O)C(O)C(O)CO
c1ccc(CNCCNCc2ccccc2)cc1 c1ccc(CCNCc2ccccc2)cc1 NC1(CO)CCCC1 NC(CO)(CO)CO
CC(C)c1ccc2c(c1)CCC1C(C)(CNCCNCC3(C)CCCC4(C)c5ccc(C(C)C)cc5CCC34)CCCC21C
CC(C)c1ccc2c(c1)CCC1C(C)(CN)CCCC21C N=C(N)N CN(C)C(=N)N(C)C NN CNN NC1CCC(c2ccccc2)CC1
"""

# Quaternary ammonium and phosphonium ions: the compound of their salts with any of the partners here.
_ONIUMS = """
C[N+](C)(C)C CC[N+](CC)(CC)CC CCC[N+](CCC)(CCC)CCC CCCC[N+](CCCC)(CCCC)CCCC
C[N+](C)(C)Cc1ccccc1 CC[N+](CC)(CC)Cc1ccccc1 C[N+](C)(C)c1ccccc1
CCCC[P+](CCCC)(CCCC)CCCC c1ccc([P+](c2ccccc2)(c2ccccc2)c2ccccc2)cc1 C[P+](c1ccccc1)(c1ccccc1)c1ccccc1
c1ccc(P(=[N+]=P(c2ccccc2)(c2ccccc2)c2ccccc2)(c2ccccc2)c2ccccc2)cc1
"""

_ACTIVE_PARTNERS = """
C[N+](C)(C)CCO C[N+](C)(C)CC(=O)[O-] C[N+](C)(C)CC(O)CC(=O)[O-] NCC(=O)O CC(N)C(=O)O NC(CO)C(=O)O
NCCCCC(N)C(=O)O N=C(N)NCCCC(N)C(=O)O NCCCC(N)C(=O)O NC(Cc1c[nH]cn1)C(=O)O NC(CC(=O)O)C(=O)O
NC(CCC(=O)O)C(=O)O NC(=O)CCC(N)C(=O)O NC(=O)CC(N)C(=O)O O=C(O)C1CCCN1 NCCC(=O)O NCCCC(=O)O NCCS(=O)(=O)O
NC(CS)C(=O)O CC(C)C(N)C(=O)O CC(C)CC(N)C(=O)O CCC(C)C(N)C(=O)O CC(O)C(N)C(=O)O CSCCC(N)C(=O)O
NC(Cc1ccccc1)C(=O)O NC(CCCNC(N)=O)C(=O)O CN(CC(=O)O)C(=N)N
O=C(O)c1ccccc1O O=C(O)c1ccccc1 O=C(O)c1ccc(O)cc1 O=C(O)c1cc(O)c(O)c(O)c1
O=C(O)c1cccnc1 O=C(O)c1ccncc1 NC(=O)c1cccnc1
O=C1NS(=O)(=O)c2ccccc12 CC1=CC(=O)NS(=O)(=O)O1 O=C1OC(C(O)CO)C(O)=C1O
CCCCCCCCCCCCOS(=O)(=O)O CCCCCCCCCCCCCCOS(=O)(=O)O CCCCCCCCCCCCCCCCOS(=O)(=O)O
CCCCCCCCCCCC(=O)O CCCCCCCCCCCCCC(=O)O CCCCCCCCCCCCCCCC(=O)O CCCCCCCCCCCCCCCCCC(=O)O
CCCCCCCCC=CCCCCCCCC(=O)O CCCCCC=CCC=CCCCCCCCC(=O)O CCCCCCCCCCCCCCCCCCCCCC(=O)O
CCCCCCCCC=CCCCCCCCCCCCC(=O)O CCCCCCCCCCCCc1ccc(S(=O)(=O)O)cc1
CCCCC(CC)COC(=O)CC(C(=O)OCC(CC)CCCC)S(=O)(=O)O
C1CNCCN1 NC(N)=O NC(N)=S OCC(O)CO OCC(O)C(O)C(O)C(O)CO OCC(O)C(O)C(O)CO OC1C(O)C(O)C(O)C(O)C1O
OCC1OC(O)C(O)C(O)C1O OC1COC(O)C(O)C1O OCC1OC(OC2(CO)OC(CO)C(O)C2O)C(O)C(O)C1O
C1N2CN3CN1CN(C2)C3
"""


# Cyclodextrins of six to eight glucose units, which hold a drug.
_GLUCOSE = "OC{0}C(CO)OC("
_CYCLODEXTRINS = tuple(
    "OCC1OC2OC3C(CO)OC("
    + "".join(_GLUCOSE.format(number) for number in range(4, 2 + units))
    + "OC1C(O)C2O)C(O)"
    + "".join(f"C{number}O)C(O)" for number in range(1 + units, 3, -1))
    + "C3O"
    for units in (6, 7, 8)
)


@cache
def _roles() -> dict[str, Role]:
    """The role of each listed fragment by its neutral canonical SMILES."""
    lists = (
        (_ONIUMS, Role.ONIUM),
        (" ".join((_ACTIVE_PARTNERS, *_CYCLODEXTRINS)), Role.ACTIVE_PARTNER),
        (_PARTNERS, Role.PARTNER),
        (_SOLVENTS, Role.SOLVENT),
    )
    return {
        Chem.MolToSmiles(placed(Chem.MolFromSmiles(smiles))): role
        for text, role in lists
        for smiles in text.split()
    }


def role_of(smiles: str) -> Role:
    """The role of an organic fragment without a metal, given by its neutral canonical SMILES."""
    return Role.INORGANIC if smiles in MINERAL else _roles().get(smiles, Role.COMPOUND)
