"""Evaluation on a Ray cluster: two nodes on this machine, one of which is killed midway."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from iseg_widget.datasets import MemoryDataset
from iseg_widget.evaluation.report import Report
from iseg_widget.evaluation.runner import RayExecutor, evaluate
from iseg_widget.evaluation.stream import RECORDS
from tests.evaluation.closed_form import DiskMethod
from tests.evaluation.crowd import Crowd, DeadlyDisk, SigningDisk, Unloadable, course

pytestmark = [
    pytest.mark.ray,
    # Ray leaves sockets and files of its processes to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ROOT = Path(__file__).resolve().parents[2]
COUNT = 30


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    ray = pytest.importorskip("ray")
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setenv("PYTHONPATH", str(ROOT))  # the actors import this test's methods
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
        quick = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500}
        made = Cluster(
            initialize_head=True,
            head_node_args={**node, "_system_config": quick},
        )
        made.add_node(**node)
        ray.init(address=made.address, log_to_driver=False)
        yield made
        ray.shutdown()
        made.shutdown()


def run(method: object, dataset: object, **more: object) -> Report:
    return evaluate(
        method,  # type: ignore[arg-type]
        dataset,  # type: ignore[arg-type]
        4,
        progress=False,
        **{"executor": "ray", **more},  # type: ignore[arg-type]
    )


def undisturbed(dataset: object) -> list[tuple[object, ...]]:
    return course(run(DiskMethod(), dataset, executor=None))


@pytest.mark.usefixtures("cluster")
def test_the_cluster_finds_what_one_process_finds():
    import ray

    assert len(ray.nodes()) == 2
    crowd = Crowd(unreadable=[4])
    report = run(DiskMethod(), crowd, batch=2)
    assert course(report) == undisturbed(crowd)
    assert [record.name for record in report.faulty] == ["object 004"]
    memory = MemoryDataset(Crowd(), name="crowd")
    assert course(run(DiskMethod(), memory, executor=RayExecutor(num_cpus=0.5))) == undisturbed(
        Crowd()
    )


@pytest.mark.usefixtures("cluster")
def test_what_is_defined_in_a_notebook_can_be_sent():
    class Local(DiskMethod):
        pass

    assert run(Local(), Crowd(3), workers=1).valid


@pytest.mark.usefixtures("cluster")
def test_a_method_that_cannot_be_loaded_ends_the_run():
    with pytest.raises(ValueError, match="no weights here"):
        run(Unloadable(os.getpid()), Crowd(3), workers=1)


@pytest.mark.usefixtures("cluster")
def test_a_deadly_object_is_faulty_in_the_end(tmp_path: Path):
    report = run(DeadlyDisk(folder=str(tmp_path), times=100), Crowd(6), workers=1)
    assert [record.name for record in report.faulty] == ["object 003"]
    assert "3 workers died over it" in str(report.faulty[0].error)
    assert len(report.valid) == 5


def test_a_node_that_dies_midway_costs_nothing(cluster: object, tmp_path: Path):
    """The last test of the cluster: one of its nodes is gone afterwards."""
    import ray

    signed, records = tmp_path / "signed", tmp_path / "run" / RECORDS
    signed.mkdir()
    seen: list[int] = []
    over = threading.Event()

    def kill_one_node() -> None:
        """When either node is at work."""
        while not records.exists() or records.read_bytes().count(b"\n") < 4:
            if over.wait(0.02):
                return
        seen.append(records.read_bytes().count(b"\n") - 1)
        cluster.remove_node(cluster.worker_nodes.copy().pop(), allow_graceful=False)  # type: ignore[attr-defined]

    killer = threading.Thread(target=kill_one_node)
    killer.start()
    method = SigningDisk(folder=str(signed), pause=0.1)
    try:
        report = run(method, Crowd(COUNT), workers=2, out=tmp_path / "run")
    finally:
        over.set()
        killer.join()
    assert seen[0] < COUNT
    assert sum(node["Alive"] for node in ray.nodes()) == 1
    assert course(report) == undisturbed(Crowd(COUNT))
    assert not report.faulty
