"""Evaluation: a robot that clicks as published, the metrics of the field, runner and report."""

from __future__ import annotations
