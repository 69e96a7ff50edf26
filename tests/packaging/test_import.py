"""Importing the package costs next to nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "cv2", "scipy", "matplotlib", "ipywidgets", "anywidget", "IPython")

pytestmark = pytest.mark.packaging


def _loaded(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sorted(m for m in {HEAVY!r} if m in sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", script], check=True, stdout=subprocess.PIPE, text=True
    )
    return set(result.stdout.split())


def test_import_loads_nothing_heavy() -> None:
    assert _loaded("import iseg_widget") == set()


def test_listing_methods_and_weights_does_not_load_torch() -> None:
    code = "import iseg_widget as i\ni.list_methods(); i.list_weights()"
    assert "torch" not in _loaded(code)


def test_every_public_name_is_there() -> None:
    import iseg_widget

    for name in iseg_widget.__all__:
        assert getattr(iseg_widget, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = iseg_widget.no_such_name
