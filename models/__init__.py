"""The models that petri ships."""
