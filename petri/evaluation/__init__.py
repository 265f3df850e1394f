"""How good a model is."""

from petri.evaluation.evaluation import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]
