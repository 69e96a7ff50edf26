"""Inference procedures of the papers, one file per paper, and the registry of their names."""
