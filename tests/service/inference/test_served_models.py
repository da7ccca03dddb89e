"""The models that are served: what each call changes, what it keeps, and what it refuses."""

from types import SimpleNamespace
from typing import cast

import pytest

from service.errors import ModelNotFound, ModelNotReady, VersionNotFound
from service.inference.integrity import IntegrityFault
from service.inference.served_models import OnTrial, ServedModel, ServedModels

FAULT = cast("IntegrityFault", object())  # it is only carried


def version(number: int) -> ServedModel:
    """A model of which only the version is looked at."""
    return cast(
        "ServedModel", SimpleNamespace(manifest=SimpleNamespace(version=number), trial=OnTrial())
    )


def test_a_repository_that_was_not_read_is_said() -> None:
    """Before the first look at the repository no model is unknown: it may be there."""
    models = ServedModels()
    with pytest.raises(ModelNotReady, match=r"^the models are not loaded: the model repository has not"):
        models.get("htru2")
    with pytest.raises(ModelNotReady):
        models.state("htru2")
    models.trouble = None
    with pytest.raises(ModelNotFound, match=r"no model named 'htru2' is served here; there is none$"):
        models.state("htru2")
    models.announce("b")
    models.announce("a")
    with pytest.raises(ModelNotFound, match=r"there is a, b$"):
        models.get("x" * 100)


def test_a_model_is_announced_once() -> None:
    """A second announcement changes nothing; an announced model is promised, and cannot answer yet."""
    models = ServedModels()
    models.announce("a", promised=False)
    models.announce("a")
    models.announce("b")
    assert [(state.promised, state.ready) for state in models.states().values()] == [
        (False, False),
        (True, False),
    ]
    with pytest.raises(ModelNotReady, match="model 'b' cannot answer: it is loading"):
        models.get("b")
    models.forget("a")
    models.forget("a")
    assert list(models.states()) == ["b"]


def test_putting_a_model_clears_what_was_wrong_with_another_version() -> None:
    """The fault of the same version is kept, after a reload too; promises are kept by all."""
    models = ServedModels()
    models.announce("a")
    assert models.put("a", version(1)) is None
    models.checked("a", FAULT, "torn")
    state = models.state("a")
    assert (state.intact, state.fault, state.files_error) == (False, FAULT, "torn")
    old = models.put("a", version(1))
    assert old is not None
    assert old.manifest.version == 1
    state = models.state("a")
    assert (state.intact, state.fault, state.files_error, state.promised) == (True, FAULT, None, True)
    models.put("a", version(2))
    state = models.state("a")
    assert (state.fault, state.has_served, state.promised) == (None, True, True)
    assert state.checked_at is not None


def test_a_good_check_keeps_the_fault_that_was_found() -> None:
    """An operator sees what a reload has repaired."""
    models = ServedModels()
    models.put("a", version(1))
    models.checked("a", FAULT)
    models.checked("a", None)
    state = models.state("a")
    assert (state.intact, state.fault) == (True, FAULT)


def test_blame_keeps_what_is_served() -> None:
    """An error beside a served model is told and cleared; only a withdrawal ends it."""
    models = ServedModels()
    served = version(1)
    models.put("a", served)
    models.blame("a", "the next version is torn", vanished=True)
    state = models.state("a")
    assert (state.error, state.vanished, models.get("a")) == ("the next version is torn", True, served)
    models.blame("a", None)
    assert (models.state("a").error, models.state("a").vanished) == (None, False)
    assert models.withdraw("a", "altered weights") is served
    state = models.state("a")
    assert (state.ready, state.intact, state.has_served) == (False, False, True)
    with pytest.raises(ModelNotReady, match="cannot answer: altered weights"):
        models.get("a")
    models.blame("new", "not a bundle")
    assert models.state("new").promised is False


def test_unloading_is_no_fault() -> None:
    """It is told apart from a failure, and refused for a model that is not there."""
    models = ServedModels()
    models.trouble = None
    models.put("a", version(1))
    models.unload("a")
    state = models.state("a")
    assert (state.unloaded, state.ready, state.intact) == (True, False, True)
    with pytest.raises(ModelNotFound):
        models.unload("b")


def test_a_version_is_served_only_under_its_number() -> None:
    """Another number, and one with other digits, are not found."""
    served = version(12)
    of_version = ServedModel.of_version
    assert of_version(served, None) is served
    assert of_version(served, "12") is served
    for other in ("1", "012", "12 ", ""):
        served.manifest.name = "a"  # type: ignore[misc]
        with pytest.raises(VersionNotFound, match=r"of model 'a' is not loaded; version 12 is"):
            of_version(served, other)
