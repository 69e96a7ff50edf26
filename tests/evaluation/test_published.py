"""The published numbers: their form, and that they are what the papers print.

The papers' text is no part of the repository. It is looked for in the folder ``papers`` beside
``$ISEG_DATA``, or in ``$ISEG_PAPERS``: one ``<method>.md`` each, whose tables are lines of cells
split by tabs above a caption ``Table N``.
"""

from __future__ import annotations

import copy
import json
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import iseg_widget.evaluation.published as module
from iseg_widget.evaluation.published import (
    PublishedResult,
    PublishedResults,
    plain_name,
    published_results,
    read_published,
)

FILE = Path(module.__file__).with_name("published.json")
COUNTS = {"ris_net": 44, "fca_net": 110, "focuscut": 195, "focalclick": 457, "ia_fpn": 160}
NO_RESULTS = {("focalclick", 1)}
"""Tables that hold no result: sizes of inputs."""

LABELS = {
    ("ris_net", 2): 3,
    ("fca_net", 3): 2,
    ("focuscut", 1): 2,
    ("focuscut", 2): 2,
    ("focalclick", 2): 2,
    ("ia_fpn", 1): 2,
    ("ia_fpn", 3): 3,
    ("ia_fpn", 5): 4,
    ("ia_fpn", 6): 2,
}
"""How many leading cells of a row are names, where not one."""

HEADS = {
    **dict.fromkeys([("focuscut", n) for n in (1, 2, 3, 4)], 2),
    **dict.fromkeys([("focalclick", n) for n in (2, 3, 4, 5)], 2),
    ("ia_fpn", 1): 2,
    ("ia_fpn", 3): 2,
}
"""How many lines of a table are its head, where not one."""

SHIFTED = ("ia_fpn", 1, "Ours†")
"""The one row that is printed with a value fewer than there are columns."""


def content() -> dict[str, Any]:
    return json.loads(FILE.read_text("utf-8"))


@pytest.fixture(scope="session")
def papers_root() -> Path:
    """Folder with the papers' text; skips where it is absent."""
    given = os.environ.get("ISEG_PAPERS")
    data = os.environ.get("ISEG_DATA")
    root = Path(given) if given else Path(data).resolve().parent / "papers" if data else None
    if root is None or not all((root / f"{name}.md").is_file() for name in COUNTS):
        pytest.skip(f"the papers' text is not there: looked in {root} ($ISEG_PAPERS, $ISEG_DATA)")
    return root


def tables_of(path: Path) -> dict[int, list[list[str]]]:
    """The tables of a paper, by number: rows of cells."""
    lines = path.read_text("utf-8").splitlines()
    tables = {}
    for number, line in enumerate(lines):
        caption = re.match(r"Table (\d+)[.:]", line)
        if caption is None:
            continue
        end = number
        while not lines[end - 1].strip():
            end -= 1
        begin = end
        while "\t" in lines[begin - 1]:
            begin -= 1
        if begin < end:
            tables[int(caption[1])] = [row.split("\t") for row in lines[begin:end]]
    return tables


def values_of(cells: list[str]) -> list[str | None]:
    """The values in cells as printed; ``None`` where the paper has none."""
    values: list[str | None] = []
    for cell in cells:
        text = re.sub(r"</?[bu]>", "", cell).strip().removesuffix("%")
        parts = ["-"] if text in ("N/A", "✗") else [part.strip() for part in text.split("/")]
        values += [None if part in ("-", "") else part for part in parts]
    return values


def letters(text: str) -> str:
    """A label without citations, markup and blanks."""
    text = re.sub(r"<sub>[A-Z]\w*</sub>|_\{.*?\}|\[[\d, ]*\]|</?\w+>", "", text)
    return re.sub(r"[\s$\\]", "", text).casefold()


