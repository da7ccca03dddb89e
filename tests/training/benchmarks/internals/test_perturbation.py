"""How far altered members move probabilities: what the graph itself says, from less computing."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.training.benchmarks.internals.test_weight_faults import MODELS
from tests.training.networks.test_export import raw
from training.benchmarks.internals.fault_kinds import KINDS
from training.benchmarks.internals.perturbation import PerturbationProbe
from training.benchmarks.internals.weight_faults import _Model
from training.errors import TrainingError

ROWS = raw(60)


def manifest(made: bytes) -> SimpleNamespace:
    """The calibration that is in a graph, told by what it makes of its members' logits."""
    model = _Model(SimpleNamespace(model=made))
    outputs = model.run(ROWS, model.members)
    mean, targets = outputs["member_logit"].mean(axis=1), []
    for column in range(mean.shape[1]):
        slope, intercept = np.polyfit(mean[:, column], outputs["logit"][:, column], 1)
        targets.append(SimpleNamespace(slope=slope, intercept=intercept))
    return SimpleNamespace(name="made", targets=targets)


@pytest.mark.parametrize("made", MODELS.values(), ids=MODELS)
def test_it_agrees_with_the_graph_on_every_kind_of_fault(made: bytes) -> None:
    """A fault reaches a size where the graph's own probabilities of any row move by that much."""
    model = _Model(SimpleNamespace(model=made))
    outputs = model.run(ROWS, model.members)
    sound = PerturbationProbe(manifest(made), model.members, outputs)
    np.testing.assert_allclose(sound.probability, outputs["probability"], atol=1e-5)
    assert not sound.reaches(model.members, 1e-9)
    seen = set()
    for kind in KINDS.values():
        for seed in range(4):
            fault = kind(model.members, np.random.default_rng(seed))
            altered = model.run(ROWS, fault.members)["probability"]
            size = float(np.abs(altered - outputs["probability"]).max())
            seen.add(size > 0.05)
            if np.isnan(size):
                assert sound.reaches(fault.members, 0.01)
                continue
            assert not sound.reaches(fault.members, 1.01 * size + 1e-5)
            if size > 1e-4:
                assert sound.reaches(fault.members, 0.99 * size - 1e-5)
    assert seen == {True, False}


def test_members_that_are_not_the_graphs_are_refused() -> None:
    """Outputs of another graph are noticed before anything is compared with them."""
    one, other = (_Model(SimpleNamespace(model=made)) for made in MODELS.values())
    with pytest.raises(TrainingError, match="do not compute what the graph of made does"):
        PerturbationProbe(manifest(MODELS["alike"]), one.members, other.run(ROWS, other.members))
