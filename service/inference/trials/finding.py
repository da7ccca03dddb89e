"""What a trial has shown: a fault of the challenger, or why it may not be promoted yet.

A challenger is at fault where it fails, where its activations are unhealthy on rows on which the
champion's are not, or where the two are shown to answer otherwise. It may be promoted by itself if it
passed its promotion gate, and if enough rows show that it answers as the champion does: the lower end of
the one-sided 95 % interval, as the gate's, is above the margin, and it takes no more time than the gate
allows.
"""

from dataclasses import dataclass

from service.inference.trials.agreement import AGREES
from service.inference.trials.comparison import TrialSums

#: Rows, and seconds, after which a challenger may be promoted by itself.
ENOUGH_ROWS, ENOUGH_SECONDS = 10_000, 600.0
#: Runs that fail, and rows without finite numbers, are a fault from so many on.
_FAILED = 5
#: Seconds of processor that a challenger may take, in times of the champion's.
_SLOWER = 2.0


_ALONE = (
    "its features are not the champion's, so that no row can be computed by both: only its failures and"
    " its times are watched"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a trial shows: ``fault`` names what is wrong, ``waits`` why it may not be promoted yet."""

    fault: str | None
    waits: str | None


def finding_of(sums: TrialSums, seconds: float, *, gate: bool | None) -> Finding:
    """Judge a trial that has run for ``seconds``; ``gate`` is whether the challenger passed its gate."""
    agreement = sums.agreement
    concordance = agreement.concordance()
    fault = sums.fault
    if agreement.failed >= _FAILED or agreement.not_finite >= _FAILED:
        fault = (
            f"{agreement.failed} runs of it failed, {agreement.not_finite} rows have no finite number"
        )
    elif fault is None and concordance is not None and concordance.high < AGREES:
        fault = (
            f"it answers otherwise than the champion: concordance {concordance.value:.2f} on"
            f" {agreement.rows} rows, at most {concordance.high:.2f} with 95 % confidence;"
            f" {AGREES} is the least"
        )
    if fault is not None:
        return Finding(fault, "it is at fault")
    own, other = agreement.seconds
    if gate is not True:
        return Finding(None, "it has not passed the promotion gate")
    if agreement.rows < ENOUGH_ROWS or seconds < ENOUGH_SECONDS:
        return Finding(
            None,
            f"{agreement.rows} of {ENOUGH_ROWS} rows in {seconds:.0f} of {ENOUGH_SECONDS:.0f} seconds",
        )
    if concordance is None or concordance.low < AGREES:
        return Finding(None, "the rows do not show that it answers as the champion does")
    challenger = sums.health[1]
    if challenger is not None and challenger.verdict not in ("healthy", "warming_up"):
        return Finding(None, f"its activations are {challenger.verdict}: {challenger.reason}")
    if other > _SLOWER * own:
        return Finding(None, f"it takes {other / own:.1f} times the champion's time")
    return Finding(None, None)


def finding_alone(failed: int) -> Finding:
    """Judge a trial whose rows cannot be compared, by how often the network raised."""
    if failed >= _FAILED:
        return Finding(f"{failed} runs of it failed", "it is at fault")
    return Finding(None, _ALONE)
