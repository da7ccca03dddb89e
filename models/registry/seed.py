"""``python -m models.registry.seed SOURCE TARGET``: copy the versions that a repository lacks.

A volume outlives the images that use it, and hides the bundles of a newer image. This command, run
before the service starts, copies them into the volume. Existing versions and champions stay as they
are.
"""

import sys
from pathlib import Path

from models.errors import ModelError
from models.registry.store import Repository


def main(arguments: list[str]) -> int:
    """Seed TARGET from SOURCE and print what was copied.

    Returns the exit status: 0, 1 if a repository cannot be read or written, 2 for wrong arguments.
    """
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
