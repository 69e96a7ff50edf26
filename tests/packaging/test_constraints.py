"""Every dependency that the project names is pinned to a version that its range admits."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.packaging


@pytest.fixture
def pins(project_root: Path) -> dict[str, str]:
    lines = (project_root / "constraints.txt").read_text().splitlines()
    named = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): pin for name, pin in named}


def _requirements(project_root: Path) -> list[Requirement]:
    project = tomllib.loads((project_root / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(line) for lines in (project["dependencies"], *extras) for line in lines]


def test_every_requirement_is_pinned_within_its_range(
    project_root: Path, pins: dict[str, str]
) -> None:
    for requirement in _requirements(project_root):
        pin = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pin), f"{requirement} does not admit {pin}"


def test_pins_are_exact_and_public(pins: dict[str, str]) -> None:
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", pin) for pin in pins.values())


def test_what_is_tested_is_what_is_pinned(project_root: Path, pins: dict[str, str]) -> None:
    for requirement in _requirements(project_root):
        installed = version(requirement.name).partition("+")[0]
        assert installed == pins[canonicalize_name(requirement.name)], requirement.name
