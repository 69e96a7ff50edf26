from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

from iseg_widget.methods.option_fields import check_options, option_fields
from iseg_widget.methods.registry import list_methods, options_class


@dataclass(frozen=True)
class Made:
    """Made for this test.

    Attributes
    ----------
    ratio: expansion ratio r (Sec. 3.1; Tables do not matter, Table 7 does).
    turns: T, turns (Alg. 3).
    side: of something; ``None``: none.
    way: of going, 4 or 8.
    on: whether.
    """

    ratio: float = 1.4
    turns: int = 3
    side: int | None = 64
    way: Literal[4, 8] = 8
    on: bool = True
    extra: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 1.0 <= self.ratio <= 10.0:
            raise ValueError(f"ratio must lie in 1..10, got {self.ratio!r}")
        if self.turns < 1:
            raise ValueError(f"turns must be at least 1, got {self.turns!r}")
        if self.side is not None and self.side < 32 * self.turns / 3:
            raise ValueError(f"side must be None or suit the turns, got {self.side!r}")


def test_fields_are_read_from_the_class() -> None:
    fields = {field.name: field for field in option_fields(Made)}
    assert [field.kind for field in fields.values()] == [
        *("number", "integer", "integer", "choice", "flag", "fixed"),
    ]
    assert fields["ratio"].accepted == "must lie in 1..10"
    assert fields["ratio"].sources == ("Sec. 3.1", "Table 7")
    assert fields["turns"].sources == ("Alg. 3",)
    assert fields["turns"].accepted == "must be at least 1"
    assert fields["side"].optional
    assert not fields["ratio"].optional
    assert fields["way"].choices == (4, 8)
    assert fields["on"].doc == "whether."
    assert fields["extra"].doc == ""


@pytest.mark.parametrize("name", list_methods())
def test_every_method_has_a_form(name: str) -> None:
    cls = options_class(name)
    fields = option_fields(cls)
    assert [f.name for f in fields] == list(cls.__dataclass_fields__)
    assert all(field.kind != "fixed" and field.doc for field in fields)
    assert all(field.accepted for field in fields if field.kind in ("integer", "number"))
    defaults = {field.name: field.default for field in fields}
    assert check_options(cls, defaults) == (cls(), {})


def test_good_values_become_options() -> None:
    made, problems = check_options(Made, {"ratio": 2, "turns": 4.0, "side": None, "way": 4})
    assert problems == {}
    assert made == Made(ratio=2.0, turns=4, side=None, way=4)
    assert isinstance(made.ratio, float)
    assert isinstance(made.turns, int)


@pytest.mark.parametrize(
    ("values", "where", "what"),
    [
        ({"turns": 2.5}, "turns", "whole number, got 2.5"),
        ({"turns": True}, "turns", "whole number, got True"),
        ({"turns": None}, "turns", "whole number, got None"),
        ({"ratio": float("nan")}, "ratio", "a number, got nan"),
        ({"ratio": "2"}, "ratio", "a number, got '2'"),
        ({"ratio": 11}, "ratio", "must lie in 1..10, got 11.0"),
        ({"way": 5}, "way", "one of 4, 8, got 5"),
        ({"way": True}, "way", "one of 4, 8"),
        ({"on": 1}, "on", "true or false, got 1"),
        ({"side": 3}, "side", "None or suit the turns"),
        ({"side": "3"}, "side", "a whole number or None"),
        ({"turn": 3}, "turn", "there is no option 'turn'"),
    ],
)
def test_a_wrong_value_is_told_at_its_option(
    values: dict[str, object], where: str, what: str
) -> None:
    made, problems = check_options(Made, values)
    assert made is None
    assert list(problems) == [where]
    assert what in problems[where]


def test_all_wrong_values_are_told_at_once() -> None:
    _, problems = check_options(Made, {"ratio": 0, "turns": 0, "on": "yes"})
    assert set(problems) == {"ratio", "turns", "on"}


def test_values_that_are_wrong_only_together() -> None:
    # 64 suits 3 turns and 9 turns are fine with None, but not with each other.
    assert check_options(Made, {"turns": 9, "side": None})[1] == {}
    made, problems = check_options(Made, {"turns": 9, "side": 64})
    assert made is None
    assert "side must be None or suit the turns, got 64" in " ".join(problems.values())


def test_values_that_are_right_only_together() -> None:
    # Alone, 9 turns do not suit the default side.
    assert check_options(Made, {"turns": 9})[0] is None
    assert check_options(Made, {"turns": 9, "side": 96})[0] == Made(turns=9, side=96)
