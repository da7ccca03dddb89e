"""The project's command for training, called in this process: importing torch takes seconds."""

import contextlib
import io
import os
import sys
from dataclasses import dataclass
from unittest import mock

from tests.support.server import ROOT


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def call(*arguments: str, **environment: str) -> Done:
    """Run the training command line as ``python -m training`` does, right or wrong."""
    from training.cli.app import main  # not every test of a command has the extra train

    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["python -m training", *arguments]),
        mock.patch.dict(os.environ, environment),
        contextlib.chdir(ROOT),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        status: object = 0
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
    assert isinstance(status, int), status
    return Done(status, out.getvalue(), err.getvalue())


def training(*arguments: str) -> str:
    """Run the training command line, which must succeed; return what it printed."""
    done = call(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout
