"""What a method's options mean, read from the docstrings of their classes."""

from __future__ import annotations

import dataclasses
import inspect
import re

_HEADING = "Attributes\n----------\n"
_ENTRY = re.compile(r"^(\w+(?:, \w+)*): *", re.MULTILINE)


def option_docs(options: type) -> dict[str, str]:
    """Return, for every field of an options dataclass, its explanation in one line.

    Fields are explained in the "Attributes" section of the class, or of the class they come from,
    as ``name: text`` or ``name, name: text``. A field without an explanation has an empty one.
    """
    found: dict[str, str] = {}
    for cls in reversed(options.__mro__):
        text = inspect.cleandoc(cls.__doc__ or "") if "__doc__" in vars(cls) else ""
        _, heading, section = text.partition(_HEADING)
        if not heading:
            continue
        parts = _ENTRY.split(section)
        for names, explanation in zip(parts[1::2], parts[2::2], strict=True):
            for name in names.split(", "):
                found[name] = " ".join(explanation.split())
    return {field.name: found.get(field.name, "") for field in dataclasses.fields(options)}
