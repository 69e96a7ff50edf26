"""Experiments of the papers, as data, run by the evaluation and kept as small results.

An experiment is a file of ``experiments/``: rows that differ in a method's options, in its weights
or in the data. :func:`run` evaluates them, :func:`load_results` reads what it left behind.
"""

from __future__ import annotations

from iseg_widget.evaluation.ablation.definition import (
    Experiment,
    Row,
    list_experiments,
    load_experiment,
)
from iseg_widget.evaluation.ablation.results import Line, Results, load_results
from iseg_widget.evaluation.ablation.runner import Place, run

__all__ = [
    "Experiment",
    "Line",
    "Place",
    "Results",
    "Row",
    "list_experiments",
    "load_experiment",
    "load_results",
    "run",
]
