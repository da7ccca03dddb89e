"""The real server with a model of each kind."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import bundles
from tests.support.server import Server, running


@contextmanager
def serving_both(
    folder: Path, *, taps: bool = True, domain: bool = False, **settings: object
) -> Iterator[Server]:
    """A server of the small htru2 and a small tox21, in ``folder``, that is ready and has to end well.

    With ``domain`` the tox21 judges what is applicable, and tells its domain.

    Its ``repository`` is where more can be published.
    """
    repository = folder / "repository"
    repository.mkdir()
    bundles.publish(repository, taps=taps)
    kind = bundles.JUDGED_MOLECULES if domain else bundles.MOLECULES
    compounds = bundles.domain_of(kind) if domain else None
    bundles.publish(repository, name="tox21", kind=kind, taps=taps, domain=compounds)
    with running(folder, models=repository, **settings) as server:
        server.repository = repository
        assert server.wait_until_ready(60).status_code == 200
        yield server
        assert server.stop() == 0
