"""Writes what the reference says of the code: ``make reference``.

A page has blocks between ``<!-- made: NAME -->`` and ``<!-- end -->``; all else is written by hand. A
test compares the blocks with the code.
"""

import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import typer.main
from prometheus_client.parser import text_string_to_metric_families

from models.bundle.manifest import Manifest
from service.cli import snn
from tests.support import bundles
from tests.support.both import serving_both
from tests.support.server import ROOT

REFERENCE = ROOT / "docs" / "reference"
_BLOCK = re.compile(r"(<!-- made: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_METHODS = ("get", "post", "put", "delete")


@dataclass(frozen=True, slots=True)
class Answers:
    """What a running service says of itself: its OpenAPI document, and its metrics as text."""

    openapi: dict[str, Any]
    metrics: str


def ask() -> Answers:
    """Start a service with a small model of each kind, send requests, and ask it."""
    with tempfile.TemporaryDirectory() as folder, serving_both(Path(folder)) as server:
        body = {"model": "htru2", "inputs": bundles.candidates(64).tolist()}
        server.client.post("/predict", json=body).raise_for_status()
        server.client.post("/predict", json={"smiles": ["CCO", "CC[Na"]}).raise_for_status()
        return Answers(server.client.get("/openapi.json").json(), server.client.get("/metrics").text)


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _type(schema: dict[str, Any]) -> str:
    """A schema's type in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for kind in ("anyOf", "oneOf"):
        if kind in schema:
            return " or ".join(dict.fromkeys(_type(each) for each in schema[kind]))
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"names to {_type(schema['additionalProperties'])}"
    return str(schema.get("type", "anything"))


def _fields(schema: dict[str, Any]) -> Iterator[str]:
    """A table of a schema's fields."""
    yield "| field | type | |\n|---|---|---|"
    for name, field in schema.get("properties", {}).items():
        yield f"| `{name}` | {_type(field)} | {_cell(field.get('description', ''))} |"


def _schemas(answers: Answers, wanted: Callable[[str], bool]) -> str:
    parts = []
    for name, schema in answers.openapi["components"]["schemas"].items():
        if wanted(name) and schema.get("properties"):
            parts += [f"### {name}\n", _cell(schema.get("description", "")) + "\n", *_fields(schema), ""]
    return "\n".join(parts)


def _used_by(answers: Answers, prefix: str) -> set[str]:
    """The names of the schemas that the routes below a path use, and those that these use."""
    schemas = answers.openapi["components"]["schemas"]
    paths = answers.openapi["paths"].items()
    waiting = [str(item) for path, item in paths if path.startswith(prefix)]
    found: set[str] = set()
    while waiting:
        for name in re.findall(r"#/components/schemas/(\w+)", waiting.pop()):
            if name not in found:
                found.add(name)
                waiting.append(str(schemas[name]))
    return found


def _operations(answers: Answers, wanted: Callable[[str], bool]) -> str:
    parts = []
    for path, item in answers.openapi["paths"].items():
        for method in (each for each in _METHODS if each in item and wanted(path)):
            operation = item[method]
            parts.append(f"### {method.upper()} {path}\n")
            text = operation.get("description") or operation.get("summary", "")
            parts.append(f"{_cell(text)} Operation `{operation['operationId']}`.\n")
            parameters = operation.get("parameters", [])
            if parameters:
                parts.append("| parameter | in | |\n|---|---|---|")
                parts += [
                    f"| `{each['name']}` | {each['in']} | {_cell(each.get('description', ''))} |"
                    for each in parameters
                ]
                parts.append("")
            statuses = sorted(operation["responses"])
            parts.append(f"Statuses: {', '.join(statuses)}.\n")
    return "\n".join(parts)


def _metrics(answers: Answers) -> str:
    parts = ["| metric | type | labels | |\n|---|---|---|---|"]
    for family in sorted(text_string_to_metric_families(answers.metrics), key=lambda each: each.name):
        labels = dict.fromkeys(label for sample in family.samples for label in sample.labels)
        named = ", ".join(f"`{label}`" for label in labels if label != "le")
        name = family.name + ("_total" if family.type == "counter" else "")
        parts.append(f"| `{name}` | {family.type} | {named} | {_cell(family.documentation)} |")
    return "\n".join(parts) + "\n"


def _commands() -> str:
    parts: list[str] = []

    def add(command: Any, name: str) -> None:
        if getattr(command, "hidden", False):
            return
        subcommands = getattr(command, "commands", {})
        if not subcommands:
            parts.append(f"### {name}\n\n{_cell(command.help or '')}\n")
            parts.append("| argument or option | choices, default | |\n|---|---|---|")
            for each in command.params:
                if each.name == "help":
                    continue
                option = each.param_type_name == "option"
                shown = ", ".join([*each.opts, *each.secondary_opts]) if option else each.name.upper()
                kind = each.type_descriptor.annotation
                said = each.metavar or ", ".join(map(str, get_args(kind))) or kind.__name__
                default = each.default if isinstance(each.default, int | float | str) else None
                if default not in (None, "", False):
                    said += f"; {default}"
                parts.append(f"| `{shown}` | {_cell(said)} | {_cell(getattr(each, 'help', '') or '')} |")
            parts.append("")
        for child in sorted(subcommands):
            add(subcommands[child], f"{name} {child}")

    add(typer.main.get_command(snn.build()), "snn")
    statuses = "\n".join(f"| {number} | {text} |" for number, text in snn.EXIT_STATUSES.items())
    return "\n".join([*parts, "### Exit statuses\n", "| status | meaning |\n|---|---|", statuses, ""])


def _manifest() -> str:
    document = Manifest.model_json_schema(ref_template="#/$defs/{model}")
    parts = ["### Manifest\n", _cell(document["description"]) + "\n", *_fields(document), ""]
    for name, schema in document.get("$defs", {}).items():
        if schema.get("properties"):
            parts += [f"### {name}\n", _cell(schema.get("description", "")) + "\n", *_fields(schema), ""]
    return "\n".join(parts)


def made(answers: Answers) -> dict[str, str]:
    """The content of every block, by name."""
    v2 = _used_by(answers, "/v2") - {"ErrorAnswer"}
    blocks = {
        "operations": _operations(answers, lambda path: not path.startswith("/v2")),
        "operations-v2": _operations(answers, lambda path: path.startswith("/v2")),
        "fields": _schemas(answers, lambda name: name not in v2),
        "fields-v2": _schemas(answers, lambda name: name in v2),
        "metrics": _metrics(answers),
        "commands": _commands(),
        "manifest": _manifest(),
    }
    return {name: _without_dead_links(text) for name, text in blocks.items()}


def _without_dead_links(text: str) -> str:
    """A block in which types that have no table of their own are plain words."""
    headings = {heading.lower() for heading in re.findall(r"^### (\w+)$", text, re.MULTILINE)}
    return re.sub(r"\[(\w+)\]\(#(\w+)\)", lambda link: link[0] if link[2] in headings else link[1], text)


def renewed(text: str, blocks: dict[str, str]) -> str:
    """A page with its blocks as they have to be."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{blocks[found[2]]}\n{found[3]}", text)


def main() -> int:
    """Renew the pages."""
    blocks = made(ask())
    for page in sorted(REFERENCE.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if renewed(text, blocks) != text:
            page.write_text(renewed(text, blocks), encoding="utf-8")
            sys.stdout.write(f"{page.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
