"""What is kept of works that are done again and again, and that replaying them changes nothing.

Whether CUDA can replay them is told by tests/test_gpu.py alone.
"""

import contextlib

import pytest
import torch
from replayed import Refused, Replayed, Wrong

from petri.engine import graphs

Recorded = graphs.Graph


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch):
    monkeypatch.setattr(graphs, "possible", lambda device: True)
    monkeypatch.setattr(graphs, "Graph", Replayed)
    monkeypatch.setattr(graphs, "_once", set())
    monkeypatch.setattr(graphs, "_graphs", type(graphs._graphs)())


def work(one, other):
    return one * 3 + other, one.flip(0)


def run(length, *, name="work", size=100):
    """Whether a graph was replayed, and not for a trial."""
    inputs = torch.rand(length), torch.rand(length)
    before = Replayed.count
    assert all(map(torch.equal, graphs.run(work, name, inputs, size), work(*inputs)))
    return Replayed.count - before


def test_a_work_is_recorded_the_second_time_and_replayed_from_then_on():
    assert [run(5) for _ in range(4)] == [0, 1, 1, 1]
    assert [len(graphs._once), len(graphs._graphs)] == [1, 1]
    (graph,) = graphs._graphs.values()
    assert graph.size == 4 * 5 * 4


def test_what_came_out_stays_as_it_is():
    found = [graphs.run(work, "work", (torch.full((3,), float(n)), torch.ones(3)), 0)[0] for n in range(5)]
    assert [values[0].item() for values in found] == [1, 4, 7, 10, 13]


def test_other_shapes_types_and_names_have_graphs_of_their_own():
    run(5), run(5)
    assert [run(6), run(6)] == [0, 1]
    assert [run(5, name="other"), run(5, name="other")] == [0, 1]
    assert len(graphs._graphs) == 3
    inputs = torch.ones(5, dtype=torch.float64), torch.ones(5)
    before = Replayed.count
    graphs.run(work, "work", inputs, 0)
    assert Replayed.count == before


@pytest.mark.parametrize(("kind", "tried"), [(Wrong, 1), (Refused, 0)])
def test_a_graph_that_cannot_be_had_or_gives_other_bits_is_done_without(monkeypatch, kind, tried):
    monkeypatch.setattr(graphs, "Graph", kind)
    assert [run(5) for _ in range(4)] == [0, tried, 0, 0]


def test_behind_a_recording_that_failed_others_are_made_elsewhere(monkeypatch):
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: "beside")
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", object)
    graphs._aside.cache_clear()
    here = torch.ones(1)  # it has a device, as a stream has
    before = graphs._aside(here)
    assert graphs._aside(here) is before
    monkeypatch.setattr(graphs, "Graph", Refused)
    run(5), run(5)
    assert graphs._aside(here)[1] is not before[1]
    graphs._aside.cache_clear()


def test_numbers_that_are_none_are_the_same():
    nothing = torch.full((3,), torch.nan)
    for _ in range(2):
        graphs.run(work, "work", (nothing, nothing), 0)
    before = Replayed.count
    assert graphs.run(work, "work", (nothing, nothing), 0)[0].isnan().all()
    assert Replayed.count == before + 1


def test_what_is_recorded_in_inference_mode_is_replayed_outside_of_it():
    with torch.inference_mode():
        assert [run(5), run(5)] == [0, 1]
    assert run(5) == 1
    with torch.inference_mode():
        assert run(5) == 1


def test_a_graph_is_recorded_aside_and_a_recording_that_fails_leaves_the_stream_as_it_was(monkeypatch):
    given, now = [], ["here"]

    @contextlib.contextmanager
    def stream(wanted):
        before = now[0]
        try:
            yield
        finally:
            now[0] = before

    class Recording:
        """As torch.cuda.graph, it goes back to the stream before only if all went well."""

        def __init__(self, graph, **options):
            given.append(options)

        def __enter__(self):
            self.before, now[0] = now[0], given[-1]["stream"]

        def __exit__(self, error, *_):
            now[0] = now[0] if error else self.before

    def refused(*inputs):
        raise RuntimeError(f"not on a stream {now[0]}")

    monkeypatch.setattr(graphs, "_aside", lambda stream: (f"beside {stream}", "room"))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: now[0])
    monkeypatch.setattr(torch.cuda, "stream", stream)
    monkeypatch.setattr(torch.cuda, "graph", Recording)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    inputs = (torch.ones(3), torch.ones(3))
    with pytest.raises(RuntimeError, match="not on a stream beside here"):
        Recorded(refused, inputs)
    assert now == ["here"]
    Recorded(work, inputs)
    assert now == ["here"]
    wanted = {"pool": "room", "stream": "beside here", "capture_error_mode": "thread_local"}
    assert given == [wanted, wanted]


def test_large_works_are_launched_one_by_one():
    size = graphs.ROOM // 4
    assert [run(5, size=size + 1) for _ in range(3)] == [0, 0, 0]
    assert [run(5, size=size) for _ in range(3)] == [0, 1, 1]


def test_the_oldest_make_room(monkeypatch):
    monkeypatch.setattr(graphs, "ROOM", 16 * (10 + 20 + 30))
    for length in (10, 20, 30):
        run(length), run(length)
    run(10)
    run(40), run(40)
    kept = {graph.inputs[0].numel() for graph in graphs._graphs.values() if graph}
    assert kept == {10, 40}
    assert [run(20), run(20), run(40)] == [0, 0, 1]


def test_not_without_a_gpu(monkeypatch):
    monkeypatch.undo()
    assert not graphs.possible(torch.device("cpu"))
