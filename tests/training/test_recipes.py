from __future__ import annotations

import dataclasses
import re
from importlib import resources

import numpy as np
import pytest

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
        assert all(side % 32 == 0 for side in phase.sides)
    assert all(weight > 0 for weight in recipe.sets.values())


def test_focalclicks_recipe_simulates_as_the_paper():
    """Sec. 4.1: 24 points, decay 0.8; local crops of 0.2 to 0.5; expansion from 1.1 to 2.0."""
    simulation = load_recipe("focalclick-lite0").simulation
    assert (simulation["point_limit"], simulation["point_decay"]) == (24, 0.8)
    assert simulation["focus_length"] == [0.2, 0.5]
    assert simulation["focus_expansion"] == [1.1, 2.0]
    assert sum(simulation["iterations"]) == pytest.approx(1.0)


def test_unknown_recipe_lists_the_known_ones():
    with pytest.raises(
        ValueError, match=r"unknown recipe 'magic'; accepted are .*focalclick-lite0"
    ):
        load_recipe("magic")


def test_missing_and_unknown_keys_are_named():
    text = text_of("focalclick-lite0")
    assert parse_recipe(text) == load_recipe("focalclick-lite0")
    changed = re.sub(r"^warmup = .*$", "warm_up = 3", text, flags=re.MULTILINE)
    with pytest.raises(ValueError, match=r"missing \['warmup'\], unknown \['warm_up'\]"):
        parse_recipe(changed)


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
