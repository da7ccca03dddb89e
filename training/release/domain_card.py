"""The model card's section on the domain: how good the model is by similarity, and its cut-offs."""

from models.bundle.manifest import Manifest, SimilarRows
from training.evaluation.metrics import markdown_table
from training.release.decision_card import interval

_COLUMNS = ("similarity", "rows", "mean AUC (95 %)", "log-loss (95 %; base rate)")
_TEXT = """
## Domain

How near a molecule is to what the model learned from: the Tanimoto coefficient of the counts of its \
circular fragments (ECFP) with the nearest of the compounds, whose index is part of this bundle. \
Out-of-fold, each compound compared with those of other folds only:

{table}

A molecule is in the domain from a similarity of {domain.similarity:.2f} on, if repeats of fragments \
beyond what one compound in 400 has are at most {domain.repeats:.0%} of its fragments of radius 0 and \
1: the similarity alone does not tell polymers, long chains and peptides, whose fragments are known. \
The cut-offs: {domain.rule}. A measured compound is always in the domain. The p-value is another \
thing: it says how unusual the activations are, whatever the reason.
"""


def domain_section(manifest: Manifest) -> str:
    """Write the section as Markdown; empty for a model without a domain."""
    domain = manifest.domain
    if domain is None:
        return ""
    rows = [
        (f"{part.similarity[0]:.2f}–{part.similarity[1]:.2f}", *_cells(part)) for part in domain.fifths
    ]
    rows.append(("in the domain", *_cells(domain.inside)))
    if domain.outside is not None:
        rows.append(("outside", *_cells(domain.outside)))
    return _TEXT.format(table="\n".join(markdown_table(_COLUMNS, rows)), domain=domain)


def _cells(part: SimilarRows) -> tuple[str, str, str]:
    auc = "–"
    if part.mean_auc is not None:
        auc = f"{part.mean_auc:.4f}{interval(part.mean_auc_95_interval, ' ({})', 3)}"
    spread = interval(part.log_loss_95_interval, "{}; ", 4)
    return f"{part.rows:,}", auc, f"{part.log_loss:.4f} ({spread}{part.log_loss_base_rate:.4f})"
