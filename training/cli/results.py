"""What a command did, as one JSON object on standard output: for programs, in place of sentences."""

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON object on standard output; words go to standard error.")
]


def tell(as_json: bool, act: Callable[[], Mapping[str, Any]]) -> None:
    """Do what a command does; ``act`` returns what is told of it as JSON."""
    from training.cli.terminal import console  # torch, which --help must not wait for

    console.stderr = as_json
    document = act()
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False))
