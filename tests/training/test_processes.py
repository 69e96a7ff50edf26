"""Two processes that train together, as ``torchrun`` starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from iseg_widget.training import trainer
from iseg_widget.training.pool import Pool
from iseg_widget.training.processes import Processes
from iseg_widget.training.trainer import Trainer
from tests.training.stub import StubTask
from tests.training.tiny import tiny_pool, tiny_recipe

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
JOB = Path(__file__).parent / "torchrun_job.py"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left behind."""
    folder = tmp_path_factory.mktemp("torchrun")
    tiny_pool(folder / "data")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", str(JOB), str(folder / "data"), str(folder)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


@pytest.mark.parametrize("name", ["ritm", "stub"])
def test_both_have_learnt_the_same(out: Path, name: str):
    ours, theirs = (torch.load(out / f"{name}-{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_their_step_is_that_of_all_batches_together(
    out: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Two processes with two batches each learn what one learns from the four."""
    monkeypatch.setattr(trainer, "build_task", lambda *_: StubTask())
    monkeypatch.setattr(trainer, "initialise", lambda *_: None)
    recipe = tiny_recipe(accumulate=2, steps=3, clip=1e9)
    pool = Pool(out / "data", recipe.sets, recipe.development)
    run, other = (Trainer(recipe, pool, tmp_path, device="cpu", precision="fp32") for _ in "ab")
    other.processes = Processes(1, 2)
    for (_, ours), (_, theirs) in zip(run._batches(0, 3), other._batches(0, 3), strict=True):
        run._train_step([*ours, *theirs])
        run.step += 1
    found = torch.load(out / "stub-0.pt")
    for key, value in run.net.state_dict().items():
        torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-6)


def test_only_the_first_writes_and_validates(out: Path):
    rows = (out / "ritm" / "validation.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "1", "2"]
    saved = torch.load(out / "ritm" / "checkpoint.pt", weights_only=True)
    assert (saved["step"], saved["settings"]["accumulate"]) == (2, 2)
    assert (out / "ritm" / "best.pt").is_file()


def test_alone():
    alone = Processes.join()
    assert alone == Processes(0, 1, 0)
    assert alone.first
    alone.wait()
    assert not Processes(1, 2).first
