from __future__ import annotations

import dataclasses
import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iseg_widget.methods.registry import build_options
from iseg_widget.training import recipes
from iseg_widget.training.recipes import list_recipes, load_recipe, parse_recipe
from iseg_widget.weights.registry import networks
from tests.training.tiny import tiny_recipe


def text_of(name: str) -> str:
    folder = resources.files("iseg_widget.training") / "recipes"
    return (folder / f"{name}.toml").read_text("utf-8")


@pytest.mark.parametrize("name", list_recipes())
def test_packaged_recipes_are_sound(name: str):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.network in networks()
    assert min(recipe.steps, recipe.batch, recipe.learning_rate) > 0
    assert recipe.phases[-1].until == 1.0
    untils = [phase.until for phase in recipe.phases]
    assert untils == sorted(untils)
    for phase in recipe.phases:
        assert len(phase.sides) == len(phase.weights)
        assert all(side % 32 == 0 for size in phase.sizes for side in size)
    assert all(weight > 0 for weight in recipe.sets.values())


def test_focalclicks_recipe_simulates_as_the_paper():
    """Sec. 4.1: 24 points, decay 0.8; local crops of 0.2 to 0.5; expansion from 1.1 to 2.0."""
    simulation = load_recipe("focalclick-lite0").simulation
    assert (simulation["point_limit"], simulation["point_decay"]) == (24, 0.8)
    assert simulation["focus_length"] == [0.2, 0.5]
    assert simulation["focus_expansion"] == [1.1, 2.0]
    assert sum(simulation["iterations"]) == pytest.approx(1.0)


class TestPapers:
    @pytest.mark.parametrize("name", list_recipes("papers"))
    def test_are_sound(self, name: str):
        recipe = load_recipe(name)
        assert recipe.name == name
        assert recipe.network in networks()
        assert recipe.network not in {load_recipe(lite).network for lite in list_recipes()}
        assert (recipe.ema, recipe.clip, recipe.development) == (0.0, 0.0, 0)
        assert recipe.phases[-1].until == 1.0
        assert sum(recipe.simulation["iterations"]) == pytest.approx(1.0)
        stage = recipe.simulation.get("stage")
        assert recipe.init == ("imagenet" if stage != "fine" else f"{name}-coarse")

    @pytest.mark.parametrize(
        ("name", "batch", "rate", "epochs", "samples", "sides"),
        [
            ("fca_net-resnet101", 8, 7e-2, 33, 25832, 512),  # Sec. 3.5
            ("fca_net-res2net101", 8, 7e-2, 33, 25832, 512),
            ("focuscut-resnet50", 8, 7e-3, 40, 8498, 384),  # Sec. 4.2
            ("focuscut-resnet101", 8, 7e-3, 40, 8498, 384),
            ("focalclick-segformer-b0-s2", 32, 5e-4, 230, 30000, 256),  # Sec. 4.1
            ("focalclick-hrnet-32-s2", 32, 5e-4, 230, 30000, 256),
            ("ritm-hrnet18", 28, 5e-4, 230, 30000, (320, 480)),
            ("ia_fpn-resnet50-coarse", 28, 5e-4, 120, 30000, (320, 480)),  # Sec. 4.1
            ("ia_fpn-resnet50", 28, 5e-7, 30, 30000, (320, 480)),
            ("ia_fpn-resnet101", 28, 5e-7, 30, 30000, (320, 480)),
            ("ia_fpn-hrnet18-coarse", 32, 5e-4, 55, 30000, (320, 480)),
            ("ris_net-vgg16", 2, 1e-3, 20, 80000, 320),  # Sec. 4.1
        ],
    )
    def test_train_as_the_papers(
        self, name: str, batch: int, rate: float, epochs: int, samples: int, sides: Any
    ):
        recipe = load_recipe(name)
        assert (recipe.batch, recipe.learning_rate) == (batch, rate)
        assert recipe.course.epochs == epochs
        assert recipe.steps == round(epochs * samples / batch)
        assert [phase.sides for phase in recipe.phases] == [(sides,)]

    def test_rates(self):
        """Sec. 3.5 of FCA-Net, 4.2 of FocusCut, 4.1 of FocalClick, IA-FPN and RIS-Net."""
        ends = {
            "fca_net-resnet101": (1 / 30) ** 0.9,
            "focuscut-resnet50": 0.9**39,
            "focalclick-segformer-b0-s2": 1e-2,
            "ia_fpn-resnet50-coarse": 1e-2,
            "ia_fpn-resnet50": 1.0,
            "ris_net-vgg16": 1e-3,
        }
        for name, end in ends.items():
            recipe = load_recipe(name)
            assert recipe.rate(0) == 1.0
            assert recipe.rate(recipe.steps - 1) == pytest.approx(end)
        click = load_recipe("focalclick-segformer-b0-s2")
        drops = [round(epoch * 30000 / 32) for epoch in (190, 220)]
        assert [click.rate(drop - 1) for drop in drops] == pytest.approx([1.0, 0.1])
        assert [click.rate(drop + 1) for drop in drops] == pytest.approx([0.1, 0.01])

    def test_optimisers(self):
        def told(name: str) -> tuple[str, float, float, float]:
            recipe = load_recipe(name)
            how = recipe.optimiser_settings
            return how.kind, how.momentum, recipe.weight_decay, recipe.backbone_factor

        assert told("fca_net-resnet101") == ("sgd", 0.9, 0.0, 0.1)
        assert told("focuscut-resnet50") == ("sgd", 0.9, 5e-4, 1.0)
        assert told("ris_net-vgg16") == ("sgd", 0.9, 5e-4, 1.0)
        assert told("focalclick-segformer-b0-s2")[::2] == ("adam", 0.0)
        assert told("ia_fpn-resnet50-coarse")[::2] == ("adam", 0.0)
        # The papers do not say; the published code does.
        assert told("ritm-hrnet18")[3] == told("focalclick-segformer-b0-s2")[3] == 0.1
        assert told("focalclick-hrnet-18s-s2")[3] == 2.0

    def test_simulate_as_the_papers(self):
        fca, click = load_recipe("fca_net-resnet101"), load_recipe("focalclick-segformer-b0-s2")
        assert fca.simulation["clicks"] == "fca_net"
        assert (fca.simulation["click_alpha"], fca.simulation["click_beta"]) == (0.8, 2.0)
        assert (fca.simulation["view"], fca.simulation["short_side"]) == ("crop", 512)
        assert (click.simulation["view"], click.simulation["scale"]) == ("crop", [0.75, 1.4])
        assert click.simulation["focus_length"] == [0.2, 0.5]
        assert click.simulation["focus_expansion"] == [1.1, 2.0]
        cut = load_recipe("focuscut-resnet50").simulation
        assert (cut["patch_alpha"], cut["patch_beta"]) == ([0.2, 0.8], [-0.3, 0.3])
        ris = load_recipe("ris_net-vgg16").simulation
        assert (ris["roi_count"], ris["discount"], ris["iterations"]) == (5, 0.8, [1.0])


