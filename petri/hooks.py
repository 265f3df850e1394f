"""What lower rooms call of higher ones without knowing them; `petri` puts it here before anything else runs.

So `automaton.rollout(…)` takes the fastest engine and a notebook shows a model alive, while `petri.nca` and
`petri.modelfile` import neither engines nor pages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

rollout: Callable[..., Tensor]  # petri.engine.rollout
alive: Callable[..., str]  # petri.viewing.notebook.alive
