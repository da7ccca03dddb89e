"""A bundle from before ``reference.npz`` is judged by its layers alone, in every way."""

import numpy as np

from models.health.reference import MemberReference, Reference
from service.health.monitor import Monitor
from tests.service.health.test_monitor import Clock, outputs_of
from tests.service.health.test_pauses import REFERENCE, sent
from tests.support import bundles


def older() -> Reference:
    """The small network's reference as such a manifest has it."""
    taps = outputs_of(bundles.candidates(4000, seed=50))["taps"].astype(float)
    taps[..., 1] = np.log(taps[..., 1] + 1e-6)
    members = []
    for number, member in enumerate(REFERENCE.members):
        own = taps[:, number].reshape(len(taps), -1)
        centred = own - own.mean(axis=0)
        covariance = np.cov(own.T) + 1e-6 * np.eye(own.shape[1])
        squared = np.einsum("ri,ij,rj->r", centred, np.linalg.inv(covariance), centred)
        record = member.model_dump() | {
            "centre": own.mean(axis=0).tolist(),
            "covariance": covariance.tolist(),
            "scores": np.sort(squared).tolist(),
        }
        members.append(MemberReference.model_validate(record))
    return Reference.of(members)


def test_layers_alone_are_judged_by_suffixes_too() -> None:
    """Clean traffic is healthy, a change is seen; there is no detector and there are no features."""
    clock, reference = Clock(), older()
    monitor = Monitor(reference, clock)
    sent(monitor, clock, bundles.candidates(1024, seed=1), 16)
    health = monitor.health()
    assert health.judgement.verdict == "healthy"
    assert health.effects["1m"].inputs is None
    assert health.judgement.headline
    sent(monitor, clock, bundles.candidates(256, seed=2) + 3 * bundles.SPREAD, 16)
    health = monitor.health()
    assert health.judgement.verdict == "unhealthy"
    assert health.change is not None
    assert health.judgement.advice
