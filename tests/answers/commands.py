"""The command lines: helps, errors, files scored, releases made. Nothing is trained."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.answers.checkout import Checkout
from tests.answers.compare import Pair
from tests.answers.fixtures import files_to_score, make_repository
from tests.answers.volatile import Volatile


@dataclass(frozen=True)
class Command:
    """One call, its settings, and the file that it writes, if any; ``{folder}`` is the side's own."""

    arguments: list[str]
    settings: dict[str, str] = field(default_factory=dict)
    output: str | None = None

    @property
    def name(self) -> str:
        """What a table and a list of expected differences call it."""
        more = "".join(f" {name}={value}" for name, value in self.settings.items())
        return f"command {self.route}: {' '.join(self.arguments)}{more}"

    @property
    def part(self) -> str:
        """The one of ``PARTS`` that it is run in."""
        return "score" if self.arguments[:2] == ["service", "score"] else self.arguments[0]

    @property
    def route(self) -> str:
        """The group that the table counts it in."""
        return " ".join(self.arguments[:2] if self.arguments[1:2] != ["--help"] else self.arguments[:1])


_REPOSITORY = {"SNN_MODELS": "{folder}/repository", "SNN_STATE": "{folder}/command-state"}
_KEYS = {"SNN_API_KEYS_FILE": "{folder}/command-keys.json"}
_SERVICE = ("", "score", "keys", "keys new", "keys list", "keys revoke", "models", "models list",
"models promote",
            "models rollback", "models compare", "models log", "models load",
            "models unload")  # fmt: skip
_TRAINING = ("", "train", "search", "evaluate", "benchmark", "theory", "versions", "promote", "rollback")

#: Words after ``python -m``, in order: later ones see what earlier ones did.
_RELEASES = (
    "models", "models nosuch", "models list", "models list htru2", "models list nosuch",
    "models list a/b",
    "models promote", "models promote htru2", "models promote htru2 x", "models promote htru2 0",
    "models promote htru2 9", "models promote nosuch 1", "models promote broken 7",
    "models promote broken 9",
    "models rollback htru2", "models rollback nosuch", "models compare htru2 1 2",
    "models compare htru2 2 9",
    "models compare htru2 1", "models log", "models log nosuch", "models log --limit 0",
    "models promote htru2 1 --why tested", "models list", "models log",
    "models rollback htru2 --why enough",
    "models log", "models log htru2 --limit 1", "models log tox21",
    "models load htru2 --url ftp://x", "models load htru2 --url http://127.0.0.1:1", "models unload",
)  # fmt: skip
_OF_KEYS = (
    "keys", "keys list", "keys new", "keys new bob", "keys new bob --scope fly",
    "keys new b!b --scope predict",
    "keys new bob --scope predict --days -1", "keys new bob --scope predict --days x",
    "keys new bob --scope predict --rows-per-second 0", "keys revoke", "keys revoke bob", "keys nosuch",
)  # fmt: skip
_SETTINGS: tuple[tuple[str, str], ...] = (
    ("SNN_PORT", "x"), ("SNN_PORT", "70000"), ("SNN_HOST", "no.such.host.invalid"), ("SNN_HOST",
    "192.0.2.1"),
    ("SNN_MODELS", "/nonexistent"), ("SNN_WORKERS", "0"), ("SNN_WORKERS", "1.5"), ("SNN_MAX_ROWS", "0"),
    ("SNN_MAX_BYTES", "many"), ("SNN_DEVICE", "tpu"), ("SNN_DEVICE", "cuda"), ("SNN_LOG_LEVEL", "loud"),
    ("SNN_POLL_SECONDS", "nan"), ("SNN_DRAIN_SECONDS", "0"), ("SNN_API_KEYS_FILE", "/nonexistent.json"),
    ("SNN_API_KEYS_FILE", "{folder}/molecules.csv"), ("SNN_REPOSITORY_CONTROL", "perhaps"),
    ("SNN_CACHE_BYTES", "-1"), ("SNN_FEATURIZE_PROCESSES", "300"),
)  # fmt: skip
_WRONG_TRAINING = (
    "nosuch", "train", "train a/b", "train htru2 --seed x", "train htru2 --promote perhaps",
    "train htru2 --target x",
    "train mine", "train htru2 --recipe /nonexistent.json --search /nonexistent.study",
    "train mine --data /nonexistent.csv --target x",
    "train mine --data {folder}/molecules.csv --target id",
    "train mine --data {folder}/molecules.txt --target id",
    "train mine --data {folder}/molecules.csv --target no",
    "search mine", "search htru2 --trials 0", "evaluate nosuch", "evaluate htru2 --split odd",
    "evaluate htru2 --split final", "evaluate htru2 9", "evaluate htru2 x", "benchmark nosuch",
    "benchmark",
    "theory nosuch", "versions", "versions nosuch", "versions htru2", "versions tox21",
    "versions broken",
    "promote htru2 9", "promote nosuch 1", "promote htru2 1 --why tried", "versions htru2",
    "rollback htru2",
    "rollback htru2", "rollback nosuch", "versions htru2 --models /nonexistent",
)  # fmt: skip