def test_families_are_listed():
    families = [list_recipes(family) for family in ("lite", "papers", "ablations")]
    assert all(families)
    assert len({name for names in families for name in names}) == sum(map(len, families))
    with pytest.raises(ValueError, match=r"family must be one of .*got 'all'"):
        list_recipes("all")  # type: ignore[arg-type]


def test_unknown_recipe_lists_the_known_ones():
    with pytest.raises(
        ValueError, match=r"unknown recipe 'magic'; accepted are .*focalclick-lite0"
    ):
        load_recipe("magic")


def test_missing_and_unknown_keys_are_named():
    text = text_of("_lite0") + "\n[nonsense]\nx = 1\n"
    with pytest.raises(
        ValueError, match=r"missing \['method', 'name', 'network'\], unknown \['nonsense'\]"
    ):
        parse_recipe(text)
    with pytest.raises(ValueError, match=r"unknown augment settings \['shake'\]; accepted are"):
        parse_recipe(text_of("ritm-lite0") + "\n[augment]\nshake = 0.5\n")
    for table in ("optimiser", "schedule"):
        with pytest.raises(ValueError, match=rf"unknown {table} settings \['x'\]; accepted are"):
            parse_recipe(text_of("ritm-lite0") + f"\n[{table}]\nx = 1\n")
    with pytest.raises(ValueError, match="accumulate must be at least 1, got 0"):
        parse_recipe("accumulate = 0\n" + text_of("ritm-lite0"))


RESOLVED = json.loads((Path(__file__).parent / "recipes_resolved.json").read_text("utf-8"))
"""The recipes when each was written out in full, before they extended each other."""