@pytest.mark.parametrize("paper", COUNTS)
def test_every_number_of_every_table_is_there_and_no_other(papers_root: Path, paper: str):
    printed = tables_of(papers_root / f"{paper}.md")
    stored = {table["table"]: table for table in content()["tables"] if table["paper"] == paper}
    assert set(stored) == {n for n in printed if (paper, n) not in NO_RESULTS}
    for number, table in stored.items():
        key = (paper, number)
        rows = printed[number][HEADS.get(key, 1) :]
        assert len(rows) == len(table["rows"]), key
        labels = LABELS.get(key, 1)
        for cells, row in zip(rows, table["rows"], strict=True):
            expected = values_of(cells[labels:])
            found = list(row["values"])
            if (*key, row["row"]) == SHIFTED:
                assert len(expected) == len(found), row
                expected, found = [[v for v in values if v] for values in (expected, found)]
            assert found == expected, (key, row["row"])


@pytest.mark.parametrize("paper", COUNTS)
def test_rows_bear_the_names_that_the_papers_print(papers_root: Path, paper: str):
    printed = tables_of(papers_root / f"{paper}.md")
    for table in content()["tables"]:
        key = (paper, table["table"])
        # Rows without a name in the paper are named after what is ticked.
        if table["paper"] != paper or key in {("ris_net", 2), ("ia_fpn", 3), ("ia_fpn", 5)}:
            continue
        name = ""
        rows = printed[table["table"]][HEADS.get(key, 1) :]
        for cells, row in zip(rows, table["rows"], strict=True):
            name = letters(cells[0]) or name
            assert letters(row["row"]) in name + letters("".join(cells[1 : LABELS.get(key, 1)]))
            named = [c for c in (name, letters(cells[1])) if re.match("(res|hr|dense)net|fcn$", c)]
            if named and LABELS.get(key, 1) == 2:
                assert named[-1 if key != ("focuscut", 1) else 0] == letters(row["backbone"])
            if key == ("focalclick", 2):
                assert letters(cells[1]) == letters(row.get("training", "/"))


def heads_of(rows: list[list[str]], labels: int) -> list[str]:
    """What stands above every column of values; a name above several holds for all of them."""
    width = max(map(len, rows))
    names = [""] * width
    for number, row in enumerate(rows):
        last = ""
        for column in range(width):
            cell = row[column] if column < len(row) else ""
            last = cell or (last if number < len(rows) - 1 else "")
            names[column] += last
    return [re.sub("[↓↑&]", "", letters(name)) for name in names[labels:]]


SPLIT = {
    ("ia_fpn", 1): [
        ["davisnoc@85/90", "sbdnoc@85/90"],
        ["davisnoc@85", "davisnoc@90", "sbdnoc@85", "sbdnoc@90"],
    ],
    ("ia_fpn", 3): [["davissbd", "davissbd"], ["davis", "sbd"]],
}
"""Heads over two values a cell, or run together, and the columns they are here."""


def test_columns_bear_the_names_that_the_papers_print(papers_root: Path):
    for table in content()["tables"]:
        key = (table["paper"], table["table"])
        rows = tables_of(papers_root / f"{key[0]}.md")[key[1]][: HEADS.get(key, 1)]
        expected = heads_of(rows, LABELS.get(key, 1))
        if key == ("focalclick", 7):
            expected = [f"{ratio}noc{target}" for ratio in expected for target in (80, 90)]
        together, apart = SPLIT.get(key, [[], []])
        if together:
            assert expected[-len(together) :] == together
            expected[-len(together) :] = apart
        found = [letters(column["column"]).replace("&", "") for column in table["columns"]]
        assert found == expected, key


