"""Evaluation on a Ray cluster: actors that keep the method, replaced when their node dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from iseg_widget.evaluation.jobs import Job, Order, Task, unpack
from iseg_widget.evaluation.records import Record
from iseg_widget.evaluation.workers import WorkerDied, portable, run_workers


@dataclass(frozen=True)
class RayExecutor:
    """Settings of ``evaluate(executor="ray")``; that name stands for the defaults.

    A connection that is there (``ray.init``) is used and kept. Otherwise one is made, as Ray's own
    environment variables say, and closed at the end.

    Datasets are read where the actors are, so their files must be at the same path on every node;
    the samples of a :class:`~iseg_widget.datasets.base.MemoryDataset` are sent. An actor that the
    cluster has no room for, such as the successor of one whose node died, is waited for; the others
    go on without it.

    Attributes
    ----------
    num_cpus, num_gpus: what each actor takes of its node; fractions share a GPU.
    address: of the cluster, for ``ray.init``.
    """

    num_cpus: float = 1.0
    num_gpus: float = 0.0
    address: str | None = None

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a value outside what is accepted."""
        for name in ("num_cpus", "num_gpus"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)!r}")


def run_ray(
    settings: RayExecutor, order: Order, indices: list[int], workers: int | None
) -> Iterator[Record]:
    """Let Ray actors do all tasks; yield the records as they come.

    Parameters
    ----------
    settings: see :class:`RayExecutor`.
    order: what is to be done.
    indices: of the objects in the order's dataset.
    workers: number of actors; ``None``: as many as the cluster has CPUs for.

    Raises
    ------
    ImportError: Ray is not installed.
    RuntimeError: actors die before they are ready.
    Exception: what loading the job raised in an actor.
    """
    try:
        import ray
        from ray import cloudpickle
    except ImportError as error:
        raise ImportError(
            'executor="ray" needs Ray: install it with pip install "iseg-widget[ray]"'
        ) from error
    with _connection(settings):
        content = ray.put(order.pack(cloudpickle.dumps))
        count = workers or _actors(settings)
        count = min(count, -(-len(indices) // order.batch))
        actor = ray.remote(_Actor).options(
            num_cpus=settings.num_cpus, num_gpus=settings.num_gpus, max_restarts=0
        )
        yield from run_workers(lambda: _RayWorker(actor, content), count, order.tasks(indices))


@contextmanager
def _connection(settings: RayExecutor) -> Iterator[None]:
    import ray

    if ray.is_initialized():
        yield
        return
    ray.init(address=settings.address, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()


def _actors(settings: RayExecutor) -> int:
    """Return how many actors the cluster has room for."""
    import ray

    found = ray.cluster_resources()  # type: ignore[no-untyped-call]
    wanted = {"CPU": settings.num_cpus, "GPU": settings.num_gpus}
    room = [int(found.get(name, 0) / share) for name, share in wanted.items() if share]
    return max(1, min(room, default=1))


class _Actor:
    """What runs in the cluster. Errors are returned: Ray would wrap those that are raised."""

    def __init__(self) -> None:
        self._job: Job | None = None

    def load(self, content: bytes) -> Exception | None:
        try:
            self._job = unpack(content)
        except Exception as error:  # noqa: BLE001 (it belongs to whoever asked)
            return portable(error)
        return None

    def evaluate(self, task: Task) -> list[Record]:
        if self._job is None:
            raise RuntimeError("the actor has not been loaded")
        return self._job.evaluate(task)


class _RayWorker:
    """A :class:`~iseg_widget.evaluation.workers.Worker` that is an actor."""

    def __init__(self, actor: Any, content: Any) -> None:
        self._actor = actor.remote()
        self._content = content

    def ready(self) -> None:
        error = self._get(self._actor.load.remote(self._content))
        if error is not None:
            raise error

    def evaluate(self, task: Task) -> list[Record]:
        records: list[Record] = self._get(self._actor.evaluate.remote(task))
        return records

    @staticmethod
    def _get(reference: Any) -> Any:
        import ray

        try:
            return ray.get(reference)
        except ray.exceptions.RayTaskError:
            raise
        except ray.exceptions.RayError as error:
            raise WorkerDied(f"{type(error).__name__}: {' '.join(str(error).split())}") from error

    def stop(self) -> None:
        import ray

        if ray.is_initialized():
            ray.kill(self._actor)
