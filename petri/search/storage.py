"""Where studies are kept: a local file, or a database that many machines reach.

Both are Optuna's relational storage, as only that one notices workers that have vanished: a trial under way
is marked as alive every few seconds, by the database's own clock. A local file is SQLite. Every transaction
takes its write lock at once and waits for it if need be, so that processes never meet in the middle of one;
what a killed process has half written is rolled back.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from petri.errors import BadRequest, RunFailed

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from sqlalchemy import URL, Engine

LOCAL = "sqlite:///runs/studies.db"
HEARTBEAT, GRACE = 15, 60  # seconds between signs of life, and without one after which a worker has vanished
PATIENCE = 60  # seconds that a process waits for another one to let go of a local file
PSYCOPG = "postgresql+psycopg"
CONNECT = 10  # seconds that a server has to answer
TRIES = 3  # to make the tables, which another process may be making at the same time


def connect(url: str, *, create: bool, heartbeat: int = HEARTBEAT, grace: int = GRACE) -> RDBStorage:
    """Open a storage.

    Args:
        url: of a database, as SQLAlchemy spells it.
        create: make a local file if there is none.
        heartbeat, grace: seconds; the same for all who join a study.

    Raises:
        BadRequest: not such a URL, no driver for it, or it cannot be reached.
    """
    import optuna
    from sqlalchemy import exc

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    parsed = _parse(url)
    shown = parsed.render_as_string(hide_password=True)
    if parsed.get_backend_name() == "sqlite":
        _check_file(parsed, create=create)
    for number in range(1, TRIES + 1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                storage = optuna.storages.RDBStorage(
                    parsed.render_as_string(hide_password=False),
                    _options(parsed),
                    heartbeat_interval=heartbeat,
                    grace_period=grace,
                )
            break
        except (ImportError, exc.NoSuchModuleError) as error:
            hint = ""
            if parsed.get_backend_name() == "postgresql":
                hint = ': pip install "petri-nca[postgresql]"'
            raise BadRequest(f"there is no driver for the storage {shown}{hint or f' ({error})'}") from None
        except (exc.SQLAlchemyError, RuntimeError, ValueError, LookupError) as error:
            if number < TRIES and (isinstance(error, exc.IntegrityError) or "already exists" in str(error)):
                time.sleep(1)
                continue
            raise BadRequest(f"the storage {shown} cannot be used: {reason(error)}") from None
    if parsed.get_backend_name() == "sqlite":
        _take_turns(storage.engine)
        try:
            with storage.engine.begin():
                pass
        except exc.SQLAlchemyError as error:
            raise BadRequest(f"the storage {shown} cannot be written: {reason(error)}") from None
    return storage


@contextlib.contextmanager
def in_use() -> Iterator[None]:
    """Say in one line what goes wrong with a storage while it is used.

    Raises:
        RunFailed: something did; what was written before is there.
    """
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (OptunaError, SQLAlchemyError) as error:
        raise RunFailed(f"the storage cannot be used any more: {reason(error)}") from None


def reason(error: BaseException) -> str:
    """What a database says has gone wrong, without what surrounds it."""
    inner = getattr(error, "orig", None) or error.__cause__ or error
    inner = getattr(inner, "orig", None) or inner
    lines = [line.strip() for line in str(inner).splitlines() if line.strip()]
    return lines[0] if lines else type(inner).__name__


def _parse(url: str) -> URL:
    from sqlalchemy import exc, make_url

    try:
        parsed = make_url(url)
        # An older SQLAlchemy takes another driver unless told.
        return parsed.set(drivername=PSYCOPG) if parsed.drivername == "postgresql" else parsed
    except (exc.ArgumentError, ValueError):
        raise BadRequest(
            "the storage must be a database's URL, such as postgresql://user@host/name or "
            f"sqlite:///file.db, got {url!r}"
        ) from None


def _check_file(url: URL, *, create: bool) -> None:
    if not url.database or url.database == ":memory:":
        raise BadRequest(f"the storage must be a file that outlives this command, got {url}")
    path = Path(url.database)
    if path.is_file():
        return
    if not create:
        raise BadRequest(f"there are no studies in {path}: there is no such file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadRequest(f"cannot write to {path.parent}: {error.strerror or error}") from None


def _options(url: URL) -> dict[str, Any]:
    kind = url.get_backend_name()
    if kind == "sqlite":
        return {"connect_args": {"timeout": PATIENCE}}
    options: dict[str, Any] = {"pool_pre_ping": True}  # a server may be restarted during a trial
    if kind == "postgresql":
        options["connect_args"] = {"connect_timeout": CONNECT}
    return options


def _take_turns(engine: Engine) -> None:
    """Begin every transaction with the write lock: two that both read and then write cannot block each other.

    Source: SQLAlchemy's documentation of SQLite, on transactions and locking.
    """
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def leave_transactions_to_us(connection: Any, _: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    engine.dispose()  # connections from before