def test_columns_mean_what_their_names_say():
    words = {
        "davis-585": "davis585",
        "initialmask": "davis585",
        "scratch": "davis585",
        "davis": "davis",
        "grabcut": "grabcut",
        "berkeley": "berkeley",
        "sbd": "sbd",
        "pascal": "pascal_voc",
        "unseen": "coco_unseen",
        "cocou": "coco_unseen",
        "seen": "coco_seen",
        "cocos": "coco_seen",
    }
    named = 0
    for result in published_results():
        name = letters(result.column)
        known = [data for word, data in words.items() if word in name]
        target = re.search(r"(80|85|90|95)(%|$)", name)
        if known:
            assert result.dataset == known[0], result
            named += 1
        if target is not None and result.metric.startswith("No") and target[1] != "80":
            assert result.metric.endswith(f"@{target[1]}"), result
        for measure in ("ASSD", "BIoU"):
            assert (measure.casefold() in name) == result.metric.startswith(measure)
        if "nof" in name:
            assert result.metric.startswith("NoF")
    assert named > 700


def test_counts_per_paper():
    found = published_results()
    assert Counter(result.paper for result in found) == COUNTS
    assert len(found) == sum(COUNTS.values()) == 966
    places = [(r.paper, r.table, r.row, r.column, r.backbone, r.training, r.variant) for r in found]
    assert len(set(places)) == len(places)


def one(**wanted: object) -> PublishedResult:
    found = [r for r in published_results() if all(getattr(r, k) == wanted[k] for k in wanted)]
    assert len(found) == 1, found
    return found[0]


def test_a_number_knows_where_it_stands():
    found = one(
        paper="focuscut", table=2, row="FocusCut", backbone="ResNet-101", column="DAVIS NoC@90"
    )
    assert (found.value, found.printed, found.unit, found.max_clicks) == (
        6.22,
        "6.22",
        "clicks",
        20,
    )
    assert (found.dataset, found.metric, found.method) == ("davis", "NoC@90", "focuscut")
    assert (found.training, found.start, found.full) == ("SBD", "scratch", True)
    assert not found.suspect
    assert found.source == "FocusCut Table 2"


def test_printed_digits_are_kept():
    found = one(paper="ris_net", table=1, row="RIS-Net (ours)", dataset="grabcut")
    assert found.printed == "5.00"
    assert one(paper="focuscut", table=1, row="GV", column="Berkeley NoC@90",
               backbone="ResNet-50").printed == "4.510"  # fmt: skip
    assert one(paper="fca_net", table=1, row="PI", column="1").printed == ".751"


def test_misprints_are_marked_with_a_reason():
    column = [r for r in published_results(paper="ia_fpn") if r.table == 2 and r.column == "NoC@90"]
    assert [r.printed for r in column] == ["78", "65", "56"]
    assert all(r.metric == "NoF@90" and r.suspect and "failures" in r.note for r in column)
    for paper, table in (("focalclick", 2), ("ia_fpn", 1)):
        found = [
            r
            for r in published_results("ris_net", "sbd", paper=paper)
            if r.table == table and r.printed == "6.03"
        ]
        assert len(found) == 1
        assert found[0].suspect
        assert "Berkeley" in found[0].note
    for result in published_results():
        assert result.note or not result.suspect
    caption = [r for r in published_results(paper="focalclick") if r.table == 7]
    assert {r.suspect for r in caption if r.metric == "NoC@85"} == {True}
    assert {r.suspect for r in caption if r.metric == "NoC@90"} == {False}


def test_numbers_that_papers_share_agree_or_are_explained():
    """The same method, version, dataset and measure: one number, or a note."""
    seen: dict[tuple[object, ...], list[PublishedResult]] = {}
    for r in published_results():
        if r.method and r.dataset:
            version = (r.method, r.variant, r.backbone, r.training)
            key = (*version, r.dataset, r.metric, r.max_clicks, r.start)
            seen.setdefault(key, []).append(r)
    shared = [found for found in seen.values() if len(found) > 1]
    assert len(shared) > 50
    for found in shared:
        places = min(len(r.printed.partition(".")[2]) for r in found)
        if len({f"{r.value:.{places}f}" for r in found}) > 1:
            assert any(r.note for r in found), found


