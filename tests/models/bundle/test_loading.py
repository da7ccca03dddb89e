"""Damaged and hostile bundles are refused, also where their hashes were corrected."""

import dataclasses
import io
import json
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from models.bundle.golden import FLOAT32, Golden
from models.bundle.loading import file_entry, open_bundle
from models.bundle.manifest import GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE
from models.errors import BundleRefused, FeaturizerError, NotReproduced, Place
from tests.support import bundles

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a valid bundle."""
    bundles.publish(tmp_path)
    return tmp_path / "htru2" / "1"


def edit(folder: Path, change: Edit) -> None:
    """Change the manifest."""
    path = folder / MANIFEST_FILE
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def replace(folder: Path, name: str, content: bytes) -> None:
    """Replace a file, and its entry in the manifest with it."""
    (folder / name).write_bytes(content)
    entry = file_entry(content).model_dump()
    edit(folder, lambda document: document["files"].update({name: entry}))


def change_graph(folder: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    """Replace the graph by a changed one."""
    model = onnx.load_model_from_string((folder / MODEL_FILE).read_bytes())
    change(model)
    replace(folder, MODEL_FILE, model.SerializeToString())


def test_a_sound_bundle_opens(folder: Path) -> None:
    """The bundle that the other tests change is valid before."""
    assert open_bundle(folder).manifest.name == "htru2"


def keep_weights_outside(model: onnx.ModelProto) -> None:
    """Let a tensor keep its values in a file of the machine."""
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (keep_weights_outside, "outside itself"),
        (lambda model: model.graph.output.pop(0), "foreign: its outputs"),
        (lambda model: setattr(model.graph.input[0], "name", "other"), "foreign: its inputs"),
    ],
)
def test_a_graph_that_is_not_the_contracts_is_refused(
    folder: Path, change: Callable[[onnx.ModelProto], None], reason: str
) -> None:
    """Right hashes do not make a foreign graph one of ours."""
    change_graph(folder, change)
    with pytest.raises(BundleRefused, match=reason):
        open_bundle(folder)


@pytest.mark.parametrize("content", [b"", b"no model", bytes(range(256))])
def test_what_is_no_model_is_refused(folder: Path, content: bytes) -> None:
    """Bytes that are no ONNX file end in a sentence."""
    replace(folder, MODEL_FILE, content)
    with pytest.raises(BundleRefused, match=r"model\.onnx"):
        open_bundle(folder)


def pickled() -> bytes:
    """An archive whose records are pickled objects."""
    stream = io.BytesIO()
    np.savez(stream, records=np.array([{"a": 1}, None], dtype=object))
    return stream.getvalue()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", pickled()])
def test_golden_rows_that_cannot_be_trusted_are_refused(folder: Path, content: bytes) -> None:
    """A broken archive is refused, and so is a pickle, unread."""
    replace(folder, GOLDEN_FILE, content)
    with pytest.raises(BundleRefused, match=r"golden\.npz cannot be read"):
        open_bundle(folder)


def bomb(folder: Path, name: str) -> bytes:
    """The same arrays, and one of zeros that is small only while it is packed."""
    with np.load(folder / name) as file:
        arrays = {key: file[key] for key in file.files}
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays, zeros=np.zeros(100 << 20, np.uint8))
    return stream.getvalue()


def liar(folder: Path, name: str) -> bytes:
    """An array whose head claims far more values than follow."""
    stream = io.BytesIO()
    with zipfile.ZipFile(folder / name) as old, zipfile.ZipFile(stream, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename in ("features.npy", "centre.npy"):
                head = io.BytesIO()
                shape = {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)}
                np.lib.format.write_array_header_1_0(head, shape)
                content = head.getvalue()
            new.writestr(entry.filename, content)
    return stream.getvalue()


@pytest.mark.parametrize("name", ["golden.npz", "reference.npz"])
@pytest.mark.parametrize(("change", "reason"), [(bomb, "unpacks to"), (liar, "claims more values")])
def test_what_unpacks_to_too_much_is_refused_before_it_does(
    folder: Path, name: str, change: Callable[[Path, str], bytes], reason: str
) -> None:
    """A file of some hundred KiB does not take hundreds of MiB, whatever its hashes say."""
    content = change(folder, name)
    assert len(content) < 400_000
    replace(folder, name, content)
    tracemalloc.start()
    try:
        with pytest.raises(BundleRefused, match=f"{name}.*{reason}"):
            open_bundle(folder)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_too_many_golden_rows_are_refused() -> None:
    """They are computed at once, so there are no more than a batch has rows."""
    rows = np.zeros((257, 1), np.float32)
    golden = Golden(("C",) * 257, rows, rows, rows)
    with pytest.raises(BundleRefused, match="257 rows, 256 are allowed"):
        Golden.from_bytes(golden.to_bytes())


def more_files(document: dict[str, Any]) -> None:
    """List a file outside the folder."""
    document["files"]["../../../etc/passwd"] = {"bytes": 1, "sha256": "0" * 64}


def flat_covariance(document: dict[str, Any]) -> None:
    """Let the reference be of no spread at all."""
    del document["files"]["reference.npz"]
    for member in document["reference"]:
        size = len(member["centre"])
        member |= {"covariance": [[0.0] * size] * size, "scores": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (more_files, "it lists the files"),
        (flat_covariance, "covariance is not usable"),
        (lambda document: document.update(surprise=1), "surprise"),
        (lambda document: document.pop("targets"), "targets"),
        (lambda document: document["reference"].pop(), "one reference per member"),
        (lambda document: document["reference"][0]["centre"].pop(), "malformed"),
        (lambda document: document.update(features=9), "9"),
        (lambda document: document["targets"].append(document["targets"][0]), "the manifest says"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(folder: Path, change: Edit, reason: str) -> None:
    """The reason names the entry."""
    edit(folder, change)
    with pytest.raises(BundleRefused, match=reason):
        open_bundle(folder)


def test_a_featurizer_of_another_release_is_named(folder: Path) -> None:
    """A bundle whose features this build cannot make says which it would need."""
    edit(folder, lambda document: document["featurizer"].update(identifier="pulsar-99"))
    with pytest.raises(FeaturizerError, match="pulsar-99"):
        open_bundle(folder)


def test_a_pipe_in_a_files_place_is_not_waited_for(folder: Path) -> None:
    """Opening never hangs on what is no plain file."""
    (folder / MODEL_FILE).unlink()
    os.mkfifo(folder / MODEL_FILE)
    with pytest.raises(BundleRefused, match="not a plain file"):
        open_bundle(folder)


def test_golden_rows_name_what_differs(folder: Path) -> None:
    """A feature by its name, a layer by its member and number, an output by its distance."""
    golden = open_bundle(folder).golden
    names = tuple(f"feature {column}" for column in range(golden.features.shape[1]))
    features = golden.features.copy()
    features[2, 3] += 1
    with pytest.raises(BundleRefused, match="row 2: feature feature 3"):
        golden.check_features(features, names, FLOAT32)
    golden.check_outputs(golden.arrays(), names, FLOAT32)


@pytest.mark.parametrize(
    ("spoil", "amount", "place"),
    [
        (["taps", "squashed"], np.nan, Place("squash")),
        (["taps", "member_logit"], 0.01, Place("layer", 1, 3)),
        (["taps"], np.nan, Place("layer", 1, 3)),
        (["logit", "member_logit"], 0.01, Place("output", 1)),
        (["logit"], 0.01, Place("calibration")),
        (["probability"], np.nan, Place("calibration")),
    ],
)
def test_golden_rows_find_the_first_part_that_differs(
    folder: Path, spoil: list[str], amount: float, place: Place
) -> None:
    """What comes first in computing is named, whatever follows from it; NaN is never equal."""
    golden = open_bundle(folder).golden
    names = tuple(f"feature {column}" for column in range(golden.features.shape[1]))
    outputs = {name: array.copy() for name, array in golden.arrays().items()}
    where = {"taps": (0, 1, 2, 0), "member_logit": (0, 1, 0)}
    for name in spoil:
        outputs[name][where.get(name, (0, 0))] += amount
    with pytest.raises(NotReproduced) as found:
        golden.check_outputs(outputs, names, FLOAT32)
    assert found.value.place == place


def test_an_older_bundles_golden_rows_are_compared_as_far_as_they_go(folder: Path) -> None:
    """Without members' logits a wrong output layer still shows, in what follows it."""
    golden = dataclasses.replace(open_bundle(folder).golden, squashed=None, member_logit=None)
    assert Golden.from_bytes(golden.to_bytes()).member_logit is None
    outputs = {**golden.arrays(), "logit": golden.logit + 1}
    with pytest.raises(NotReproduced, match="what follows the networks"):
        golden.check_outputs(outputs, (), FLOAT32)


def test_golden_rows_survive_their_file() -> None:
    """Records of any JSON kind and arrays come back as they were."""
    array = np.arange(4, dtype=np.float32)
    golden = Golden(("CCO", [1.5, None]), *[array.reshape(2, 2)] * 3, array.reshape(2, 1, 1, 2))
    again = Golden.from_bytes(golden.to_bytes())
    assert again.records == golden.records
    assert np.array_equal(again.taps, golden.taps)