@pytest.mark.parametrize("name", sorted(RESOLVED))
def test_recipes_are_what_they_were_before_they_extended_each_other(name: str):
    found = json.loads(json.dumps(dataclasses.asdict(load_recipe(name))))
    expected = RESOLVED[name]
    if name == "ifcn-lite0":  # it has the paper's clicks since
        assert found["simulation"].pop("clicks") == "ifcn"
    assert {key: found.pop(key) for key in expected} == expected
    assert list(load_recipe(name).sets) == list(load_recipe("ritm-lite0").sets)
    assert found == {
        "accumulate": 1, "validate_every": 0, "validate_objects": 40, "options": {}, "augment": {},
        "teacher": "", "teacher_weight": 1.0, "optimiser": {}, "schedule": {},
    }  # fmt: skip


class TestExtends:
    text = """
extends = "fca_net-lite0"
name = "mine"
steps = 7
sets = { ecssd = 1.0 }
[simulation]
click_loss = false
"""

    def test_only_what_is_given_changes(self):
        base, mine = load_recipe("fca_net-lite0"), parse_recipe(self.text)
        simulation = {**base.simulation, "click_loss": False}
        assert mine == dataclasses.replace(
            base, name="mine", steps=7, sets={"ecssd": 1.0}, simulation=simulation
        )

    def test_from_a_file(self, tmp_path: Path):
        path = tmp_path / "mine.toml"
        with pytest.raises(ValueError, match=r"no recipe at .*mine\.toml"):
            load_recipe(path)
        path.write_text(self.text, "utf-8")
        assert load_recipe(str(path)) == parse_recipe(self.text)

    def test_unknown_bases_and_circles_are_refused(self, monkeypatch: pytest.MonkeyPatch, tmp_path):
        with pytest.raises(ValueError, match="a recipe extends 'nothing'; packaged are _lite0, "):
            parse_recipe('extends = "nothing"')
        for name, base in (("a", "b"), ("b", "a")):
            (tmp_path / f"{name}.toml").write_text(f'extends = "{base}"', "utf-8")
        files = {name: tmp_path / f"{name}.toml" for name in "ab"}
        monkeypatch.setattr(recipes, "_files", lambda: files)
        with pytest.raises(ValueError, match="in a circle: a, b, a"):
            parse_recipe('extends = "a"')

    def test_the_base_is_no_recipe_by_itself(self):
        assert not any(name.startswith("_") for name in list_recipes())
        with pytest.raises(ValueError, match="unknown recipe '_lite0'"):
            load_recipe("_lite0")


@pytest.mark.parametrize("name", list_recipes("ablations"))
def test_ablations_have_the_budget_of_what_they_vary(name: str):
    recipe = load_recipe(name)
    base = load_recipe(name[: name.index("-lite0") + len("-lite0")])
    same = ("steps", "batch", "phases", "sets", "learning_rate", "decay", "method", "network")
    assert [getattr(recipe, key) for key in same] == [getattr(base, key) for key in same]
    assert recipe.name == name
    build_options(recipe.method, recipe.options)


def test_recipes_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        tiny_recipe().steps = 3  # type: ignore[misc]


class TestSchedule:
    recipe = tiny_recipe(steps=1000, warmup=100, decay=0.3)

    def test_rate_rises_stays_and_falls(self):
        rates = np.array([self.recipe.rate(step) for step in range(1000)])
        np.testing.assert_allclose(rates[:100], np.arange(1, 101) / 100)
        np.testing.assert_allclose(rates[100:700], 1.0)
        np.testing.assert_allclose(rates[700:], np.arange(300, 0, -1) / 300)

    def test_rate_without_warmup_or_decay(self):
        recipe = dataclasses.replace(self.recipe, warmup=0, decay=0.0)
        assert {recipe.rate(step) for step in range(1000)} == {1.0}

    def test_rate_never_leaves_0_to_1(self):
        for steps, warmup in ((1, 100), (5, 0), (50, 100)):
            recipe = dataclasses.replace(self.recipe, steps=steps, warmup=warmup)
            assert all(0 <= recipe.rate(step) <= 1 for step in range(steps + 3))

    def test_phases_stretch_with_the_steps(self):
        recipe = load_recipe("focalclick-lite0")
        first, last = recipe.phases[0], recipe.phases[-1]
        for steps in (100, 1000):
            changed = dataclasses.replace(recipe, steps=steps)
            border = int(first.until * steps)
            assert changed.phase(0) == first
            assert changed.phase(border - 1) == first
            assert changed.phase(border + 1) != first
            assert changed.phase(steps - 1) == changed.phase(steps + 5) == last
