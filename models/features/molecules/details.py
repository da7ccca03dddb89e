"""What a result tells of a molecule beside its features: its parent, and what the domain says of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from rdkit import Chem

from models.domain.measured import Fingerprint, MeasuredCompounds
from models.features.base import Accepted, NotApplicable


def fingerprint_of(
    outcome: Accepted | NotApplicable, counts: Mapping[int, int], molecule: Chem.Mol
) -> Fingerprint:
    """What the domain knows a record by: its parent and all fragments of its molecule."""
    return Fingerprint(str(outcome.details["parent"]), counts, molecule.GetNumHeavyAtoms())


def judge(
    domain: MeasuredCompounds, told: Sequence[tuple[Accepted | NotApplicable, Fingerprint]]
) -> None:
    """Add to the details of molecules what the domain tells of each.

    A record that is not applicable is outside: its parent, and what was measured of that, is another
    compound, as the acid of a salt of mercury is.
    """
    judged = domain.judge([fingerprint for _, fingerprint in told])
    for (outcome, _), found in zip(told, judged, strict=True):
        details = outcome.details
        if isinstance(outcome, NotApplicable):
            found.pop("measured", None)
            found["domain"]["in_domain"] = False
        warnings: Any = details.get("warnings", [])
        details.update(found)
        if warnings:
            details["warnings"] = [*warnings, *found.get("warnings", [])]


def details_of(parent: str, removed: Sequence[str], repaired: str) -> dict[str, object]:
    """How a record was interpreted: what there is to tell."""
    details = {"parent": parent, "removed": list(removed), "repaired": repaired}
    return {name: value for name, value in details.items() if value}
