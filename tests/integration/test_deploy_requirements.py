"""What the images install, as read from pyproject.toml."""

import importlib.util
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
BASE = tomllib.loads(PYPROJECT)["project"]["dependencies"]

Requirements = Callable[..., list[str]]


@pytest.fixture(scope="module")
def requirements() -> Requirements:
    """The script's function, loaded from its file."""
    spec = importlib.util.spec_from_file_location("requirements", ROOT / "deploy" / "requirements.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Requirements = module.requirements
    return function


def test_the_service_gets_the_base_with_the_small_onnxruntime(requirements: Requirements) -> None:
    """Line by line the project's own dependencies, the CUDA build of onnxruntime apart."""
    lines = requirements(PYPROJECT)
    assert [line.replace("onnxruntime-gpu", "onnxruntime") for line in BASE] == lines
    assert not any(line.startswith(("onnxruntime-gpu", "torch")) for line in lines)


def test_training_adds_torch(requirements: Requirements) -> None:
    """The extra comes after the base."""
    lines = requirements(PYPROJECT, "train")
    assert any(line.startswith("torch") for line in lines)
    assert lines[: len(BASE)] == requirements(PYPROJECT)


def test_a_gpu_image_keeps_the_cuda_build(requirements: Requirements) -> None:
    """With the extra `gpu` nothing is replaced, and CUDA's libraries come with it."""
    lines = requirements(PYPROJECT, "gpu")
    assert lines[: len(BASE)] == BASE
    assert any(line.startswith("onnxruntime-gpu[cuda,cudnn]") for line in lines)


def test_an_unknown_extra_fails(requirements: Requirements) -> None:
    """A misspelt build argument stops the build instead of building something else."""
    with pytest.raises(KeyError):
        requirements(PYPROJECT, "gpus")
