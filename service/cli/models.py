"""``python -m service models``: the models' versions, as the routes under ``/admin`` show them.

``load``, ``unload`` and ``retire`` ask a running service. All other commands work on the repository and
the state folder, whether the service runs or not.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
import typer

from models.errors import LogUnwritable, ModelError
from models.registry.release_log import command_line_user
from models.registry.releases import Releases
from models.registry.serving_state import Challenger
from service.cli.pull import pull
from service.errors import ServiceError
from service.settings import load_settings
from service.stores.mirror import repository_of

models = typer.Typer(
    no_args_is_help=True,
    help="Versions: list, pull, compare, try, promote, roll back, load, unload, retire.",
)

_Model = Annotated[str, typer.Argument(help="Name of the model.")]
_Version = Annotated[int, typer.Argument(min=1)]
_Why = Annotated[str, typer.Option(help="The reason, for the release log.")]
_Json = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]
_Url = Annotated[str, typer.Option(help="Where the service runs; SNN_API_KEY holds an admin key.")]
_ADDRESS = "http://127.0.0.1:8000"


@contextmanager
def _releases() -> Iterator[Releases]:
    """Open the repository of the settings; a known error is one sentence and exit status 1."""
    try:
        settings = load_settings()
        yield Releases(repository_of(settings), settings.state)
    except LogUnwritable as warning:  # the step itself was taken
        sys.stderr.write(f"warning: {warning}\n")
    except (ModelError, ServiceError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        raise typer.Exit(1) from None


def _print(*words: object) -> None:
    sys.stdout.write("  ".join(str(word) for word in words) + "\n")


@models.command("list")
def list_(
    model: Annotated[str | None, typer.Argument(help="One model; all of them.")] = None,
    as_json: _Json = False,
) -> None:
    """List versions: the champion, what is served in its place, and what the gate said."""
    with _releases() as releases:
        names = [model] if model else releases.repository.models()
        documents: list[dict[str, Any]] = [releases.describe(name) for name in names]
        if as_json:
            _print(json.dumps(documents, indent=2))
            return
        for name, document in zip(names, documents, strict=True):
            for version in document["versions"]:
                _print(name, *_columns(document, version))


def _columns(document: dict[str, Any], version: dict[str, Any]) -> Iterator[object]:
    """Yield what is printed of one version."""
    number = version["version"]
    yield number
    if "error" in version:
        yield version["error"]
        return
    yield version["created"]
    if version["mean_auc"] is not None:
        yield f"mean AUC {version['mean_auc']:.4f}"
    if version["r2"] is not None:
        yield f"R² {version['r2']:.4f}"
    if version["gate"] is not None:
        yield "passed the gate" if version["gate"] else "held back by the gate"
    if number == document["champion"]:
        yield "champion"
    if number == document["challenger"]:
        yield f"on trial: {document['trial']}"
    if number == document["wanted"] != document["champion"]:
        yield f"served in the champion's place: {document['exemption']}"


@models.command("promote")
def promote(model: _Model, version: _Version, why: _Why = "asked for by command") -> None:
    """Make VERSION the champion; a running service takes it up by itself."""
    with _releases() as releases:
        releases.promote(model, version, command_line_user(), why)
        _print(f"{model}: version {version} is the champion")


@models.command("rollback")
def rollback(model: _Model, why: _Why = "asked for by command") -> None:
    """Have the champion's predecessor served again."""
    with _releases() as releases:
        serving = releases.roll_back(model, command_line_user(), why)
        _print(f"{model}: rolled back to version {serving.champion}")


