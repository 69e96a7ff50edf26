"""Recipes: everything a training run needs to be repeated, as data (``recipes/*.toml``)."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

from iseg_widget.training.augmentation import Augmentation
from iseg_widget.training.schedule import OptimiserSettings, Schedule
from iseg_widget.training.simulation import check_simulation

IMAGENET = "imagenet"
EXTENDS = "extends"

Family = Literal["lite", "papers", "ablations"]
FAMILIES: Mapping[Family, str] = {"lite": "", "papers": "papers", "ablations": "ablations"}
"""Families of packaged recipes and their folders below ``recipes/``."""

TABLES = ("simulation", "augment", "options", "optimiser", "schedule")
"""Tables that a recipe changes key by key; others it replaces."""


@dataclass(frozen=True)
class Phase:
    """A stretch of the run: up to the fraction ``until`` of all steps, sides drawn as weighted.

    A side is that of square views, or the pair (height, width) of others.
    """

    until: float
    sides: tuple[int | tuple[int, int], ...]
    weights: tuple[float, ...]

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of the views that ``sides`` stand for."""
        return tuple((s, s) if isinstance(s, int) else s for s in self.sides)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Phase:
        """Read a phase; ``ValueError`` for what is no side."""
        sides = tuple(tuple(s) if isinstance(s, list) else s for s in given["sides"])
        for side in sides:
            numbers = side if isinstance(side, tuple) else (side, side)
            if len(numbers) != 2 or not all(type(n) is int and n > 0 for n in numbers):
                raise ValueError(
                    "a side of a phase is a number of pixels, or [height, width]: "
                    f"got {list(side) if isinstance(side, tuple) else side!r}"
                )
        return cls(given["until"], sides, tuple(given["weights"]))


