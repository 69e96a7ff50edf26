"""The folder of a run: its records, and ``run.json``, which tells how they came about."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import iseg_widget
from iseg_widget.evaluation.records import FORMAT, RunInfo
from iseg_widget.provenance import versions

RUN = "run.json"


class RunLog:
    """``run.json`` in the folder of a run: what is run, and each part that it was done in.

    A part is one call of ``evaluate``: when it began and ended (``None``: it was cut off), how many
    objects were there before and after, how it ran, on which machine, with which versions.

    Parameters
    ----------
    folder: of the run.
    info: what is run.
    conditions: how this part runs: JSON-able data.
    before: objects that are done already.

    Raises
    ------
    ValueError: the file that is there is no such log.
    """

    def __init__(
        self, folder: Path, info: RunInfo, conditions: Mapping[str, Any], before: int
    ) -> None:
        self._path = folder / RUN
        self._info = info
        self._parts: list[dict[str, Any]] = self._read()
        self._part = {
            "began": _now(),
            "ended": None,
            "objects_before": before,
            "objects_after": None,
            **conditions,
            "machine": machine(),
            "versions": {"iseg-widget": iseg_widget.__version__, **versions()},
        }
        self._write()

    def end(self, after: int) -> None:
        """Note that this part has come to its end with ``after`` objects done."""
        self._part |= {"ended": _now(), "objects_after": after}
        self._write()

    def _read(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        try:
            data = json.loads(self._path.read_text("utf-8"))
            parts = data["parts"]
            if data["format"] != FORMAT or not isinstance(parts, list):
                raise ValueError(f"format {data['format']!r}; accepted is {FORMAT}")  # noqa: TRY301
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self._path} is no log of an evaluation: {error}") from error
        return parts

    def _write(self) -> None:
        data = {"format": FORMAT, "run": self._info.to_dict(), "parts": [*self._parts, self._part]}
        partial = self._path.with_name(self._path.name + ".part")
        partial.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        partial.replace(self._path)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def machine() -> dict[str, Any]:
    """Return what is computed on: system, processor, its cores, and GPUs that torch has found."""
    gpus: list[str] = []
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gpus": gpus,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