@models.command("trial")
def trial(
    model: _Model,
    version: _Version,
    share: Annotated[
        float, typer.Option(min=0.0, max=0.99, help="Of the requests that it answers; 0: in the shadow.")
    ] = 0.0,
    sticky: Annotated[bool, typer.Option(help="Answer an API key by the same version.")] = False,
    auto: Annotated[bool, typer.Option(help="Promote or drop it by itself.")] = False,
    why: _Why = "asked for by command",
) -> None:
    """Try VERSION beside the champion: in its shadow, or for a share of the requests."""
    with _releases() as releases:
        challenger = Challenger(version, share, sticky, auto)
        before = releases.serving(model).challenger
        releases.challenge(model, challenger, command_line_user(), why)
        _print(f"{model}: version {version} is on trial: {challenger.how}")
        if before is not None and before.version != version:
            _print(f"{model}: the trial of version {before.version} ({before.how}) has ended")


@models.command("drop")
def drop(model: _Model, why: _Why = "asked for by command") -> None:
    """End a trial; the champion serves on."""
    with _releases() as releases:
        serving = releases.drop(model, command_line_user(), why)
        _print(f"{model}: version {serving.champion} serves alone")


@models.command("compare")
def compare(model: _Model, first: _Version, second: _Version, as_json: _Json = False) -> None:
    """Two versions' figures side by side."""
    with _releases() as releases:
        document: dict[str, Any] = releases.compare(model, first, second)
        if as_json:
            _print(json.dumps(document, indent=2))
            return
        _print("figure", first, second)
        _print("bytes", *document["bytes"])
        for name, values in document["metrics"].items():
            _print(name, *("–" if value is None else f"{value:.6g}" for value in values))


@models.command("log")
def log(
    model: Annotated[str | None, typer.Argument(help="One model; all of them.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of the latest steps.")] = 50,
    as_json: _Json = False,
) -> None:
    """The release log: who had which version served, when, and why; as JSON one step a line."""
    with _releases() as releases:
        for entry in releases.log.entries(model, limit):
            if as_json:
                _print(msgspec.json.encode(entry).decode())
                continue
            change = f"{entry.before or '–'} → {entry.after or '–'}"
            _print(entry.at, entry.model, entry.action, change, entry.by, entry.why)


@models.command("pull")
def pull_(
    model: Annotated[list[str] | None, typer.Argument(help="Which models; all of the release.")] = None,
) -> None:
    """Fetch a release's models from SNN_RELEASE_URL into the repository; resumed, verified by hash."""
    with _releases() as releases:
        new = pull(model or [], releases.repository, load_settings().state, _print)
        for name, version in new:
            _print(f"{name}: version {version} is in {releases.repository.root / name}")


@models.command("load")
def load(model: _Model, url: _Url = _ADDRESS) -> None:
    """Have a running service read the promoted version again, now."""
    _ask(url, model, "load")


@models.command("unload")
def unload(model: _Model, url: _Url = _ADDRESS) -> None:
    """Have a running service stop serving a model until it is loaded."""
    _ask(url, model, "unload")


@models.command("retire")
def retire(model: _Model, url: _Url = _ADDRESS) -> None:
    """Have a running service serve a model no longer, until a version of it is promoted again."""
    _ask(url, model, "retire")


def _ask(url: str, model: str, step: str) -> None:
    """Post to ``/admin``; an error is one sentence on standard error and exit status 1."""
    if not url.startswith(("http://", "https://")):
        sys.stderr.write(f"error: --url {url}: it begins with http:// or https://\n")
        raise typer.Exit(1)
    key = os.environ.get("SNN_API_KEY", "")
    request = urllib.request.Request(  # noqa: S310 - checked above
        f"{url}/admin/models/{model}/{step}", b"{}", {"authorization": f"Bearer {key}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310 - checked above
            answer.read()
    except urllib.error.HTTPError as error:
        try:
            reason = json.loads(error.read())["error"]
        except (ValueError, KeyError, TypeError):
            reason = error.reason
        sys.stderr.write(f"error: {reason}\n")
        raise typer.Exit(1) from None
    except OSError as error:
        sys.stderr.write(f"error: {url} does not answer: {error}\n")
        raise typer.Exit(1) from None
    _print(f"{model}: {step.removesuffix('e')}ed")
