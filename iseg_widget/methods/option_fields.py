"""A method's options as a form: what each of them is, what it accepts, and what is wrong with it.

All of it is read from the options dataclass itself: its types, its docstring, and what it refuses.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from iseg_widget.methods.option_docs import option_docs

Kind = Literal["flag", "choice", "integer", "number", "fixed"]

_NUMBER = r"\d+(?:\.\d+)*"
_SOURCE = re.compile(rf"\b(?:Sec\.|Table|Alg\.|Eq\.|Fig\.) {_NUMBER}(?:, {_NUMBER})*")
_GOT = re.compile(r",? ?(?:but )?got .*$", re.DOTALL)

_PROBES = (-(10**9), 10**9)
"""No option accepts both; the refusal tells what it accepts."""


@dataclass(frozen=True, slots=True)
class OptionField:
    """One option.

    Attributes
    ----------
    name: of the dataclass's field.
    kind: ``"fixed"`` is of a type that no form can ask for.
    default: the paper's value, or ours where it has none.
    doc: what it means, in one line.
    sources: places in the paper that ``doc`` names.
    accepted: limits of a number in words, as the dataclass itself puts them; may be empty.
    choices: accepted values of a ``"choice"``.
    optional: whether ``None`` is accepted as well.
    """

    name: str
    kind: Kind
    default: Any
    doc: str
    sources: tuple[str, ...] = ()
    accepted: str = ""
    choices: tuple[str | int, ...] = ()
    optional: bool = False

    def read(self, value: object) -> Any:
        """Return a value as the dataclass holds it, or raise ``ValueError`` for another type."""
        if value is None and self.optional:
            return None
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        match self.kind:
            case "flag" if isinstance(value, bool):
                return value
            case "choice" if not isinstance(value, bool) and value in self.choices:
                return value
            case "integer" if number and float(value).is_integer():  # type: ignore[arg-type]
                return int(value)  # type: ignore[call-overload]
            case "number" if number and math.isfinite(value):  # type: ignore[arg-type]
                return float(value)  # type: ignore[arg-type]
            case "fixed":
                return value
        words = {
            "flag": "true or false",
            "choice": f"one of {', '.join(map(repr, self.choices))}",
            "integer": "a whole number",
            "number": "a number",
        }
        also = " or None" if self.optional else ""
        raise ValueError(f"{self.name} must be {words[self.kind]}{also}, got {value!r}")


def option_fields(options: type) -> tuple[OptionField, ...]:
    """Return what each field of an options dataclass is, in order."""
    try:
        hints = get_type_hints(options)
    except (NameError, TypeError):  # types that are known elsewhere only: no form for those
        hints = {}
    docs = option_docs(options)
    return tuple(
        _field(options, field, hints.get(field.name, object), docs[field.name])
        for field in dataclasses.fields(options)
    )


def check_options(options: type, values: Mapping[str, object]) -> tuple[Any | None, dict[str, str]]:
    """Make options of a mapping of values, or tell what is wrong with each of them.

    Parameters
    ----------
    options: the dataclass.
    values: of some of its fields; the others have their defaults.

    Returns
    -------
    The dataclass (``None`` if something is wrong) and messages by field. What cannot be told of
    one field is under ``""``.
    """
    fields = {field.name: field for field in option_fields(options)}
    problems = {name: f"there is no option {name!r}" for name in values if name not in fields}
    good: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in values:
            continue
        try:
            good[name] = field.read(values[name])
        except ValueError as error:
            problems[name] = str(error)
    for name in list(good):
        refusal = _refusal(options, {name: good[name]})
        # Alone it may be wrong because of another's default: only what is wrong with all counts.
        if refusal is not None and _refusal(options, good) is not None:
            problems[_blamed(refusal, [name])] = refusal
    if problems:
        return None, problems
    refusal = _refusal(options, good)
    if refusal is not None:
        return None, {_blamed(refusal, list(fields)): refusal}
    return options(**good), {}


def _refusal(options: type, values: Mapping[str, Any]) -> str | None:
    try:
        options(**values)
    except (ValueError, TypeError) as error:
        return str(error)
    return None


def _blamed(message: str, names: list[str]) -> str:
    """Name of the first field that a message begins with, else that it mentions."""
    words = re.findall(r"\w+", message)
    return next((word for word in words if word in names), names[0] if len(names) == 1 else "")


def _field(options: type, field: dataclasses.Field[Any], hint: Any, doc: str) -> OptionField:
    optional = get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint)
    if optional:
        rest = [part for part in get_args(hint) if part is not type(None)]
        hint = rest[0] if len(rest) == 1 else object
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    kinds: dict[Any, Kind] = {bool: "flag", int: "integer", float: "number"}
    kind: Kind = "choice" if choices else kinds.get(hint, "fixed")
    default = field.default
    if default is dataclasses.MISSING:
        make = field.default_factory
        default = None if make is dataclasses.MISSING else make()
    accepted = _accepted(options, field.name) if kind in ("integer", "number") else ""
    sources = tuple(dict.fromkeys(_SOURCE.findall(doc)))
    return OptionField(field.name, kind, default, doc, sources, accepted, choices, optional)


def _accepted(options: type, name: str) -> str:
    for probe in _PROBES:
        refusal = _refusal(options, {name: probe})
        if refusal is not None:
            return _GOT.sub("", refusal).removeprefix(name).strip()
    return ""