@dataclass(frozen=True)
class Recipe:
    """A training run.

    Attributes
    ----------
    name, method, network: what is trained; the weights are called ``name``.
    init: what it starts from: ``"imagenet"`` (the backbone only) or the name of packaged weights.
    steps, batch: optimiser steps, and samples of a batch in each process.
    phases: see :class:`Phase`; sides in pixels of the network's input.
    learning_rate, backbone_factor, weight_decay: of the optimiser; the pretrained backbone learns
        slower.
    warmup, decay: steps of linear warm-up, and fraction of the steps at the end over which the
        rate falls linearly to zero, unless ``schedule`` has another course.
    ema: decay of the exponential moving average of the weights, which is what gets exported. 0:
        the weights themselves.
    clip: largest norm of a step's gradient. 0: any.
    seed, development: of all that is drawn; number of images that are held out.
    sets: sampling weight of each data set (times the square root of its number of images).
    simulation: settings of click and view simulation, see
        :class:`~iseg_widget.training.simulation.ViewSettings`,
        :class:`~iseg_widget.training.interaction.InteractionSettings` and the task's class.
    accumulate: batches of a step, whose mean gradient is taken: as one batch of
        ``accumulate * batch`` samples, except that batch statistics are those of each batch, and
        that pixels weigh alike within a batch where a loss is a mean over pixels, some of which
        are ignored.
    validate_every, validate_objects: evaluate the averaged weights every so many steps (0: never)
        and after the last, on so many held-out objects.
    options: of the method, when these weights are evaluated.
    augment: see :class:`~iseg_widget.training.augmentation.Augmentation`.
    optimiser: see :class:`~iseg_widget.training.schedule.OptimiserSettings`; AdamW.
    schedule: see :class:`~iseg_widget.training.schedule.Schedule`; as ``decay`` says.
    teacher, teacher_weight: packaged weights (name or file) whose answers are learned as well, and
        the weight of that term; see :class:`~iseg_widget.training.teacher.Teacher`. "": none.
    """

    name: str
    method: str
    network: str
    init: str
    steps: int
    batch: int
    phases: tuple[Phase, ...]
    learning_rate: float
    backbone_factor: float
    weight_decay: float
    warmup: int
    decay: float
    ema: float
    clip: float
    seed: int
    development: int
    sets: Mapping[str, float]
    simulation: Mapping[str, Any]
    accumulate: int = 1
    validate_every: int = 0
    validate_objects: int = 40
    options: Mapping[str, Any] = field(default_factory=dict)
    augment: Mapping[str, float] = field(default_factory=dict)
    optimiser: Mapping[str, Any] = field(default_factory=dict)
    schedule: Mapping[str, Any] = field(default_factory=dict)
    teacher: str = ""
    teacher_weight: float = 1.0

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for numbers of batches, steps or objects that make no sense."""
        for name, least in (("accumulate", 1), ("validate_every", 0), ("validate_objects", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)!r}")
        _ = self.course, self.optimiser_settings  # unknown settings are named before all else

    @property
    def optimiser_settings(self) -> OptimiserSettings:
        """The optimiser; ``ValueError`` for unknown settings."""
        return OptimiserSettings.of(self.optimiser)

    @property
    def course(self) -> Schedule:
        """The course of the learning rate; ``ValueError`` for unknown settings."""
        return Schedule.of(self.schedule)

    @property
    def augmentation(self) -> Augmentation:
        """What is done to objects before they are cut; ``ValueError`` for unknown settings."""
        return Augmentation.of(self.augment)

    def phase(self, step: int) -> Phase:
        """Return the phase that ``step`` belongs to."""
        for phase in self.phases:
            if step < phase.until * self.steps:
                return phase
        return self.phases[-1]

    def rate(self, step: int) -> float:
        """Return the learning-rate factor (0..1) of a step."""
        warm = min(1.0, (step + 1) / max(1, self.warmup))
        return warm * self.course.factor(step, self.steps, self.decay)

    def validates(self, step: int) -> bool:
        """Whether the weights after ``step`` steps are validated."""
        every = self.validate_every
        return every > 0 and (step % every == 0 or step == self.steps)


def _folders() -> dict[Family, Traversable]:
    folder = resources.files(__package__) / "recipes"
    return {family: folder / place if place else folder for family, place in FAMILIES.items()}


def _names(folder: Traversable) -> Iterator[tuple[str, Traversable]]:
    for path in folder.iterdir():
        if path.name.endswith(".toml"):
            yield path.name.removesuffix(".toml"), path


def _files() -> dict[str, Traversable]:
    """Packaged files by name; those that begin with an underscore are no recipes by themselves."""
    return {name: path for folder in _folders().values() for name, path in _names(folder)}


def list_recipes(family: Family = "lite") -> tuple[str, ...]:
    """Return the names of the packaged recipes of a family.

    ``"lite"``: every method on EfficientNet-Lite0, what the packaged weights are trained with;
    ``"papers"``: every method on its own networks, as its paper trains them; ``"ablations"``: rows
    of the papers' tables on EfficientNet-Lite0. ``ValueError`` for another family.
    """
    if family not in FAMILIES:
        raise ValueError(f"family must be one of {tuple(FAMILIES)}, got {family!r}")
    names = (name for name, _ in _names(_folders()[family]))
    return tuple(sorted(name for name in names if not name.startswith("_")))


def _resolve(data: dict[str, Any], chain: tuple[str, ...] = ()) -> dict[str, Any]:
    """Put the keys of ``data`` over those of what it extends."""
    base = data.pop(EXTENDS, None)
    if base is None:
        return data
    if base in chain:
        raise ValueError(f"recipes extend each other in a circle: {', '.join((*chain, base))}")
    files = _files()
    if base not in files:
        raise ValueError(f"a recipe extends {base!r}; packaged are {', '.join(sorted(files))}")
    below = _resolve(tomllib.loads(files[base].read_text("utf-8")), (*chain, base))
    tables = {t: {**below.get(t, {}), **data.get(t, {})} for t in TABLES if t in {*below, *data}}
    return {**below, **data, **tables}


def parse_recipe(text: str) -> Recipe:
    """Read a recipe from TOML.

    ``extends = "NAME"`` starts from a packaged recipe, of which only what changes is given; keys
    of ``simulation``, ``augment`` and ``options`` are changed one by one, ``sets`` and ``phases``
    as a whole. Raises ``ValueError`` naming missing and unknown keys.
    """
    data = _resolve(tomllib.loads(text))
    fields = dataclasses.fields(Recipe)
    known = {f.name for f in fields}
    needed = {
        f.name
        for f in fields
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    }
    if not needed <= set(data) <= known:
        raise ValueError(
            f"a recipe has the keys {sorted(known)}; "
            f"missing {sorted(needed - set(data))}, unknown {sorted(set(data) - known)}"
        )
    phases = tuple(Phase.of(phase) for phase in data.pop("phases"))
    recipe = Recipe(phases=phases, **data)
    _ = recipe.augmentation  # unknown settings are to be named before anything runs
    check_simulation(recipe.simulation)
    return recipe


def load_recipe(name: str | Path) -> Recipe:
    """Return a packaged recipe by name, or the one in a ``.toml`` file.

    Raises ``ValueError`` for a name or file that is not there; it lists the accepted names.
    """
    return parse_recipe(_text(name))


def recipe_comment(name: str | Path) -> str:
    """Return what a recipe's file says of it in its first lines; errors as :func:`load_recipe`."""
    lines = takewhile(lambda line: line.startswith("#"), _text(name).splitlines())
    return "\n".join(line.lstrip("# ") for line in lines)


def _text(name: str | Path) -> str:
    if str(name).endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise ValueError(f"no recipe at {path}")
        return path.read_text("utf-8")
    accepted = [name for family in FAMILIES for name in list_recipes(family)]
    if name not in accepted:
        raise ValueError(
            f"unknown recipe {str(name)!r}; accepted are {', '.join(accepted)}, or a .toml file"
        )
    return _files()[str(name)].read_text("utf-8")
