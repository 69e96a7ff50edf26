"""The wheel works where there is neither the repository nor Node."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging

SEGMENT = """
import json, sys
import iseg_widget as iseg
from iseg_widget.masks import iou
light = "torch" not in sys.modules
sample = iseg.datasets.load("demo")[0]
method = iseg.load_method("focalclick", device="cpu")
from iseg_widget.evaluation.robot import next_click
session = iseg.Session(method, sample.image, truth=sample.mask)
clicks = []
for _ in range(5):
    clicks.append(next_click(session.mask, sample.mask, clicks))
    session.click_many(clicks[-1:])
mask = iseg.segment(sample.image, positive=[(clicks[0].x, clicks[0].y)], method=method)
widget = iseg.SegmentationWidget(sample.image)
print(json.dumps({
    "light": light,
    "file": iseg.__file__,
    "version": iseg.__version__,
    "iou": session.step.iou,
    "one_click": iou(mask, sample.mask),
    "script": len(widget._esm if isinstance(widget._esm, str) else str(widget._esm)),
}))
"""


def _build(kind: str, folder: Path, project: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", folder],
        cwd=project,
        check=True,
        capture_output=True,
        text=True,
    )
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build("wheel", tmp_path_factory.mktemp("wheel"), project_root)


def test_wheel_carries_everything(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    inside = [name for name in names if ".dist-info/" not in name]
    assert all(name.startswith("iseg_widget/") for name in inside)
    for needed in (
        "iseg_widget/py.typed",
        "iseg_widget/widget/static/widget.js",
        "iseg_widget/widget/static/widget.css",
    ):
        assert needed in inside
    assert any(
        name.startswith("iseg_widget/weights/") and name.endswith(".safetensors") for name in inside
    )
    demo = [name for name in inside if name.startswith("iseg_widget/datasets/demo/")]
    assert {".jpg", ".png"} <= {Path(name).suffix for name in demo}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".ts")]
    assert wheel.stat().st_size < 60e6


def test_wheel_runs_without_repository_and_node(
    wheel: Path, project_root: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    environment = {"PATH": str(programs), "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    environment |= _pip_settings()
    assert shutil.which("node", path=environment["PATH"]) is None
    install = [programs / "python", "-m", "pip", "install", "-qq", "--no-compile"]
    subprocess.run([*install, "-c", project_root / "constraints.txt", wheel], check=True)
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    result = subprocess.run(
        [programs / "python", "-I", "-c", SEGMENT],
        cwd=outside,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    report = json.loads(result.stdout)
    assert str(tmp_path) in report["file"]
    assert report["light"]
    assert report["version"] == "0.1.0"
    assert report["iou"] >= 0.8
    assert report["one_click"] > 0.3
    assert report["script"] > 1000
    help_text = subprocess.run(
        [programs / "iseg-widget", "--help"], cwd=outside, env=environment, check=True,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert "iseg-widget" in help_text.stdout


def test_wheel_without_bundle_is_refused(project_root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "source"
    copy.mkdir()
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(project_root / name, copy)
    (copy / "iseg_widget").mkdir()
    (copy / "iseg_widget" / "__init__.py").touch()
    result = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert "make bundle" in result.stderr
    assert not list(copy.rglob("*.whl"))


def test_source_distribution_is_the_repository_without_what_was_installed(
    project_root: Path, tmp_path: Path
) -> None:
    with tarfile.open(_build("sdist", tmp_path, project_root)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for needed in (
        "pyproject.toml",
        "constraints.txt",
        "Makefile",
        "js/package-lock.json",
        "js/src/index.ts",
        "iseg_widget/__init__.py",
        "notebooks/00_quickstart.ipynb",
        "tests/conftest.py",
    ):
        assert needed in names
    unwanted = ("node_modules/", ".venv/", "__pycache__/", ".git/", "test-results/")
    assert not [name for name in names for part in unwanted if part in f"{name}/"]


def _pip_settings() -> dict[str, str]:
    """What tells pip where packages are, where a machine needs that."""
    import os

    kept = ("PIP_", "SSL_", "http_proxy", "https_proxy", "no_proxy", "REQUESTS_CA_BUNDLE")
    return {name: value for name, value in os.environ.items() if name.startswith(kept)}
