"""Other objects of an image: from masks to iFCN's second strategy for negative clicks."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label

from iseg_widget.training.augmentation import Augmentation, Target, cover, paste
from iseg_widget.training.click_strategies import (
    MOST_OTHERS,
    STRATEGIES,
    ClickStrategy,
    placed_clicks,
)
from iseg_widget.training.crop_simulation import Scissors, Window, draw_window
from iseg_widget.training.interaction import InteractionSettings, first_interaction
from iseg_widget.training.pool import Pool, choose_target, other_objects
from iseg_widget.training.recipes import load_recipe
from iseg_widget.training.simulation import ViewSettings, check_simulation
from iseg_widget.training.tasks import build_task
from tests.training.tiny import SHAPE, blob, write_pool

SIDE = 256
EVERYWHERE = np.ones((SIDE, SIDE), bool)


def scene() -> NDArray[np.uint8]:
    """Ids 1 and 2 touch, 3 stands alone, 4 is too small to be a target, and a strip is ignored."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[10:40, 10:30], mask[10:40, 30:50] = 1, 2
    mask[45:65, 60:90] = 3
    mask[2:6, 70:76] = 4
    mask[68:] = 255
    return mask


def plain_target(mask: NDArray[np.uint8], ids: tuple[int, ...], *, known: bool = True) -> Target:
    truth = np.isin(mask, ids)
    valid = mask != 255
    others = other_objects(mask, "instances" if known else "object", truth, valid)
    return Target(np.full((*mask.shape, 3), 90, np.uint8), truth, valid, others)


class TestPool:
    def draws(self, root: Path, kind: str, how: Augmentation | None = None) -> list[Target]:
        data = write_pool(root, [("s", str(i), kind, scene()) for i in range(2)])
        pool = Pool(data, {"s": 1.0}, 0, how or Augmentation())
        rng = np.random.default_rng(0)
        return [pool.draw(rng) for _ in range(60)]

    @pytest.mark.parametrize("kind", ["instances", "regions", "parts"])
    def test_all_that_is_not_the_target_is_another_object(self, kind: str, tmp_path: Path):
        mask, found = scene(), set()
        for target in self.draws(tmp_path, kind, Augmentation(merge=0.5)):
            assert target.others is not None
            ids = set(np.unique(mask[target.truth]).tolist())
            others = set(np.unique(mask[target.others]).tolist())
            assert ids | others == {1, 2, 3, 4}
            assert not ids & others
            found.add(tuple(sorted(ids)))
        assert {(1,), (1, 2), (3,)} <= found
        if kind == "parts":
            assert (1, 2, 3, 4) in found  # the whole: no others, which is known

    def test_overlapping_objects(self):
        """Object (1, 2) shares the id 2 with (2, 3): what they share is the target's."""
        mask = np.zeros(SHAPE, np.uint8)
        mask[:, :20], mask[:, 20:40], mask[:, 40:60] = 1, 2, 3
        seen = set()
        for seed in range(40):
            chosen = choose_target(
                mask, "groups", np.random.default_rng(seed), ((1, 2), (2, 3)), Augmentation(0.0)
            )
            assert chosen is not None
            others = other_objects(mask, "groups", *chosen)
            assert others is not None
            ids = (np.unique(mask[chosen[0]]).tolist(), np.unique(mask[others]).tolist())
            seen.add(tuple(map(tuple, ids)))
        assert seen == {((1, 2), (3,)), ((2, 3), (1,))}

    def test_of_single_objects_nothing_is_known(self, tmp_path: Path):
        assert all(target.others is None for target in self.draws(tmp_path, "object"))


class TestAugmentation:
    @pytest.mark.parametrize("known", [False, True])
    def test_what_was_the_scenes_target_is_another_object(self, known: bool):
        thing = plain_target(blob(30, 30, 16), (1,), known=False)
        there = plain_target(scene(), (3,), known=known)
        kept = 0
        for seed in range(20):
            found = paste(thing, there, np.random.default_rng(seed))
            assert found.others is not None
            everything = there.truth if there.others is None else there.truth | there.others
            np.testing.assert_array_equal(found.others, everything & ~found.truth)
            kept += int(found.others.any())
        assert kept > 10

    @pytest.mark.parametrize("known", [False, True])
    def test_what_covers_a_target_is_another_object(self, known: bool):
        thing = plain_target(scene(), (1, 2), known=known)
        other = plain_target(blob(20, 20, 12), (1,), known=False)
        changed = 0
        for seed in range(20):
            found = cover(thing, other, np.random.default_rng(seed))
            if found is thing:
                continue
            changed += 1
            assert found.others is not None
            hidden = thing.truth & ~found.truth
            assert found.others[hidden].all()
            assert not (found.others & found.truth).any()
            assert not (found.others & ~found.valid).any()
            new = found.others if thing.others is None else found.others & ~thing.others
            assert label(new)[1] <= 2  # the disk, maybe cut by another object
            if thing.others is not None:
                assert found.others[thing.others].all()
        assert changed > 5


