"""Build hook: a wheel without the browser bundle would install and then show nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUNDLE = "iseg_widget/widget/static/widget.js"


class BundleHook(BuildHookInterface[Any]):
    """Refuse to build a wheel before ``js/`` has been built."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Check for the bundle; editable installs may come before it."""
        if version == "editable" or (Path(self.root) / BUNDLE).is_file():
            return
        raise FileNotFoundError(
            f"{BUNDLE} is missing: build it with `make bundle` "
            "(npm --prefix js ci && npm --prefix js run build) before building a wheel."
        )
