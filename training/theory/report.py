"""The verdicts as a table, and whether all of them hold."""

import math
from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from training.theory.theorems import Claim, Verdict, claims


def prove(say: Callable[[str], None], chosen: Sequence[Claim] | None = None) -> tuple[str, bool]:
    """Prove claims; return a table in Markdown and whether each was certified.

    ``chosen`` are all of the paper's where None; ``say`` is called with a line for each that is proved.
    """
    verdicts = []
    for claim in claims() if chosen is None else chosen:
        verdicts.append(claim.prove())
        say(f"theorem {claim.theorem}, {claim.what}: {verdicts[-1].bound.boxes} boxes")
    lines = [
        "| theorem | quantity | certified | attained | must be | the paper's | boxes | verdict |",
        "|---|---|---|---|---|---|---|---|",
        *(_line(verdict) for verdict in verdicts),
    ]
    return "\n".join(lines), all(verdict.certified for verdict in verdicts)


def _line(verdict: Verdict) -> str:
    claim, bound = verdict.claim, verdict.bound
    relation = "<" if claim.sign > 0 else ">"
    word = "certified" if verdict.certified else "refuted" if verdict.refuted else "not certified"
    certified, attained = claim.sign * bound.certified, claim.sign * bound.attained
    outwards, inwards = (ROUND_CEILING, ROUND_FLOOR) if claim.sign > 0 else (ROUND_FLOOR, ROUND_CEILING)
    cells = (
        str(claim.theorem),
        claim.what,
        _rounded(certified, outwards),
        _rounded(attained, inwards),
        f"{relation} {claim.limit:g}",
        claim.papers,
        f"{bound.boxes:,}",
        word,
    )
    return f"| {' | '.join(cells)} |"


def _rounded(value: float, direction: str) -> str:
    """Six digits, rounded so that the statement stays true."""
    if not math.isfinite(value):
        return "none"
    return str(Decimal(value).quantize(Decimal("0.000001"), direction))
