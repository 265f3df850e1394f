"""What stands in the place of a CUDA graph where there is no GPU."""

from petri.engine import graphs


class Replayed(graphs.Graph):
    """It does its work again, on what lies in its places."""

    count = 0  # of all

    def record(self):
        return self.work(*self.inputs)

    def replay(self):
        Replayed.count += 1
        for place, values in zip(self.outputs, self.work(*self.inputs), strict=True):
            place.copy_(values)


class Wrong(Replayed):
    """It gives other numbers."""

    def replay(self):
        super().replay()
        self.outputs[0].add_(1)


class Refused(Replayed):
    """It cannot be recorded."""

    def record(self):
        raise RuntimeError("operation not permitted when stream is capturing")