#: The parts that commands are run in: a package's, or the scoring of files.
PARTS = ("service", "score", "training")


def commands(part: str) -> list[Command]:
    """Return every command of a part, in an order that both sides keep to."""
    return [command for command in _all() if command.part == part]


def _all() -> Iterator[Command]:
    for words in _SERVICE:
        yield Command(["service", *words.split(), "--help"])
    for words in _TRAINING:
        yield Command(["training", *words.split(), "--help"])
    yield Command(["training"])
    yield Command(["service", "nosuch"])
    yield Command(["service", "--port", "1"])
    yield from (Command(["service", *words.split()], _REPOSITORY) for words in _RELEASES)
    yield from (Command(["service", *words.split()], _KEYS) for words in _OF_KEYS)
    for name, value in _SETTINGS:  # what is wrong must not be hidden by a port that is in use
        yield Command(["service"], {"SNN_PORT": "0", name: value})
    yield from _scores()
    yield from (Command(["training", *words.split()], _REPOSITORY) for words in _WRONG_TRAINING)


def _scores() -> Iterator[Command]:
    for name in files_to_score():
        stem, kind = name.split(".")
        for target in ("csv", "ndjson", "parquet") if stem in ("molecules", "structures") else (kind,):
            output = f"{{folder}}/{stem}.{kind}.scored.{target}"
            model = "htru2" if "candidates" in stem else "tox21"
            words = ["service", "score", f"{{folder}}/{name}", "--model", model, "--output", output]
            yield Command([*words, "--workers", "1"], _REPOSITORY, output)
    csv = "{folder}/molecules.csv"
    for words in (
        "", "{folder}/nosuch.csv", f"{csv} --model nosuch", f"{csv} --model htru2",
        f"{csv} --model broken",
        f"{csv} --version 9", f"{csv} --version 0", f"{csv} --output {{folder}}/x.sdf",
        f"{csv} --engine spark",
        f"{csv} --workers 0", f"{csv} --quiet", csv, f"{csv} --overwrite", f"{csv} --output {csv}",
        "{folder}/structures.sdf --model htru2", f"{csv} --output /nonexistent/x.csv",
    ):  # fmt: skip
        yield Command(["service", "score", *words.split()], _REPOSITORY, "{folder}/molecules.scored.csv")


def run_all(
    part: str, checkout: Checkout, committed: Path, volatile: Volatile, say: Callable[[str], None]
) -> list[bytes]:
    """Run every command, and return what each wrote and how it ended."""
    make_repository(committed, checkout.folder / "repository", broken=True)
    for name, content in files_to_score().items():
        (checkout.folder / name).write_bytes(content)
    found = []
    for command in commands(part):
        say(command.name)
        done = checkout.run(command.arguments, command.settings)
        parts = [
            b"exit status %d" % done.returncode,
            volatile.output(done.stdout),
            volatile.output(done.stderr),
        ]
        if command.output is not None:
            file = Path(command.output.format(folder=checkout.folder))
            parts.append(file.read_bytes() if file.exists() else b"<no file>")
        found.append(b"\n".join(parts))
    return found


def pairs(part: str, found: Mapping[str, list[bytes]]) -> list[Pair]:
    """Put both sides' results together; a command that is run again is told apart by its number."""
    made: list[Pair] = []
    seen: dict[str, int] = {}
    for command, old, new in zip(commands(part), found["old"], found["new"], strict=True):
        seen[command.name] = seen.get(command.name, 0) + 1
        number = seen[command.name]
        name = command.name if number == 1 else f"{command.name} (run {number})"
        made.append(Pair(name, f"command {command.route}", old, new))
    return made
