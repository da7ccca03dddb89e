"""What the commands do, apart from the command line: these imports take seconds, --help must not."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from models.bundle.loading import Bundle, open_bundle
from models.errors import UnknownModel
from models.registry.release_log import command_line_user
from models.registry.releases import Releases
from models.registry.store import Repository
from training.benchmarks import BENCHMARKS
from training.benchmarks.harness import REPORTS
from training.cli import display
from training.data import load_tox21_twin
from training.data.official import tox21_final
from training.data.user_file import UserFile
from training.errors import TrainingError
from training.pipeline.evaluate import evaluate_on, evaluate_out_of_fold, evaluate_twin
from training.pipeline.run import train_model
from training.pipeline.task import load_task
from training.recipes.official import RECIPES
from training.recipes.overrides import recipe_of_file
from training.release.gate import PROMOTE, Report, examine
from training.release.publish import publish


def train_and_publish(
    console: Console,
    model: str,
    repository: Repository,
    state: Path,
    seed: int,
    promote: str,
    own: UserFile | None,
    recipe_file: Path | None = None,
    study: Path | None = None,
) -> None:
    """Train, publish, and promote by the gate's verdict; the reason is printed."""
    if recipe_file is not None and study is not None:
        raise TrainingError("--recipe and --search both say how to train; give one of them")
    if promote not in PROMOTE:
        raise TrainingError(f"--promote takes {', '.join(PROMOTE)}, not {promote!r}")
    dataset, recipe = load_task(model, own, repository)
    if recipe_file is not None:
        recipe = recipe_of_file(recipe, recipe_file)
    if study is not None:
        from training.pipeline.search import winner  # Optuna is wanted by a search alone

        recipe = winner(recipe, dataset, study)
    champion = _champion(repository, model)
    with display.bars(console) as bars:
        trained = train_model(dataset, recipe, seed, bars.console.print, display.Watch(bars))
    reports: list[Report] = []

    def judge(challenger: Bundle) -> Report:
        rule = trained.recipe.threshold_rule
        reports.append(
            examine(
                promote, dataset, trained.out_of_fold, trained.calibration, rule, champion, challenger
            )
        )
        return reports[-1]

    version = publish(trained, repository, judge)
    console.print(f"published {model} version {version} in {repository.root}", highlight=False)
    display.print_metrics(console, trained.metrics, f"{model} version {version}, out-of-fold")
    _release(console, Releases(repository, state), model, reports[-1])


def search_recipe(
    console: Console,
    model: str,
    repository: Repository,
    study: Path,
    trials: int,
    timeout: float | None,
    seed: int,
    own: UserFile | None,
) -> None:
    """Search, or go on searching, and say how to train the winner."""
    from training.pipeline import search  # Optuna is wanted by a search alone

    dataset, recipe = load_task(model, own, repository)
    columns = (
        TextColumn("trials"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[best]}"),
    )
    with Progress(*columns, console=console) as bars:
        task = bars.add_task("trials", total=trials, best="")

        def watch(progress: search.Progress) -> None:
            best = (
                "" if progress.best is None else f"best {progress.best:.4f} by trial {progress.number}"
            )
            bars.update(task, completed=progress.trials, best=f"{best}, {progress.pruned} given up")

        found = search.search(
            dataset, recipe, study, trials=trials, timeout=timeout, seed=seed, watch=watch
        )
    if found.best is None:
        raise TrainingError("no trial was completed in time; the same command goes on")
    (chosen, *_) = search.winner(recipe, dataset, study).networks
    console.print(f"best of {found.trials} trials: {found.best:.4f}, {chosen}", highlight=False)
    console.print(
        f"train it by: python -m training train {model} --search {study}",
        highlight=False,
        soft_wrap=True,
    )


def _release(console: Console, releases: Releases, model: str, report: Report) -> None:
    """Promote by the gate's verdict, and say what it found."""
    for check in report.checks:
        console.print(f"{'passed' if check.passed else 'FAILED':7} {check.name}: {check.summary}")
    by = command_line_user()
    if report.promote:
        releases.promote(model, report.version, by, report.reason)
    else:
        releases.hold(model, report.version, by, report.reason)
    action = "promoted" if report.promote else "not promoted"
    console.print(f"{action}: {report.reason}", highlight=False, soft_wrap=True)


def evaluate_version(
    console: Console,
    model: str,
    version: int | None,
    repository: Repository,
    split: str,
    own: UserFile | None,
) -> None:
    """Compute a published version's metrics from its graph and print them."""
    if split not in ("out-of-fold", "leaderboard", "final"):
        raise TrainingError(f"--split takes out-of-fold, leaderboard or final, not {split!r}")
    if split != "out-of-fold" and model != "tox21":
        raise TrainingError(f"--split {split} exists for tox21 alone")
    number = version if version is not None else repository.serving(model).champion
    bundle = open_bundle(repository.bundle(model, number))
    title = f"{model} version {number}, {split}"
    if split == "out-of-fold":
        dataset, recipe = load_task(model, own, repository)
        document = evaluate_out_of_fold(bundle, dataset, recipe.threshold_rule)
    elif split == "final":
        final = tox21_final.load()
        document = evaluate_on(bundle, final.smiles, final.labels)
    else:
        recipe = RECIPES[model]
        learned, judged = load_tox21_twin()
        with display.bars(console) as bars:
            watch = display.Watch(bars)
            document = evaluate_twin(learned, judged, recipe, 0, bars.console.print, watch)
        title = f"{model}, the current recipe's twin that never saw the leaderboard set"
    display.print_metrics(console, document, title)


def _champion(repository: Repository, model: str) -> Bundle | None:
    """The champion to beat. One that cannot be opened is an error: it must not be passed over."""
    try:
        serving = repository.serving(model)
    except UnknownModel:
        return None
    return open_bundle(repository.bundle(model, serving.champion))


def run_benchmark(
    console: Console, name: str, repository: Repository, seeds: int, processes: int
) -> None:
    """Run one of the benchmarks; its report is printed and kept in training/reports."""
    if name not in BENCHMARKS:
        raise TrainingError(f"no benchmark is named {name!r}; there are {', '.join(BENCHMARKS)}")
    log = Console(stderr=True, highlight=False)
    report = BENCHMARKS[name](repository, seeds, processes, log.print)
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / f"{name}.md").write_text(report + "\n", encoding="utf-8")
    console.print(report, highlight=False, soft_wrap=True, markup=False)


def prove_theorems(console: Console) -> None:
    """Print what is certified of the paper's theorems; an error where a bound is not."""
    # Here and not above: proving wants python-flint, which training does not.
    from training.theory.report import prove

    log = Console(stderr=True, highlight=False)
    table, certified = prove(log.print)
    console.print(table, highlight=False, soft_wrap=True, markup=False)
    if not certified:
        raise TrainingError("a bound was not certified: see the table's last column")


def predict_layers(console: Console, model: str, repository: Repository) -> None:
    """Print the champion's layers as measured and as the theory predicts them."""
    from training.theory.layer_table import bundle_theory

    bundle = open_bundle(repository.bundle(model, repository.serving(model).champion))
    dataset, _ = load_task(model, None, repository)
    console.print(bundle_theory(bundle, dataset), highlight=False, soft_wrap=True, markup=False)