class TestViews:
    window = Window((48.0, 36.0), (96.0, 72.0), 0.0, mirrored=True)

    def test_are_cut_as_the_object_is(self):
        target = plain_target(scene(), (3,))
        assert target.others is not None
        rng = np.random.default_rng(0)
        view = Scissors(target, rng, others=True).cut(self.window.matrix(SHAPE), SHAPE)
        np.testing.assert_array_equal(view.truth, target.truth[:, ::-1])
        np.testing.assert_array_equal(view.others, target.others[:, ::-1])
        small = Scissors(target, rng, others=True).cut(self.window.matrix((36, 24)), (36, 24))
        assert small.others is not None
        assert small.others.shape == (36, 24)
        assert small.others.mean() == pytest.approx(target.others.mean(), abs=0.03)

    def test_only_where_they_are_asked_for_and_known(self):
        matrix = self.window.matrix(SHAPE)
        rng = np.random.default_rng(0)
        assert Scissors(plain_target(scene(), (3,)), rng).cut(matrix, SHAPE).others is None
        unknown = plain_target(scene(), (3,), known=False)
        assert Scissors(unknown, rng, others=True).cut(matrix, SHAPE).others is None

    def test_nothing_else_changes(self):
        target = plain_target(scene(), (3,))
        window = draw_window(target.truth, np.random.default_rng(1), whole=True, expansion=(1, 2))
        first, second = (np.random.default_rng(2) for _ in range(2))
        plain = Scissors(target, first).cut(window.matrix(SHAPE), SHAPE)
        asked = Scissors(target, second, others=True).cut(window.matrix(SHAPE), SHAPE)
        for name in ("image", "truth", "valid"):
            np.testing.assert_array_equal(getattr(plain, name), getattr(asked, name))
        assert first.random() == second.random()

    def test_only_strategies_that_use_them_ask(self):
        asking = {
            name
            for name in ("ifcn-lite0", "fca_net-lite0", "ritm-lite0", "focalclick-lite0")
            if ViewSettings.of(load_recipe(name).simulation).others
        }
        assert asking == {"ifcn-lite0"}
        simulation = load_recipe("fca_net-lite0").simulation
        assert not ViewSettings.of({**simulation, "clicks": "fca_net"}).others
        with pytest.raises(ValueError, match=r"unknown simulation settings \['others'\]"):
            check_simulation({**simulation, "others": True})

    @pytest.mark.parametrize("name", ["ifcn-lite0", "focalclick-lite0", "ia_fpn-lite0"])
    def test_batches_carry_them(self, name: str, tmp_path: Path):
        recipe = load_recipe(name)
        simulation = {**recipe.simulation, "clicks": "ifcn", "initial_mask": 0.0}
        task: Any = build_task(recipe.network, simulation)
        pool = Pool(write_pool(tmp_path, [("s", "a", "instances", scene())]), {"s": 1.0}, 0)
        batch = task.batch(pool, np.random.default_rng(0), 8, (64, 96))
        views = batch.crops if name == "focalclick-lite0" else batch.views
        assert all(view.others is not None for view in views)
        assert sum(view.others.any() for view in views) > 4
        assert not any((view.others & view.truth).any() for view in views)


def disk(x: int, y: int, radius: int) -> NDArray[np.bool_]:
    rows, columns = np.indices((SIDE, SIDE))
    return np.asarray((columns - x) ** 2 + (rows - y) ** 2 <= radius**2)


TRUTH = disk(100, 100, 50)
OTHERS = (disk(220, 60, 30) | disk(60, 220, 30) | disk(170, 100, 25)) & ~TRUTH


def only(name: str, **changes: object) -> ClickStrategy:
    """A strategy meant for these views, with one value for each distance."""
    values = {"p1": (8,), "p2": (12,), "n1": (15,), "n2": (40,), "n3": (20,), "side": SIDE}
    return dataclasses.replace(STRATEGIES[name], **{**values, **changes})


def draws(
    strategy: ClickStrategy, others: NDArray[np.bool_] | None, count: int = 60
) -> list[NDArray[np.float32]]:
    return [
        placed_clicks(TRUTH, EVERYWHERE, np.random.default_rng(seed), strategy, others)
        for seed in range(count)
    ]


