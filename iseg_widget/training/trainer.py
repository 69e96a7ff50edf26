"""One training loop for all methods: moving average, mixed precision, resumable."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm.auto import tqdm

from iseg_widget.networks.inference import place
from iseg_widget.training.average import MovingAverage
from iseg_widget.training.depthwise import quicken_depthwise
from iseg_widget.training.determinism import check_deterministic, deterministic_algorithms
from iseg_widget.training.logs import Journal, Means
from iseg_widget.training.pictures import draw
from iseg_widget.training.pool import Pool
from iseg_widget.training.processes import Processes
from iseg_widget.training.recipes import Recipe
from iseg_widget.training.seen import Seen
from iseg_widget.training.sources import Data
from iseg_widget.training.start import initialise, take_over
from iseg_widget.training.task import Task
from iseg_widget.training.tasks import build_task
from iseg_widget.training.teacher import Teacher
from iseg_widget.training.validation import Validation, better

__all__ = ["MovingAverage", "Processes", "Trainer", "Watch", "take_over", "train"]

CHECKPOINT = "checkpoint.pt"
BEST = "best.pt"
LOG_EVERY = 10


@dataclass(frozen=True)
class Watch:
    """What a run shows of itself beside its tables; nothing here changes what is learnt.

    Attributes
    ----------
    tensorboard: write ``tensorboard/`` as well; the package must be installed.
    pictures: write ``samples/<step>.png`` every so many steps: views of the batch with their
        clicks, the truth and the answer. 0: never.
    """

    tensorboard: bool = False
    pictures: int = 0

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a negative number of steps."""
        if self.pictures < 0:
            raise ValueError(f"pictures must be a number of steps or 0, got {self.pictures!r}")


def _trained(net: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in net.parameters() if parameter.requires_grad]


def _optimiser(net: nn.Module, recipe: Recipe, task: Task) -> torch.optim.Optimizer:
    settings = recipe.optimiser_settings
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        if not parameter.requires_grad:
            continue
        key = (task.pretrained(name), settings.decays(parameter))
        groups.setdefault(key, []).append(parameter)
    return settings.build(
        [
            {
                "params": parameters,
                "factor": recipe.backbone_factor if backbone else 1.0,
                "weight_decay": recipe.weight_decay if decays else 0.0,
            }
            for (backbone, decays), parameters in groups.items()
        ],
        recipe.learning_rate,
    )


