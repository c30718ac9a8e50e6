"""Changes of the model registry, each with its leaves."""
