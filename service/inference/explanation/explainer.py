"""Explains predictions of molecules: which atoms they come from, known alerts, and what is nearest.

A molecule takes some tenths of a second, because the network is asked of dozens of molecules with atoms
deleted. So one thread explains one molecule at a time, and a limited number may wait. Its runs are made
in the model's own thread, among those of requests, and no monitor sees them: they are no traffic.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import cast

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from models.explanation.alerts import Alert, alerts
from models.explanation.attribution import Attribution, attribute
from models.features import NotApplicable, Rejected
from models.features.molecules.featurizer import MoleculeFeaturizer
from service.errors import DeadlineMissed, InvalidRequest, Overloaded, TooLarge
from service.inference.served_models import ServedModel

#: Molecules of one request, and heavy atoms of one molecule.
MOST_MOLECULES, MOST_HEAVY_ATOMS = 5, 100
#: Molecules that may wait.
_MOST_WAITING = 20


@dataclass(frozen=True, slots=True)
class Explained:
    """A molecule that was explained; ``molecule`` is its parent, whose atoms are numbered."""

    molecule: Chem.Mol
    details: dict[str, object]
    attribution: Attribution
    alerts: list[Alert]
    nearest: list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Unexplained:
    """A molecule that cannot be explained; ``status`` is that of its result."""

    status: str
    message: str
    details: dict[str, object]


class Explainer:
    """Explains molecules one at a time. Its methods are called from the event loop's thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="explain")
        self._waiting = 0

    async def explain(
        self,
        served: ServedModel,
        smiles: Sequence[str],
        target: str,
        nearest: int,
        deadline: float | None,
        *,
        ignore_applicability: bool,
    ) -> list[Explained | Unexplained]:
        """Explain the logit of one target, one answer per molecule.

        ``deadline`` is a time of ``perf_counter``. Raises ``InvalidRequest`` for another model or target
        and for no molecule, ``TooLarge``, ``Overloaded`` and ``DeadlineMissed``.
        """
        if not served.takes_smiles or served.manifest.exclusive:
            raise InvalidRequest(f"model {served.manifest.name!r} has no atoms to explain it by")
        if target not in served.targets:
            raise InvalidRequest(
                f"model {served.manifest.name!r} has no target {target[:80]!r};"
                f" there is {', '.join(served.targets)}"
            )
        if not smiles:
            raise InvalidRequest("the list of molecules is empty; send at least one")
        if len(smiles) > MOST_MOLECULES:
            raise TooLarge(
                f"{len(smiles)} molecules to explain; the most is {MOST_MOLECULES}, so send them in"
                " several requests"
            )
        if self._waiting + len(smiles) > _MOST_WAITING:
            raise Overloaded(f"{self._waiting} molecules wait to be explained", 2.0)
        column = served.targets.index(target)
        self._waiting += len(smiles)
        done = 0
        loop = asyncio.get_running_loop()
        found = []
        try:
            with served.leased():
                for text in smiles:
                    if deadline is not None and perf_counter() > deadline:
                        raise DeadlineMissed("the deadline passed before all molecules were explained")
                    found.append(
                        await loop.run_in_executor(
                            self._thread, _explain, served, text, column, nearest, ignore_applicability
                        )
                    )
                    self._waiting -= 1
                    done += 1
        finally:
            self._waiting -= len(smiles) - done
        return found


def _explain(
    served: ServedModel, smiles: str, column: int, nearest: int, ignore_applicability: bool
) -> Explained | Unexplained:
    featurizer = cast(MoleculeFeaturizer, served.bundle.featurizer)
    (outcome,) = featurizer.featurize([smiles]).outcomes
    if isinstance(outcome, Rejected):
        return Unexplained("error", outcome.message, {})
    if isinstance(outcome, NotApplicable) and not ignore_applicability:
        return Unexplained("not_applicable", outcome.message, outcome.details)
    molecule = featurizer.parent(smiles)
    size = molecule.GetNumHeavyAtoms()
    if size > MOST_HEAVY_ATOMS:
        text = f"the molecule has {size} heavy atoms; at most {MOST_HEAVY_ATOMS} are explained"
        return Unexplained("error", text, outcome.details)

    def logits(molecules: Sequence[Chem.Mol]) -> NDArray[np.float64]:
        rows, sound = featurizer.rows_of(molecules)
        outputs = served.lane.submit(served.session.run, rows).result()
        values = outputs["logit"][:, column].astype(np.float64)
        values[~sound] = np.nan
        return values

    attribution = attribute(molecule, logits)
    if not np.isfinite(attribution.logit):
        text = "the network gave no finite number for this molecule"
        return Unexplained("error", text, outcome.details)
    near = featurizer.nearest(smiles, nearest)
    return Explained(molecule, outcome.details, attribution, alerts(molecule), near)
