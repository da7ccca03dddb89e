"""``python -m models.registry.seed SOURCE TARGET``: bring a repository the versions that it lacks.

A volume outlives the images that use it and hides the bundles of a newer one. Run before the
service starts, this copies them in; what is there, and which version serves, stays as it is.
"""

import sys
from pathlib import Path

from models.errors import ModelError
from models.registry.store import Repository


def main(arguments: list[str]) -> int:
    """Seed TARGET from SOURCE, say what was copied, and return the exit status."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m models.registry.seed SOURCE TARGET\n")
        return 2
    source, target = (Repository(Path(argument)) for argument in arguments)
    try:
        copied = target.seed(source)
    except (ModelError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    for model, version in copied:
        sys.stdout.write(f"{model}: version {version} copied to {target.root / model}\n")
    if not copied:
        sys.stdout.write(f"{target.root} lacks no version of {source.root}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