def test_queries():
    assert isinstance(published_results(), PublishedResults)
    davis = published_results("focalclick", "DAVIS-585", "noc@90", "focalclick")
    assert {(r.method, r.dataset, r.metric) for r in davis} == {
        ("focalclick", "davis585", "NoC@90")
    }
    assert {r.start for r in davis} == {"initial_mask", "scratch"}
    assert len(published_results(metric="NoC@85")) + len(published_results(metric="NoC@90")) > 500
    assert len(published_results("graph_cut", "sbd")) == 2
    text = str(published_results("graph_cut", "sbd"))
    assert "FocalClick Table 2" in text
    assert "15.96" in text
    assert "?" not in text
    marked = published_results("ris_net", "sbd")
    assert "6.03  ?" in str(marked)
    assert "<table" in marked._repr_html_()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"method": "sam"}, "no published number has the method 'sam'; accepted are graph_cut"),
        ({"dataset": "demo"}, "dataset 'demo'; accepted are pascal_voc, grabcut"),
        ({"metric": "NoC@70"}, "metric 'NoC@70'; accepted are NoC@85"),
        ({"paper": "ritm"}, "paper 'ritm'; accepted are ris_net, fca_net, focuscut"),
    ],
)
def test_unknown_names_are_refused(query: dict[str, str], message: str):
    with pytest.raises(ValueError, match=message):
        published_results(**query)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("DAVIS-585", "davis585"),
        ("davis345", "davis"),
        ("Pascal VOC", "pascal_voc"),
        ("coco-seen", "coco_seen"),
        ("GrabCut", "grabcut"),
    ],
)
def test_datasets_by_any_spelling(given: str, name: str):
    assert plain_name(given) == name


def put(*path: object) -> Callable[[Any, object], None]:
    def change(data: Any, value: object) -> None:
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "value", "message"),
    [
        (put("format"), 9, "format 9; accepted is 1"),
        (put("extra"), 9, r"the file has the keys .* unknown \['extra'\]"),
        (put("papers", "ris_net"), {}, "paper ris_net has the keys .* missing"),
        (put("papers"), [], "holds no published tables"),
        (put("tables", 0), [], "a table must be an object, got list"),
        (put("tables", 0, "paper"), "x", "x table 1: unknown paper; accepted are ris_net"),
        (put("tables", 0, "kind"), "x", "ris_net table 1: kind is 'x'; accepted are comparison"),
        (put("tables", 0, "columns", 0, "dataste"), "x", r"a column .* unknown \['dataste'\]"),
        (put("tables", 0, "columns", 0, "start"), "x", "start is 'x'; accepted are scratch"),
        (put("tables", 0, "columns", 0, "metric"), "Dice@9", "Graph cut.*unknown measure 'Dice@9'"),
        (put("tables", 0, "columns", 0, "metric"), None, "unknown measure None"),
        (put("tables", 0, "rows", 0, "values"), ["1"], "Graph cut: 1 values for 5 columns"),
        (put("tables", 0, "rows", 0, "values", 0), 1.5, "text of digits or null, got 1.5"),
        (put("tables", 0, "rows", 0, "values", 0), "1,5", "text of digits or null, got '1,5'"),
        (put("tables", 0, "rows", 0, "colour"), "x", r"a row .* unknown \['colour'\]"),
        (put("tables", 0, "notes", 0, "row"), "x", "a note is about the row 'x', not there"),
        (put("tables", 0, "notes", 0, "column"), "x", "about the column 'x', not there"),
        (put("tables", 0, "notes", 0), {}, r"a note has the keys .* missing \['note'\]"),
    ],
)
def test_a_damaged_file_is_named_with_the_place(
    tmp_path: Path, change: Callable[[Any, object], None], value: object, message: str
):
    data = copy.deepcopy(content())
    change(data, value)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ValueError, match=message) as refused:
        read_published(path)
    assert "mine.json" in str(refused.value)


def test_a_missing_or_broken_file_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match=r"cannot read published tables from .*x\.json"):
        read_published(tmp_path / "x.json")
    (tmp_path / "y.json").write_text("{")
    with pytest.raises(ValueError, match=r"y\.json is not JSON"):
        read_published(tmp_path / "y.json")
