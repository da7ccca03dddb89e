"""Print the requirements of an image, read from pyproject.toml: ``requirements.py [EXTRA]``.

They are a layer of their own, which a change of the sources leaves in the cache. Without the extra
``gpu`` the image gets plain onnxruntime: the same library less its CUDA provider, a tenth the size.
"""

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def requirements(pyproject: str, extra: str = "") -> list[str]:
    """The base dependencies in the text of a pyproject.toml and those of one extra."""
    project = tomllib.loads(pyproject)["project"]
    lines: list[str] = project["dependencies"]
    if extra:
        lines = [*lines, *project["optional-dependencies"][extra]]
    if extra == "gpu":
        return lines
    return [re.sub(r"^onnxruntime-gpu(?=[<>=!~ ;])", "onnxruntime", line) for line in lines]


if __name__ == "__main__":
    for requirement in requirements(PYPROJECT.read_text(encoding="utf-8"), *sys.argv[1:2]):
        sys.stdout.write(f"{requirement}\n")
