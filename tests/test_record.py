"""Records of trials, and whether they can be told apart."""

import math
from dataclasses import dataclass

import pytest

from petri import verdict
from petri.errors import BadRequest
from petri.record import Record


@dataclass
class Trial:
    loss: float


def opened(path):
    return Record(path, {"what": 1}, lambda fields: Trial(**fields), kind="a test")


def test_a_record_is_one_process_at_a_time(tmp_path):
    path = tmp_path / "folder" / "record.json"
    first = opened(path)
    first.add(Trial(0.5))
    with pytest.raises(BadRequest, match="in use by another process"):
        opened(path)
    first.close()
    assert opened(path).trials == [Trial(0.5)]


def test_a_loss_that_is_infinite_is_a_failure():
    assert verdict.against([math.inf, 0.2], [0.1, 0.2]) == "failed"
    assert verdict.against([math.nan, 0.2], [0.1, 0.2]) == "failed"
    assert verdict.spread([math.inf, 0.2]) == 0
