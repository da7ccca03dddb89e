"""``POST /molecule.svg``: a picture of a molecule.

It is a POST, since proxies log addresses, and a SMILES belongs in no log.

The molecule is drawn as it was written, if the models would take it. RDKit holds the interpreter's lock
while it computes coordinates, some 30 ms for the largest molecule and 1 ms for most. So one thread draws
one molecule at a time, a limited number may wait, and after each the thread pauses for longer than it
drew, in which predictions run.
"""

import asyncio
import importlib
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter, sleep
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from rdkit import Chem

from models.features.molecules.rdkit_log import captured_rdkit_log
from models.features.molecules.reading import MAX_CHARACTERS, Unreadable, read_smiles
from models.features.molecules.standardise import Standardised, standardise
from service.api.body.decoding import decode, read_json
from service.api.openapi import answers, request_body
from service.api.routes.security_headers import page_headers
from service.api.schemas import Drawing
from service.errors import DrawingUnavailable, InvalidRequest, Overloaded

PATH = "/molecule.svg"

#: The picture of a larger molecule is not readable.
MAX_HEAVY_ATOMS = 100
WIDTH, HEIGHT = 320, 220
#: Drawings that may wait.
_MOST_WAITING = 64
#: Seconds of pause for each second of drawing.
_REST = 2.0

_BOND_WIDTH, _FONT_SIZE = 1.6, 13

_MOST_BYTES = 8 * MAX_CHARACTERS  # every character may be escaped

#: RDKit writes colours as style attributes; nothing else may be in there.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

_DESCRIPTION = (
    f"A molecule of at most {MAX_HEAVY_ATOMS} heavy atoms as it was written, on a transparent ground;"
    " `dark` draws it for a dark page."
)
_decoder = msgspec.json.Decoder(Drawing)


class MoleculeDrawer:
    """Draws molecules one at a time. Its methods are called from the event loop's thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="draw")
        self._waiting = 0
        #: Seconds that the last drawing took; the thread's own.
        self._took = 0.0

    async def draw(self, smiles: str, *, dark: bool = False) -> str:
        """Return an SVG document.

        Raises ``InvalidRequest`` for no molecule, ``Overloaded`` and ``DrawingUnavailable``.
        """
        if self._waiting >= _MOST_WAITING:
            raise Overloaded(f"{self._waiting} drawings are waiting, which is the most", 1.0)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            drawn = loop.run_in_executor(self._thread, self._draw, smiles, dark)
            self._thread.submit(self._rest)  # after the picture is delivered
            return await drawn
        finally:
            self._waiting -= 1

    def _draw(self, smiles: str, dark: bool) -> str:
        started = perf_counter()
        try:
            return svg_of(smiles, dark=dark)
        finally:
            self._took = perf_counter() - started

    def _rest(self) -> None:
        sleep(_REST * self._took)


def svg_of(smiles: str, *, dark: bool = False) -> str:
    """Draw a SMILES on a transparent ground, ``dark`` for a dark page.

    Raises ``InvalidRequest`` for no molecule that can be drawn, and ``DrawingUnavailable``.
    """
    library = drawing_library()
    try:
        bare = read_smiles(smiles)
        size = bare.GetNumHeavyAtoms()
        if size > MAX_HEAVY_ATOMS:
            raise InvalidRequest(
                f"the molecule has {size} heavy atoms; at most {MAX_HEAVY_ATOMS} are drawn"
            )
        written, judged = Chem.Mol(bare), standardise(bare)
    except Unreadable as fault:
        raise InvalidRequest(str(fault)) from fault
    with captured_rdkit_log():
        molecule = _as_written(written, judged)
        drawer = new_drawer(library, dark=dark)
        options = drawer.drawOptions()
        options.fixedFontSize = _FONT_SIZE
        options.bondLineWidth = _BOND_WIDTH
        # Small molecules are not blown up to fill the picture.
        options.fixedBondLength = 28
        try:
            drawer.DrawMolecule(library.PrepareMolForDrawing(molecule))
        except (RuntimeError, ValueError) as error:  # a failed invariant inside RDKit
            raise InvalidRequest("the molecule cannot be drawn by RDKit") from error
        drawer.FinishDrawing()
    return str(drawer.GetDrawingText())


def new_drawer(library: Any, *, dark: bool) -> Any:
    """A drawer of the page's size, without a background of its own."""
    drawer = library.MolDraw2DSVG(WIDTH, HEIGHT)
    options = drawer.drawOptions()
    if dark:
        library.SetDarkMode(options)
    options.clearBackground = False
    options.padding = 0.08
    return drawer


def differs(smiles: str, parent: str) -> bool:
    """Whether a parent is another graph than what was written: stereo and isotopes are left aside."""
    return _graph(smiles) != _graph(parent)


def _graph(smiles: str) -> str | None:
    try:
        molecule = read_smiles(smiles)
        with captured_rdkit_log():
            Chem.SanitizeMol(molecule)
            for atom in molecule.GetAtoms():
                atom.SetIsotope(0)  # a hydrogen with one would stay
            return Chem.MolToSmiles(Chem.RemoveHs(molecule), isomericSmiles=False)
    except (Unreadable, Chem.MolSanitizeException, RuntimeError, ValueError):
        return None


def drawing_library() -> Any:
    """Return RDKit's drawing module; raises ``DrawingUnavailable`` without the X11 libraries it needs.

    It is loaded for the first picture, so that the service runs without them.
    """
    try:
        return importlib.import_module("rdkit.Chem.Draw.rdMolDraw2D")
    except ImportError as error:
        raise DrawingUnavailable(
            f"molecules cannot be drawn on this machine: {error};"
            " on Debian the packages libxrender1, libxext6 and libexpat1 bring what is missing"
        ) from error


def _as_written(written: Chem.Mol, judged: Standardised) -> Chem.Mol:
    """Return the record's own graph with salts and stereo, or the parent where it was repaired."""
    try:
        Chem.SanitizeMol(written)
    except Chem.MolSanitizeException:
        return judged.parent
    Chem.AssignStereochemistry(written, cleanIt=True, force=True)
    return written


def routes(drawing: MoleculeDrawer) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["predict"])

    @router.post(
        PATH,
        summary="Draw a molecule",
        description=_DESCRIPTION,
        response_class=Response,
        openapi_extra=request_body(Drawing),
        responses=answers(None, 400, 408, 413, 415, 422, 429, 503)
        | {200: {"content": {"image/svg+xml": {"schema": {"type": "string"}}}}},
    )
    async def molecule(request: Request) -> Response:
        body = decode(await read_json(request.scope, request.receive, _MOST_BYTES), _decoder)
        svg = await drawing.draw(body.smiles, dark=body.dark)
        headers = {**page_headers(_POLICY), "cache-control": "no-store"}
        if body.parent is not None:
            headers["x-parent-differs"] = str(int(differs(body.smiles, body.parent)))
        return Response(svg, headers=headers, media_type="image/svg+xml")

    return router
