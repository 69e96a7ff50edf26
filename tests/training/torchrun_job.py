"""What two processes run in test_processes.py; writes what each of them has learnt."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from iseg_widget.networks.efficientnet_lite import EfficientNetLite0
from iseg_widget.training import start, trainer
from iseg_widget.training.pool import Pool
from iseg_widget.training.trainer import Trainer
from tests.training.stub import StubTask
from tests.training.tiny import tiny_recipe


def main(data: Path, out: Path) -> None:
    """A run of the loop alone, then a short one of RITM that is validated and resumed."""
    torch.set_num_threads(1)
    torch.manual_seed(7)
    state = EfficientNetLite0().state_dict()
    start.imagenet_backbone = lambda: state  # type: ignore[assignment]
    given = {"network": "ritm-lite0", "method": "ritm", "init": "imagenet", "accumulate": 2}
    recipe = tiny_recipe(
        **given, steps=2, batch=1, validate_every=1, validate_objects=1, options={"max_side": 64}
    )
    pool = Pool(data, recipe.sets, recipe.development)
    for resume in (False, True):
        run = Trainer(
            recipe, pool, out / "ritm", device="cpu", precision="fp32", resume=resume,
            deterministic=True,
        )  # fmt: skip
        run.run()
    rank = run.processes.rank
    assert (run.processes.count, run.step) == (2, 2)
    assert (run.validation is None) == (rank != 0 or resume)
    parameters = {name: value.detach() for name, value in run.net.named_parameters()}
    torch.save(parameters, out / f"ritm-{rank}.pt")
    trainer.build_task = lambda *_: StubTask()  # type: ignore[assignment]
    trainer.initialise = lambda *_: None  # type: ignore[assignment]
    recipe = tiny_recipe(accumulate=2, steps=3, clip=1e9)
    run = Trainer(recipe, pool, out / "stub", device="cpu", precision="fp32")
    run.run()
    torch.save(run.net.state_dict(), out / f"stub-{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