class TestClicks:
    def test_the_second_strategy_clicks_on_every_other_object(self):
        """Up to five on each, apart from each other and off the object's margin."""
        away = distance_transform_edt(~TRUTH)
        names, numbers = label(OTHERS)[0], set()
        for clicks in draws(only("ifcn", others=1.0, around=0.0, n3=(8,)), OTHERS):
            assert TRUTH[clicks[0, 1].astype(int), clicks[0, 0].astype(int)]
            negative = clicks[clicks[:, 2] == 0][:, :2].astype(int)
            if len(negative) == 0:
                numbers.add(0)
                continue
            assert OTHERS[negative[:, 1], negative[:, 0]].all()
            assert away[negative[:, 1], negative[:, 0]].min() > 14.5
            each = np.bincount(names[negative[:, 1], negative[:, 0]], minlength=4)
            assert each[0] == 0
            assert max(each) - min(each[1:]) <= 1  # there is room for as many on each
            numbers.add(int(max(each)))
            gaps = [
                np.hypot(*(negative[:i] - negative[i]).T).min() for i in range(1, len(negative))
            ]
            assert min(gaps, default=99) > 8
        assert numbers == {0, 1, 2, 3, 4, 5}

    def test_beyond_the_reach_of_the_first_strategy(self):
        far = disk(225, 225, 25)
        found = draws(only("ifcn", others=1.0, around=0.0), far, 20)
        places = np.concatenate([clicks[clicks[:, 2] == 0] for clicks in found])
        assert len(places) > 20
        assert np.hypot(places[:, 0] - 100, places[:, 1] - 100).min() > 50 + 40

    @pytest.mark.parametrize("others", [None, ~EVERYWHERE, disk(100, 100, 60) & ~TRUTH])
    def test_without_others_it_is_the_first(self, others: NDArray[np.bool_] | None):
        """Also where they lie within the margin only."""
        ours = draws(only("ifcn", others=1.0, around=0.0), others, 20)
        firsts = draws(only("ifcn", others=0.0, around=0.0), OTHERS, 20)
        for one, two in zip(ours, firsts, strict=True):
            np.testing.assert_array_equal(one, two)

    def test_ignored_pixels_are_not_clicked(self):
        valid = EVERYWHERE.copy()
        valid[:, 128:] = False
        for seed in range(20):
            rng = np.random.default_rng(seed)
            clicks = placed_clicks(TRUTH, valid, rng, only("ifcn", others=1.0, around=0.0), OTHERS)
            assert (clicks[clicks[:, 2] == 0][:, 0] < 128).all()

    def test_the_three_ways_come_alike(self):
        strategy = STRATEGIES["ifcn"]
        assert (strategy.around, strategy.others) == (1 / 3, 1 / 3)
        assert (strategy.positives, strategy.negatives, strategy.on_others) == (5, 10, 5)
        # Half of the second way's samples have one click, at a place that no other way has.
        far = disk(225, 225, 25)
        plain = only("ifcn", on_others=1, negatives=3)
        found = draws(plain, far, 200)
        clicked = [any(far[int(y), int(x)] for x, y, kind in c if not kind) for c in found]
        assert np.mean(clicked) == pytest.approx(1 / 6, abs=0.07)
        # Without it they are the first way's, but for those that have no negative click anyway.
        less = draws(dataclasses.replace(plain, others=0.0), far, 200)
        changed = np.mean([not np.array_equal(a, b) for a, b in zip(found, less, strict=True)])
        assert changed == pytest.approx(7 / 24, abs=0.08)
        # The third way takes none of its samples.
        for clicks in draws(dataclasses.replace(plain, around=1.0), far, 30):
            assert not any(far[int(y), int(x)] for x, y, _ in clicks)

    def test_crowds_are_clicked_on_in_part(self):
        crowd = np.zeros_like(TRUTH)
        crowd[160::16, ::16] = True
        crowd[161::16, ::16] = True
        crowd[196:204, 196:204] = True
        strategy = only("ifcn", others=1.0, around=0.0, n3=(1,), positives=1)
        most = max(draws(strategy, crowd, 40), key=len)
        negative = most[most[:, 2] == 0].astype(int)
        names = label(crowd)[0][negative[:, 1], negative[:, 0]]
        assert len(set(names.tolist())) == MOST_OTHERS
        assert ((negative[:, :2] >= 196) & (negative[:, :2] < 204)).all(1).any()

    def test_fca_net_s_strategy_does_not_look_at_them(self):
        strategy = only("fca_net")
        for one, two in zip(draws(strategy, None, 20), draws(strategy, OTHERS, 20), strict=True):
            np.testing.assert_array_equal(one, two)
        assert (STRATEGIES["fca_net"].others, STRATEGIES["fca_net"].around) == (0.0, 0.0)

    def test_interactions_hand_them_over(self, tmp_path: Path):
        recipe = load_recipe("ifcn-lite0")
        pool = Pool(write_pool(tmp_path, [("s", "a", "instances", scene())]), {"s": 1.0}, 0)
        task: Any = build_task(recipe.network, recipe.simulation)
        views = task.batch(pool, np.random.default_rng(3), 24, (96, 96)).views
        settings = InteractionSettings.of(recipe.simulation)
        ours = first_interaction(views, settings, np.random.default_rng(0)).clicks
        blind = [dataclasses.replace(view, others=None) for view in views]
        without = first_interaction(blind, settings, np.random.default_rng(0)).clicks
        assert any(not np.array_equal(a, b) for a, b in zip(ours, without, strict=True))
