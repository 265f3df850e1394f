"""Several workers on this machine, each a process of its own; who dies is replaced."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from petri.errors import BadRequest, RunFailed
from petri.search.agenda import Agenda
from petri.search.storage import GRACE, HEARTBEAT

REPLACED = 20  # workers, before it is clear that none will live
ENDING = 60.0  # seconds that a worker has to leave its trial to others


@dataclass(frozen=True)
class Order:
    """What a worker needs to know."""

    storage: str  # URL
    study: str
    target: str  # as it is called on this machine
    agenda: Agenda
    device: str
    workers: int  # that share this machine
    heartbeat: int = HEARTBEAT
    grace: int = GRACE


class Crew:
    """Workers that run until their study has all that is asked for.

    Attributes:
        replaced: how many have died and been replaced.
    """

    def __init__(self, order: Order) -> None:
        self.order = order
        self.replaced = 0
        self._context = get_context("spawn")
        self._workers: list[tuple[BaseProcess, Connection]] = []

    def __enter__(self) -> Crew:
        self._workers = [self._hire() for _ in range(self.order.workers)]
        return self

    def __exit__(self, *failure: object) -> None:
        for process, _ in self._workers:
            if process.is_alive():
                process.terminate()  # it puts its trial back
        deadline = time.monotonic() + ENDING
        for process, _ in self._workers:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()

    def _hire(self) -> tuple[BaseProcess, Connection]:
        here, there = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_serve, args=(self.order, there), daemon=True)
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; this process decides
        try:
            process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        there.close()
        return process, here

    def is_busy(self) -> bool:
        """Whether any of them is still at work; those that were killed are replaced.

        Raises:
            BadRequest, RunFailed: one of them could not go on, and said why; or they keep being killed.
        """
        for number, (process, here) in enumerate(self._workers):
            if process.is_alive() or process.exitcode == 0:
                continue
            kind, message = BadRequest, ""
            if here.poll():
                with contextlib.suppress(EOFError):
                    kind, message = here.recv()
            if message:
                raise kind(message)
            self.replaced += 1
            if self.replaced > REPLACED:
                raise RunFailed("workers keep being killed, perhaps for want of memory: try fewer --workers")
            self._workers[number] = self._hire()
        return any(process.is_alive() for process, _ in self._workers)


def _serve(order: Order, there: Connection) -> None:
    """Work in this process; what makes it end early is sent to whoever has started it."""
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    import dataclasses

    import torch

    from petri import devices
    from petri.engine import native_status
    from petri.search import storage
    from petri.search.study import Study
    from petri.search.worker import work

    starter = parent_process()
    torch.set_num_threads(max(1, torch.get_num_threads() // order.workers))
    native_status()  # what compiling and trying the native step takes is no part of a trial
    try:
        opened = storage.connect(order.storage, create=False, heartbeat=order.heartbeat, grace=order.grace)
        device = devices.choose(order.device)
        with storage.in_use():
            study = Study(opened, order.study)
            study.recipe = dataclasses.replace(study.recipe, target=order.target)
            work(
                study,
                order.agenda,
                device,
                lambda: stopping or (starter is not None and not starter.is_alive()),
            )
    except (BadRequest, RunFailed) as error:
        there.send((type(error), str(error)))
        sys.exit(1)
    except Exception as error:
        there.send((RunFailed, f"a worker failed: {type(error).__name__}: {error}"))
        sys.exit(1)
