"""Distillation: learning another network's answers beside the truth (Hinton et al., 2015)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iseg_widget.networks.inference import place
from iseg_widget.training.interaction import Interaction
from iseg_widget.training.recipes import Recipe, list_recipes, load_recipe
from iseg_widget.training.seen import Seen
from iseg_widget.training.tasks import build_task
from iseg_widget.weights.registry import list_weights, load_state, networks, read_safetensors


class Answering(Protocol):
    """A task whose network answers a view, the clicks on it and the previous probability."""

    def answer(self, net: Any, image: Tensor, given: Interaction) -> Tensor:
        """Return logits ``(B, 1, H, W)`` for views ``(B, 3, H, W)``."""


@dataclass(frozen=True)
class Teacher:
    """A trained network that answers the same views with the same clicks, each encoded its way.

    Attributes
    ----------
    net: frozen, in evaluation mode.
    task: what it is fed.
    weight: factor of the loss.
    """

    net: nn.Module
    task: Answering
    weight: float

    @classmethod
    def of(cls, recipe: Recipe, device: torch.device) -> Teacher | None:
        """Load the recipe's teacher; ``None`` when it has none.

        Raises ``ValueError`` for weights that are not there, or whose network does not answer one
        view by itself (IA-FPN).
        """
        if not recipe.teacher:
            return None
        path, network = _find(recipe.teacher)
        state, metadata = read_safetensors(path)
        network = network or metadata.get("network", "")
        names = [*list_recipes("papers"), *list_recipes()]
        known = {found.network: found for found in map(load_recipe, names)}
        tasks: dict[str, Any] = {
            name: build_task(name, recipe.simulation) for name, recipe in known.items()
        }
        accepted = {name for name, task in tasks.items() if hasattr(task, "answer")}
        if network not in accepted:
            raise ValueError(
                f"the teacher {recipe.teacher!r} has the network {network!r}; accepted are "
                f"{', '.join(sorted(accepted))}"
            )
        task: Answering = tasks[network]
        net = networks()[network]()
        load_state(net, state, str(path))
        net.eval().requires_grad_(requires_grad=False)
        return cls(place(net, device), task, recipe.teacher_weight)

    def loss(self, seen: Seen, dtype: torch.dtype | None) -> Tensor:
        """Return the cross entropy with the teacher's probability, over valid pixels; a scalar.

        Zero for close-ups (:attr:`Seen.patches`): teachers were not trained on them.
        """
        if seen.patches:
            return seen.logits.sum() * 0.0
        kind = seen.image.device.type
        with torch.no_grad(), torch.autocast(kind, dtype=dtype, enabled=dtype is not None):
            soft = torch.sigmoid(self.task.answer(self.net, seen.image, seen.given).float())
        every = F.binary_cross_entropy_with_logits(seen.logits.float(), soft, reduction="none")
        return self.weight * (every * seen.valid).sum() / seen.valid.sum().clamp(min=1.0)


def _find(teacher: str) -> tuple[Path, str]:
    """Path of the weights, and their network where the registry knows it."""
    if teacher.endswith(".safetensors"):
        if not Path(teacher).is_file():
            raise ValueError(f"no weights file at {teacher}")
        return Path(teacher), ""
    records = {record.name: record for record in list_weights()}
    if teacher not in records:
        raise ValueError(
            f"no weights {teacher!r} for a teacher: accepted are the path of a .safetensors file "
            f"or the names of packaged weights ({', '.join(records) or 'none'})"
        )
    return records[teacher].path, records[teacher].network