def _save(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint so that a crash leaves the old or the new one, never half of one."""
    partial = path.with_suffix(".partial")
    torch.save(dict(content), partial)
    partial.replace(path)


def _size(recipe: Recipe, step: int) -> tuple[int, int]:
    # Depends on the step alone: all processes must draw the same one.
    phase = recipe.phase(step)
    weights = np.asarray(phase.weights) / np.sum(phase.weights)
    rng = np.random.default_rng([recipe.seed, step])
    return phase.sizes[int(rng.choice(len(phase.sides), p=weights))]


class Trainer:
    """A run of one recipe; :meth:`run` continues where the last checkpoint stopped.

    A resumed run is as one that was never interrupted. With several processes that holds but for
    batch statistics: each has its own, and all go on with those of the first, which are saved.

    Parameters
    ----------
    recipe: what to train.
    pool: where the objects come from.
    out: folder of the run: ``checkpoint.pt``, ``log.csv``, and with validation ``validation.csv``
        and ``best.pt``, the averaged weights that did best.
    device: ``"cpu"``, ``"cuda"`` or ``"auto"``.
    precision: ``"bf16"`` (autocast) or ``"fp32"``.
    resume: continue from the folder's checkpoint when there is one.
    init: weights to start from (name, safetensors file or a run's checkpoint) instead of the
        recipe's, maybe of another method: what both networks have is taken over. ``"imagenet"``
        fills the backbone only, and so does a file of a backbone's ImageNet weights.
    deterministic: take only algorithms that give the same bits every time.
    workers: threads that draw batches beside the training; what they draw does not depend on it.
    watch: what else to write.
    """

    def __init__(  # noqa: PLR0913 (keyword-only settings of one run)
        self,
        recipe: Recipe,
        pool: Pool,
        out: Path,
        *,
        device: str = "auto",
        precision: str = "bf16",
        resume: bool = False,
        init: str | Path | None = None,
        deterministic: bool = False,
        workers: int = 1,
        watch: Watch | None = None,
    ) -> None:
        if precision not in ("bf16", "fp32"):
            raise ValueError(f"precision must be 'bf16' or 'fp32', got {precision!r}")
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers!r}")
        self.recipe, self.pool, self.out = recipe, pool, out
        self.watch = watch or Watch()
        self.processes = Processes.join()
        if device == "auto":
            device = f"cuda:{self.processes.place}" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(device)
        self.deterministic, self.workers = deterministic, workers
        if deterministic:
            check_deterministic(self.device)
        self.dtype = torch.bfloat16 if precision == "bf16" else None
        self.task: Task = build_task(recipe.network, recipe.simulation)
        self.teacher = Teacher.of(recipe, self.device)
        self.validation: Validation | None = None
        torch.manual_seed(recipe.seed)
        self.net: Any = self.task.network()
        place(self.net, self.device)
        if self.device.type == "cpu":
            quicken_depthwise(self.net)
        self.step, self.seconds = 0, 0.0
        self.best: dict[str, float] = {}
        self.means = Means()
        self.picture: NDArray[np.uint8] | None = None
        self.checkpoint = out / CHECKPOINT
        saved = self._saved() if resume and self.checkpoint.is_file() else None
        if saved is None:
            initialise(self.net, recipe.init if init is None else init)
        self.task.begin(self.net)
        self.optimiser = _optimiser(self.net, recipe, self.task)
        self.average = MovingAverage(self.net, recipe.ema)
        if saved is not None:
            self._restore(saved)

    def _saved(self) -> dict[str, Any]:
        saved: dict[str, Any] = torch.load(
            self.checkpoint, weights_only=True, map_location=self.device
        )
        if saved["recipe"] != self.recipe.name:
            raise ValueError(
                f"{self.checkpoint} belongs to the recipe {saved['recipe']!r}, "
                f"not to {self.recipe.name!r}"
            )
        return saved

    def _restore(self, saved: Mapping[str, Any]) -> None:
        self.net.load_state_dict(saved["network"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.average.state, self.average.updates = saved["average"], saved["updates"]
        self.step = saved["step"]
        # Checkpoints of earlier versions have none of these.
        self.means = Means(saved.get("means"))
        self.seconds = saved.get("seconds", 0.0)
        self.best = saved.get("best", {})

    def _summary(self) -> dict[str, Any]:
        """Return what every file of weights tells."""
        return {
            "recipe": self.recipe.name,
            "settings": dataclasses.asdict(self.recipe),
            "step": self.step,
            "average": self.average.state,
        }

    def save(self) -> None:
        """Write the checkpoint (first process only)."""
        if self.processes.first:
            _save(
                self.checkpoint,
                {
                    **self._summary(),
                    "network": self.net.state_dict(),
                    "optimiser": self.optimiser.state_dict(),
                    "updates": self.average.updates,
                    "means": self.means.values,
                    "seconds": self.seconds,
                    "best": self.best,
                },
            )

    def _batches(self, start: int, stop: int) -> Iterator[tuple[tuple[int, int], list[Any]]]:
        """Draw the batches of a step ahead of it; they depend on seed, step and process only."""

        def draw_step(step: int) -> tuple[tuple[int, int], list[Any]]:
            size, batches = _size(self.recipe, step), []
            for turn in range(self.recipe.accumulate):
                key = [self.recipe.seed, step, self.processes.rank, 1]
                rng = np.random.default_rng([*key, turn] if turn else key)
                batches.append(self.task.batch(self.pool, rng, self.recipe.batch, size))
            return size, batches

        with ThreadPoolExecutor(self.workers) as executor:
            waiting: deque[Future[tuple[tuple[int, int], list[Any]]]] = deque()
            for step in range(start, stop):
                while len(waiting) <= self.workers and step + len(waiting) < stop:
                    waiting.append(executor.submit(draw_step, step + len(waiting)))
                yield waiting.popleft().result()

    def _train_step(self, batches: Sequence[Any]) -> dict[str, float]:
        """Learn from the mean gradient of the batches; return the means of their loss terms."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate * group["factor"] * self.recipe.rate(self.step)
        self.optimiser.zero_grad(set_to_none=True)
        means = Means()
        for turn, batch in enumerate(batches):
            terms = self._losses(batch, picture=turn == 0)
            loss = torch.stack([v for k, v in terms.items() if not k.endswith("iou")]).sum()
            (loss / len(batches)).backward()  # type: ignore[no-untyped-call]
            means.add({"loss": loss.item(), **{k: v.item() for k, v in terms.items()}})
        parameters = _trained(self.net)
        self.processes.average_gradients(parameters)
        norm = nn.utils.clip_grad_norm_(parameters, self.recipe.clip or float("inf"))
        if torch.isfinite(norm):
            self.optimiser.step()
            self.average.update(self.net)
        return means.take()

    def _losses(self, batch: Any, *, picture: bool) -> dict[str, Tensor]:
        every = self.watch.pictures
        picture = picture and self.processes.first and every > 0 and (self.step + 1) % every == 0
        if not picture and self.teacher is None:
            return self.task.losses(self.net, batch, self.device, self.dtype)
        seen: list[Seen] = []
        terms = self.task.losses(self.net, batch, self.device, self.dtype, seen.append)
        if self.teacher is not None:
            terms["distilled"] = self.teacher.loss(seen[-1], self.dtype)
        if picture:
            self.picture = draw(seen[-1])
        return terms

    def _validate(self, journal: Journal | None) -> None:
        """Evaluate the averaged weights (first process; the others wait) and keep the best."""
        if journal is not None:
            if self.validation is None:
                recipe = self.recipe
                self.validation = Validation.of(
                    self.pool, recipe.validate_objects, recipe.method, recipe.options
                )
            found = self.validation.run(self.net, self.average.state, self.device, self.task.ready)
            journal.validation(self.step, found)
            if better(found, self.best):
                self.best = {"step": self.step, **found}
                _save(self.out / BEST, {**self._summary(), "validation": found})
            self.save()
        self.processes.wait()

    def run(self, *, save_every: float = 60.0) -> None:
        """Train to the recipe's last step, with a checkpoint every ``save_every`` seconds."""
        journal = (
            Journal(self.out, self.step, tensorboard=self.watch.tensorboard)
            if self.processes.first
            else None
        )
        try:
            with deterministic_algorithms() if self.deterministic else nullcontext():
                self._run(journal, save_every)
        finally:
            if journal is not None:
                journal.close()

    def _run(self, journal: Journal | None, save_every: float) -> None:
        recipe = self.recipe
        before, started = self.seconds, time.perf_counter()
        saved = started
        hidden = journal is None
        progress = tqdm(total=recipe.steps, initial=self.step, disable=hidden, unit="step")
        for (height, width), batches in self._batches(self.step, recipe.steps):
            self.means.add(self._train_step(batches))
            self.step += 1
            self.seconds = before + time.perf_counter() - started
            progress.update()
            if journal is not None and self.picture is not None:
                journal.picture(self.step, self.picture)
                self.picture = None
            if self.step % LOG_EVERY == 0:
                row = self.means.take()
                if journal is not None:
                    side = height if height == width else f"{height}x{width}"
                    journal.training(self.step, {"side": side, "seconds": self.seconds, **row})
                    shown = {k: f"{v:.3f}" for k, v in row.items() if k == "loss" or "iou" in k}
                    progress.set_postfix(shown)
            if recipe.validates(self.step):
                self._validate(journal)
                saved = time.perf_counter()
            elif time.perf_counter() - saved > save_every:
                self.save()
                saved = time.perf_counter()
        self.save()
        self.processes.wait()  # or another one might resume from an earlier checkpoint
        progress.close()


def train(  # noqa: PLR0913 (keyword-only settings of one run)
    recipe: Recipe,
    data: Data,
    out: Path,
    *,
    resume: bool = False,
    steps: int | None = None,
    device: str = "auto",
    precision: str = "bf16",
    overfit: int | None = None,
    init: str | Path | None = None,
    deterministic: bool = False,
    workers: int = 1,
    watch: Watch | None = None,
) -> Trainer:
    """Train ``recipe`` on the pool at ``data`` into the folder ``out``.

    Parameters
    ----------
    data: a folder, several, or a mapping, see :func:`iseg_widget.training.sources.open_sources`.
    steps: overrides the recipe's number of steps (the schedule stretches with it).
    overfit: train on this many fixed objects only, a proof that the loop can learn.
    init: what to start from instead of the recipe's ``init``.
    device, precision, resume, deterministic, workers, watch: see :class:`Trainer`.
    """
    if steps is not None:
        recipe = dataclasses.replace(recipe, steps=steps)
    pool = Pool(data, recipe.sets, recipe.development, recipe.augmentation)
    if overfit is not None:
        pool = pool.fixed(overfit, recipe.seed)
    trainer = Trainer(
        recipe,
        pool,
        out,
        device=device,
        precision=precision,
        resume=resume,
        init=init,
        deterministic=deterministic,
        workers=workers,
        watch=watch,
    )
    trainer.run()
    return trainer
