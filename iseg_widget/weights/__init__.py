"""Weights: the registry of checkpoints, their checks, and loading them into networks."""

from iseg_widget.weights.registry import WeightsRecord, list_weights, load_network

__all__ = ["WeightsRecord", "list_weights", "load_network"]
