"""What the twelve assays of the Tox21 Data Challenge 2014 measure, and in which cells.

Sources: the descriptions of these assays in PubChem, by their AID; R. Huang et al., Front. Environ.
Sci. 3:85 (2016); for the oestrogen receptor also R. Huang et al., Sci. Rep. 4:5664 (2014), for the
androgen receptor PMC6135100.
"""

from models.bundle.targets import Assay

_BLA, _LUC = "beta-lactamase reporter", "luciferase reporter"


def _assay(measures: str, mode: str, cells: str, readout: str, aid: int) -> Assay:
    source = f"https://pubchem.ncbi.nlm.nih.gov/bioassay/{aid}"
    return Assay(measures=measures, mode=mode, cells=cells, readout=readout, source=source)


TOX21_ASSAYS = {
    "NR-AR": _assay("androgen receptor, full length", "agonist", "MDA-kb2", _LUC, 743040),
    "NR-AR-LBD": _assay("androgen receptor, ligand-binding domain", "agonist", "HEK293", _BLA, 743053),
    "NR-AhR": _assay("aryl hydrocarbon receptor", "agonist", "HepG2", _LUC, 743122),
    "NR-Aromatase": _assay(
        "aromatase (CYP19A1), which makes oestrogens", "inhibitor", "MCF-7", _LUC, 743139
    ),
    "NR-ER": _assay("oestrogen receptor alpha, full length", "agonist", "BG1", _LUC, 743079),
    "NR-ER-LBD": _assay(
        "oestrogen receptor alpha, ligand-binding domain", "agonist", "HEK293", _BLA, 743077
    ),
    "NR-PPAR-gamma": _assay(
        "peroxisome proliferator-activated receptor gamma, ligand-binding domain",
        "agonist",
        "HEK293",
        _BLA,
        743140,
    ),
    "SR-ARE": _assay(
        "antioxidant response element (Nrf2): oxidative stress", "activator", "HepG2", _BLA, 743219
    ),
    "SR-ATAD5": _assay("ATAD5 (ELG1): genotoxic stress", "activator", "HEK293T", _LUC, 720516),
    "SR-HSE": _assay(
        "heat shock response element: stress of proteins", "activator", "HeLa", _BLA, 743228
    ),
    "SR-MMP": _assay(
        "mitochondrial membrane potential", "lowers it", "HepG2", "fluorescent dye", 720637
    ),
    "SR-p53": _assay("p53: damage of DNA", "activator", "HCT-116", _BLA, 720552),
}
