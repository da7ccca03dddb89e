"""``POST /molecule.svg``: a picture of a molecule.

By POST, since an address ends up in the logs of every proxy on the way, and a SMILES belongs in none.

What is drawn is the molecule as it was written; what would not be judged is not drawn either. RDKit
holds the interpreter while it finds coordinates, some 30 ms for the largest molecule taken here and
1 ms for most. So drawings wait for one another, few of them may wait, and after each the thread rests
for longer than it took: predictions get through in between.
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
from models.features.molecules.standardise import (
    MAX_CHARACTERS,
    Standardised,
    Unreadable,
    read_smiles,
    standardise,
)
from service.api.body.decoding import decode, read_json
from service.api.openapi import answers, request_body
from service.api.routes.security_headers import page_headers
from service.api.schemas import Drawing
from service.errors import DrawingUnavailable, InvalidRequest, Overloaded

PATH = "/molecule.svg"

#: More heavy atoms than this are a picture that nobody can read.
MAX_HEAVY_ATOMS = 100
WIDTH, HEIGHT = 320, 220
#: Drawings that may wait.
_MOST_WAITING = 64
#: Seconds of rest for each second of drawing.
_REST = 2.0

_BOND_WIDTH, _FONT_SIZE = 1.6, 13

_MOST_BYTES = 8 * MAX_CHARACTERS  # with every character escaped, and room to spare

#: RDKit writes colours as style attributes; nothing else may be in there.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

_DESCRIPTION = (
    f"A molecule of at most {MAX_HEAVY_ATOMS} heavy atoms as it was written, on a transparent ground;"
    " `dark` draws it for a dark page."
)
_decoder = msgspec.json.Decoder(Drawing)


class MoleculeDrawer:
    """All methods belong to the event loop's thread."""

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
            self._thread.submit(self._rest)  # behind the picture, which does not wait for it
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
    """Draw a SMILES on a transparent ground, ``dark`` for a page that is; raises as ``draw``."""
    library = _library()
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
        drawer: Any = library.MolDraw2DSVG(WIDTH, HEIGHT)
        options = drawer.drawOptions()
        if dark:
            library.SetDarkMode(options)
        options.clearBackground = False
        options.padding = 0.08
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


def _library() -> Any:
    """RDKit's drawing module, which wants libraries of X11 that a bare machine or image lacks.

    It is loaded when a picture is asked for, so that all else is served without them.
    """
    try:
        return importlib.import_module("rdkit.Chem.Draw.rdMolDraw2D")
    except ImportError as error:
        raise DrawingUnavailable(
            f"molecules cannot be drawn on this machine: {error};"
            " on Debian the packages libxrender1, libxext6 and libexpat1 bring what is missing"
        ) from error


def _as_written(written: Chem.Mol, judged: Standardised) -> Chem.Mol:
    """The record's own graph with its salts and stereo, or the parent where it had to be mended."""
    try:
        Chem.SanitizeMol(written)
    except Chem.MolSanitizeException:
        return judged.parent
    Chem.AssignStereochemistry(written, cleanIt=True, force=True)
    return written


def routes(drawing: MoleculeDrawer) -> APIRouter:
    """The one route."""
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
        return Response(svg, headers=headers, media_type="image/svg+xml")

    return router
