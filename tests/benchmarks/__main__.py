"""``python -m tests.benchmarks [NAME…]``: run benchmarks and print their tables as Markdown."""

import argparse
import json
import platform
import sys
import time
from importlib import import_module
from pathlib import Path

from tests.benchmarks import cores
from tests.benchmarks.report import Options, Skipped
from tests.benchmarks.server import ROOT

#: In the order in which they run without a name; each is a module of this package.
BENCHMARKS = {
    "start": "ready after start, memory",
    "page": "first paint of the dashboard in Chromium, and what jumps",
    "featurizing": "records per second, and where the time goes",
    "molecules": "requests of 256 molecules against featurizing and inference alone",
    "domain": "what the domain of molecules costs, and the nearest compounds",
    "parity": "served probabilities against torch",
    "single": "one row per request by JSON, against the bare route",
    "stages": "where the microseconds of a request go",
    "lone": "where the microseconds of a lone row go, function by function",
    "blocks": "256 rows per request by JSON and binary tensors, against onnxruntime itself",
    "wide": "one row of 2,048 numbers per request, against the bare route",
    "watching": "what taps and the monitor cost",
    "sampled": "how late SNN_WATCH=sampled sees a fault in dense traffic, beside full",
    "extras": "traces and a shadow; all of it off against --folder CHECKOUT",
    "grpc_calls": "single rows by gRPC against HTTP, and against KServe's gRPC server",
    "workers": "two workers against one",
    "protection": "single candidates beside a request of 10,000 molecules",
    "swaps": "a hundred new versions under 200 requests a second",
    "large_swaps": "a hundred swaps of the committed molecules' bundle: memory",
    "retrain": "train htru2 --data, gate, promoted and served under 200 requests a second",
    "overload": "three times the capacity for a minute",
    "scoring": "files: 100,000 distinct molecules, kills, memory, Ray",
    "growth": "files of ten times the rows each time, and two processes beside each other",
    "kinds": "files of each kind, 20,000 and 100,000 rows: memory of reading, going on halfway",
    "peers": "other servers around the same network, each in an environment of its own",
    "gpu": "the committed networks on a GPU beside one core, in parts (--parts, --folder)",
    "soak": "20 minutes of mixed load (--minutes)",
}

#: The machine is looked at for so long before, and is busy from this share of its cores on.
_WATCHED_SECONDS, _BUSY = 2.0, 0.1


def main() -> int:
    """Run what was asked for; 1 if any benchmark failed, 2 if the machine is busy."""
    arguments = _arguments()
    busy = cores.busy(_WATCHED_SECONDS)
    if busy > _BUSY and not arguments.busy:
        print(
            f"Other processes use {busy:.0%} of this machine's cores: figures of speed would be theirs"
            " too. Run it on an idle machine, or with --busy, which the report then says.",
            file=sys.stderr,
        )
        return 2
    cores.pin(cores.LOAD)
    options = Options(
        models=arguments.models.resolve(),
        repetitions=arguments.repetitions,
        seconds=arguments.seconds,
        minutes=arguments.minutes,
        parts=tuple(arguments.parts),
        folder=arguments.folder,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(_machine(options, busy), flush=True)
    documents: dict[str, object] = {}
    failed = False
    for name in arguments.names or BENCHMARKS:
        started = time.monotonic()
        try:
            tables = import_module(f"tests.benchmarks.{name}").run(options)
        except Skipped as reason:
            print(f"### {name}\n\nSkipped: {reason}\n", flush=True)
            documents[name] = {"skipped": str(reason)}
            continue
        except Exception as error:  # noqa: BLE001 - the others are run all the same
            print(f"### {name}\n\nFailed: {type(error).__name__}: {error}\n", flush=True)
            documents[name] = {"failed": f"{type(error).__name__}: {error}"}
            failed = True
            continue
        for table in tables:
            print(table.markdown(), flush=True)
        documents[name] = [table.document() for table in tables]
        options.say(f"{name}: {time.monotonic() - started:.0f} s")
    if arguments.json:
        arguments.json.write_text(json.dumps(documents, indent=1) + "\n")
    return int(failed)


def _arguments() -> argparse.Namespace:
    names = "\n".join(f"  {name:14}{text}" for name, text in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        epilog=f"benchmarks:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="all of them without one")
    parser.add_argument("--repetitions", type=int, default=5, help="interleaved; default 5")
    parser.add_argument("--seconds", type=float, default=5, help="of load each; default 5")
    parser.add_argument("--minutes", type=float, default=20, help="length of the soak; default 20")
    parser.add_argument(
        "--models", type=Path, default=ROOT / "models" / "repository", help="a model repository"
    )
    parser.add_argument("--parts", nargs="+", default=[], help="of gpu: these alone")
    parser.add_argument("--folder", type=Path, help="of gpu: for its tables; of extras: a checkout")
    parser.add_argument("--busy", action="store_true", help="measure although others use the cores")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in BENCHMARKS:
            parser.error(f"there is no benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
    return arguments


def _machine(options: Options, busy: float) -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    note = cores.SHARED_NOTE + "\n" if cores.SERVER & cores.LOAD else ""
    return (
        f"{len(cores.ALL)} cores ({model}), Python {platform.python_version()},"
        f" {busy:.0%} of them used by other processes before;"
        f" server on one core, load from {'the other' if len(cores.LOAD) == 1 else 'the others'};"
        f" {options.repetitions} interleaved repetitions.\n{note}"
    )


if __name__ == "__main__":
    sys.exit(main())
