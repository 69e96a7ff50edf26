from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from iseg_widget.training.schedule import OptimiserSettings, Schedule
from tests.training.tiny import tiny_recipe


def factors(steps: int = 120, **settings: Any) -> np.ndarray:
    schedule = Schedule.of(settings)
    return np.array([schedule.factor(step, steps, 0.0) for step in range(steps)])


class TestSchedule:
    def test_steps_fall_after_their_epochs(self):
        """FocalClick Sec. 4.1: ten times less at epochs 190 and 220 of 230."""
        found = factors(2300, course="steps", epochs=230, milestones=[190, 220])
        np.testing.assert_allclose(found[:1900], 1.0)
        np.testing.assert_allclose(found[1900:2200], 0.1)
        np.testing.assert_allclose(found[2200:], 0.01)

    def test_exponential_falls_after_every_epoch(self):
        """FocusCut Sec. 4.2: 0.9 an epoch."""
        found = factors(120, course="exponential", epochs=40, gamma=0.9)
        np.testing.assert_allclose(found, np.repeat(0.9 ** np.arange(40), 3))

    def test_poly_falls_over_its_epochs_and_stays(self):
        """FCA-Net Sec. 3.5: polynomial for 30 epochs, constant for 3 more."""
        found = factors(132, course="poly", epochs=33, hold=3, power=0.9)
        expected = (1 - np.arange(30) / 30) ** 0.9
        np.testing.assert_allclose(found[:120], np.repeat(expected, 4))
        np.testing.assert_allclose(found[120:], expected[-1])
        assert found[-1] > 0

    def test_another_length_has_the_same_course(self):
        long, short = (
            factors(steps, course="steps", epochs=10, milestones=[4]) for steps in (1000, 100)
        )
        np.testing.assert_array_equal(long[::10], short)

    def test_linear_is_constant_and_falls(self):
        schedule = Schedule()
        assert [schedule.factor(step, 10, 0.4) for step in range(10)] == pytest.approx(
            [1, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
        )

    def test_steps_beyond_the_last_and_runs_shorter_than_their_epochs(self):
        schedule = Schedule(course="poly", epochs=33, hold=3)
        assert schedule.factor(500, 100, 0.0) == schedule.factor(99, 100, 0.0) > 0
        assert [schedule.factor(step, 2, 0.0) for step in range(2)] == pytest.approx(
            [1.0, (1 - 16 / 30) ** 0.9]
        )

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"course": "cosine"}, r"schedule.course must be one of .*got 'cosine'"),
            ({"epochs": 0}, "schedule.epochs must be at least 1, got 0"),
            ({"epochs": 3, "hold": 3}, "schedule.hold must be at least 0 and less than the 3"),
            ({"epochs": 9, "milestones": [5, 3]}, r"must rise .* 9 epochs, got \[5, 3\]"),
            ({"epochs": 9, "milestones": [9]}, r"lie between 0 and the 9 epochs, got \[9\]"),
            ({"rate": 1}, r"unknown schedule settings \['rate'\]; accepted are \['course'"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, settings: dict[str, Any], message: str):
        with pytest.raises(ValueError, match=message):
            Schedule.of(settings)

    def test_a_recipe_warms_up_and_follows_its_course(self):
        recipe = tiny_recipe(
            steps=40, warmup=4, schedule={"course": "exponential", "epochs": 4, "gamma": 0.5}
        )
        rates = [recipe.rate(step) for step in range(40)]
        assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
        assert [rates[10], rates[20], rates[39]] == [0.5, 0.25, 0.125]


class TestOptimiser:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))

    def test_kinds(self):
        groups = [{"params": list(self.net.parameters()), "weight_decay": 0.1}]
        built = {
            kind: OptimiserSettings.of({"kind": kind}).build([dict(groups[0])], 0.01)
            for kind in ("adamw", "adam", "sgd")
        }
        assert {kind: type(found) for kind, found in built.items()} == {
            "adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD,
        }  # fmt: skip
        assert built["sgd"].param_groups[0]["momentum"] == 0.9
        assert built["adam"].param_groups[0]["betas"] == (0.9, 0.999)
        assert all(found.param_groups[0]["weight_decay"] == 0.1 for found in built.values())

    def test_decay_of_filters_or_of_all(self):
        named = dict(self.net.named_parameters())
        some, every = OptimiserSettings(), OptimiserSettings(decay_all=True)
        assert [name for name, p in named.items() if some.decays(p)] == ["0.weight"]
        assert all(every.decays(p) for p in named.values())

    def test_what_makes_no_sense_is_refused(self):
        with pytest.raises(ValueError, match=r"optimiser.kind must be one of .*got 'lamb'"):
            OptimiserSettings.of({"kind": "lamb"})
        with pytest.raises(ValueError, match=r"optimiser.momentum must lie in 0..1, got 1.0"):
            OptimiserSettings.of({"momentum": 1.0})

    def test_settings_are_frozen(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            OptimiserSettings().kind = "sgd"  # type: ignore[misc]
