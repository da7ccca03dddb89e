"""``python -m tests.answers OLD [NEW]``: compare what two checkouts answer; status 1 if they differ."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.answers import commands
from tests.answers.checkout import Checkout
from tests.answers.compare import Pair, Verdict, explain, read_expected
from tests.answers.corpus import corpus
from tests.answers.fixtures import make_keys, make_repository
from tests.answers.request import Request
from tests.answers.volatile import Volatile
from tests.answers.wire import Answer, Line

T = TypeVar("T")
_HERE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Configuration:
    """How the service runs: its settings, whether it asks for keys, whether a model is broken."""

    settings: dict[str, str]
    keys: bool = False
    broken: bool = False


#: Limits are small, so that what is beyond them is quickly sent.
_LIMITS = {
    "SNN_MAX_ROWS": "200", "SNN_MAX_BYTES": "65536", "SNN_MAX_STREAM_BYTES": "262144",
    "SNN_GOLDEN_SECONDS": "3600",
    "SNN_PROBATION_SECONDS": "0", "SNN_DRAIN_WAIT_SECONDS": "0", "SNN_POLL_SECONDS": "0.2",
    "SNN_MODELS": "{folder}/repository", "SNN_FEATURIZE_PROCESSES": "0",
}  # fmt: skip
CONFIGURATIONS = {
    "open": Configuration({"SNN_WORKERS": "1"}),
    # No cache of features: what one worker remembers, by chance, decides how rows are put together.
    "keys": Configuration(
        {"SNN_WORKERS": "2", "SNN_API_KEYS_FILE": "{folder}/keys.json", "SNN_CACHE_BYTES": "0"},
        keys=True,
        broken=True,
    ),
    "browser": Configuration(
        {
            "SNN_WORKERS": "1", "SNN_CORS_ORIGINS": "https://lab.example",
            "SNN_REPOSITORY_CONTROL": "true",
            "SNN_SHOW_DEPARTING_FEATURES": "true",
        },
    ),
}  # fmt: skip


def main() -> int:
    """Compare, print, and return the exit status."""
    arguments = _arguments()
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
    detail = say if arguments.verbose else lambda _: None
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="answers-") as place, ThreadPoolExecutor(2) as pool:
        old = _side(arguments.old, arguments.old_python, Path(place) / "one")
        new = _side(arguments.new, arguments.new_python, Path(place) / "two")
        committed = arguments.models or old.root / "models" / "repository"
        keys = make_keys(old, Path(place) / "keys.json")

        def compare(part: str) -> list[Pair]:
            sides = {"old": old.within(part), "new": new.within(part)}
            if part in commands.PARTS:
                return commands.pairs(
                    part,
                    _both(
                        sides, lambda at: commands.run_all(part, at, committed, _volatile(at), detail)
                    ),
                )
            for side in sides.values():
                (side.folder / "keys.json").write_bytes((Path(place) / "keys.json").read_bytes())
                make_repository(
                    committed, side.folder / "repository", broken=CONFIGURATIONS[part].broken
                )
            return _served(part, sides, keys, detail)

        # Two at a time: the services' time is mostly waiting, the commands' is not.
        parts = arguments.only or [*commands.PARTS, *CONFIGURATIONS]
        pairs = [pair for found in pool.map(compare, parts) for pair in found]
    verdict = Verdict(pairs, read_expected(arguments.expected))
    print(f"{verdict.table()}\n\nfirst answers by status: {verdict.statuses()}")
    for pair in verdict.different:
        print(f"\n{explain(pair)}")
    if arguments.verbose:
        for pair in verdict.meant:
            print(f"\nas expected: {explain(pair)}")
    for each in () if arguments.only else verdict.idle:
        print(f"expected to differ, but does not: {each}")
    print(f"\n{len(verdict.different)} differences in {time.monotonic() - started:.0f} s")
    return verdict.status


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.answers", description=__doc__)
    parser.add_argument("old", type=Path, help="the checkout that answers as it should")
    parser.add_argument("new", type=Path, nargs="?", default=_HERE, help="the one to compare; this one")
    parser.add_argument("--old-python", type=Path, help="its interpreter; OLD/.venv/bin/python")
    parser.add_argument("--new-python", type=Path, help="its interpreter; NEW/.venv/bin/python")
    parser.add_argument("--models", type=Path, help="bundles for both; OLD/models/repository")
    parser.add_argument("--expected", type=Path, help="a file of names whose difference is meant")
    parser.add_argument(
        "--only", action="append", choices=[*commands.PARTS, *CONFIGURATIONS], help="a part"
    )
    parser.add_argument(
        "--verbose", action="store_true", help="tell each request, and expected differences"
    )
    return parser.parse_args()


def _side(root: Path, python: Path | None, folder: Path) -> Checkout:
    folder.mkdir()
    root = root.resolve()
    # Not resolved: an environment's interpreter is a link, and is known by its own path.
    return Checkout(root, (python or root / ".venv" / "bin" / "python").absolute(), folder)


def _volatile(checkout: Checkout, port: int | None = None, *, several: bool = False) -> Volatile:
    places = {"folder": checkout.folder, "checkout": checkout.root}
    if port is not None:
        places |= {"address": f"127.0.0.1:{port}"}
    return Volatile.of(several=several, **places)


def _both(sides: dict[str, Checkout], work: Callable[[Checkout], T]) -> dict[str, T]:
    """Do the same for both sides at once."""
    with ThreadPoolExecutor(len(sides)) as pool:
        begun = {side: pool.submit(work, checkout) for side, checkout in sides.items()}
        return {side: future.result() for side, future in begun.items()}


def _served(
    name: str, sides: dict[str, Checkout], keys: dict[str, str], detail: Callable[[str], None]
) -> list[Pair]:
    """Ask both sides everything in one configuration."""
    configuration, asked = CONFIGURATIONS[name], corpus()
    settings = _LIMITS | configuration.settings | {"SNN_STATE": "{folder}/state-" + name}
    held = keys | ({"": keys["operator"]} if configuration.keys else {})

    patience = 1.0 if configuration.keys else 0.1  # a single worker has nobody to tell

    def ask(checkout: Checkout) -> list[bytes]:
        with checkout.serving(settings, held) as port:
            volatile, line, told = (
                _volatile(checkout, port=port, several=configuration.keys),
                Line(port, patience),
                [],
            )
            for request in asked:
                detail(request.name)
                answers = line.exchange(request, held)
                told.append(b"\n\n".join(_written(volatile, request, answer) for answer in answers))
            line.close()
            return told

    found = _both(sides, ask)
    rows = zip(asked, found["old"], found["new"], strict=True)
    return [
        Pair(f"{name} {each.name}", f"{name} {_group(each.route)}", old, new) for each, old, new in rows
    ]


def _group(route: str) -> str:
    return "routes by method" if route.startswith("routes ") else route


def _written(volatile: Volatile, request: Request, answer: Answer) -> bytes:
    """An answer as the bytes that are compared."""
    headers = volatile.headers(request.path, answer.headers, len(answer.body))
    lines = [answer.status, *(name + b": " + value for name, value in headers)]
    return b"\n".join(lines) + b"\n\n" + volatile.body(request.path, answer.body, exact=request.exact)


if __name__ == "__main__":
    sys.exit(main())
