"""What an experiment is: rows of a paper's table, with the paper's own numbers (TOML files)."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, TypeVar

_T = TypeVar("_T")

MEASURE = re.compile(r"(NoC|NoF|IoU|BIoU|ASSD)@(\d+)|s/click")
"""Accepted measures; the number is a target IoU in % for NoC and NoF, a click for the others."""

NEEDED = {"BIoU": "biou", "ASSD": "assd"}
"""Measures that the evaluation takes only when asked."""


@dataclass(frozen=True)
class Row:
    """One row of a table: a method with weights and options.

    Attributes
    ----------
    id: name of its file of records; letters, digits, ``-``, ``_`` and ``.``.
    label: what the paper calls it.
    method: registry name.
    weights: name of packaged weights, or of a training run (see
        :func:`~iseg_widget.evaluation.ablation.runner.run`).
    options: fields of the method's options that are not at their defaults.
    dataset: instead of the experiment's.
    baseline: id of the row that this one is compared with; ``None``: with none.
    paper: the paper's own numbers, by measure; IoU and BIoU in %.
    init: training run whose checkpoint the training of the row's weights starts from; empty when
        its recipe says it all. The recipe has the name of the weights.
    missing: why the row cannot be run at all yet; empty when it can.
    """

    id: str
    label: str
    method: str
    weights: str
    options: Mapping[str, Any] = field(default_factory=dict)
    dataset: str | None = None
    baseline: str | None = None
    paper: Mapping[str, float] = field(default_factory=dict)
    init: str = ""
    missing: str = ""

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for an id that is no file name, or a wrong measure."""
        if not re.fullmatch(r"[\w.-]+", self.id):
            raise ValueError(f"a row's id is made of letters, digits, - _ and ., got {self.id!r}")
        _check_measures(self.paper)

    def train_command(self) -> str:
        """Return the one line that trains the row's weights and makes them a weights file."""
        init = f" --init runs/{self.init}/checkpoint.pt" if self.init else ""
        run = f"runs/{self.weights}"
        return (
            f"iseg-widget train --recipe {self.weights}{init} --data DATA --out {run} && "
            f"iseg-widget export-weights {run}/checkpoint.pt --out {run}/{self.weights}.safetensors"
        )


@dataclass(frozen=True)
class Experiment:
    """A paper's table or figure, to be repeated.

    Attributes
    ----------
    name: of its file.
    title, paper, table: what is repeated, of which method's paper.
    question: what it asks, in a sentence.
    dataset: name for :func:`iseg_widget.datasets.load`.
    measures: see :data:`MEASURE`.
    rows: in the paper's order.
    objects: how many objects, the first of a shuffle by ``seed``; ``None``: all.
    seed: of the shuffle.
    max_clicks, stop_iou, robot: see :func:`iseg_widget.evaluate`.
    notes: how it differs from the paper's.
    """

    name: str
    title: str
    paper: str
    table: str
    question: str
    dataset: str
    measures: tuple[str, ...]
    rows: tuple[Row, ...]
    objects: int | None = None
    seed: int = 0
    max_clicks: int = 20
    stop_iou: float | None = None
    robot: str = "ritm"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for wrong measures, equal ids, and unknown baselines."""
        _check_measures(self.measures)
        ids = [row.id for row in self.rows]
        if len(set(ids)) < len(ids):
            raise ValueError(f"{self.name}: two rows have the same id, got {', '.join(ids)}")
        for row in self.rows:
            if row.baseline is not None and row.baseline not in ids:
                raise ValueError(
                    f"{self.name}: row {row.id!r} is compared with {row.baseline!r}; there are "
                    f"{', '.join(ids)}"
                )

    def row(self, name: str) -> Row:
        """Return a row by its id; ``ValueError`` names the others."""
        for row in self.rows:
            if row.id == name:
                return row
        ids = ", ".join(row.id for row in self.rows)
        raise ValueError(f"{self.name} has no row {name!r}; there are {ids}")

    @property
    def metrics(self) -> tuple[str, ...]:
        """What the evaluation has to take beside the IoU."""
        kinds = [measure.partition("@")[0] for measure in self.measures]
        return tuple(dict.fromkeys(NEEDED[kind] for kind in kinds if kind in NEEDED))


def _check_measures(measures: Any) -> None:
    wrong = [measure for measure in measures if not MEASURE.fullmatch(measure)]
    if wrong:
        raise ValueError(
            f"measures are NoC@90, NoF@90, IoU@5, BIoU@5, ASSD@5 and the like, or s/click, "
            f"got {', '.join(map(repr, wrong))}"
        )


def list_experiments() -> tuple[str, ...]:
    """Return the names of the packaged experiments."""
    folder = resources.files(__package__) / "experiments"
    names = [item.name for item in folder.iterdir()]
    return tuple(sorted(n.removesuffix(".toml") for n in names if n.endswith(".toml")))


def parse_experiment(name: str, text: str) -> Experiment:
    """Read an experiment from TOML.

    Raises
    ------
    ValueError: the text is no TOML, or keys are missing, unknown or wrong.
    """
    data = tomllib.loads(text)
    rows = [_made(Row, row) for row in data.pop("rows", ())]
    lists: dict[str, Any] = {key: tuple(data[key]) for key in ("measures", "notes") if key in data}
    return _made(Experiment, {**data, **lists, "name": name, "rows": tuple(rows)})


def _made(cls: type[_T], data: Mapping[str, Any]) -> _T:
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    needed = {
        item.name
        for item in fields
        if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
    }
    missing, unknown = needed - set(data), set(data) - {item.name for item in fields}
    if missing or unknown:
        raise ValueError(
            f"{cls.__name__.lower()} {data.get('id', data.get('name', ''))!r}: "
            f"missing {sorted(missing)}, unknown {sorted(unknown)}"
        )
    return cls(**data)


def load_experiment(name: str) -> Experiment:
    """Return a packaged experiment by name; ``ValueError`` names the accepted ones."""
    if name not in list_experiments():
        raise ValueError(
            f"unknown experiment {name!r}; accepted are {', '.join(list_experiments())}"
        )
    path = resources.files(__package__) / "experiments" / f"{name}.toml"
    return parse_experiment(name, path.read_text("utf-8"))
