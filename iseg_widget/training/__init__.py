"""Training: recipes, click and crop simulation, losses, one trainer for all methods."""
