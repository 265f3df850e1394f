import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from petri.search import storage
from petri.search.agenda import Agenda
from petri.search.space import SPACES, Space
from petri.search.study import Study
from petri.targets import load
from petri.tasks.catalogue import reports_architecture
from petri.training.presets import make_recipe, phase

SETTINGS = ["phases.batch=2", "phases.steps=[2, 4]", "hold=2", "pool.size=8"]


@pytest.fixture
def recipe():
    """Make a recipe of the least there is; for a pattern that Table 4 has."""

    def make(target="circle", epochs=3, **options):
        file = {"phases": [phase(16, epochs)], "spec": reports_architecture(target)}
        return make_recipe(load(target, 16), target, res=16, file=file, settings=SETTINGS, **options)

    return make


@pytest.fixture
def small(monkeypatch):
    """A space of eight configurations."""
    space = Space(
        "small",
        {
            "perception": ("sobel", "learned", "dilated", "learned+dilated"),
            "hidden": (64,),
            "rule": ("2 layers", "3 layers residual"),
        },
    )
    monkeypatch.setitem(SPACES, "small", space)
    return space


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/studies.db"


@pytest.fixture
def study(recipe, url, small):
    return Study.join(storage.connect(url, create=True), "tiny", small, recipe())


@pytest.fixture
def agenda(study):
    """Make what is asked of the study."""

    def make(trials, seeds=0):
        return Agenda(study.space, study.recipe.seed, study.first, trials, seeds)

    return make


@pytest.fixture(scope="session")
def postgresql():
    """The URL of a PostgreSQL server of our own, which listens on a socket only."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    places = [*debian, *map(Path, os.get_exec_path())]
    programs = next((place for place in places if (place / "initdb").exists()), None)
    if programs is None:
        pytest.skip("there is no PostgreSQL server here (Debian: postgresql)")
    pytest.importorskip("psycopg")
    who = {}
    if os.geteuid() == 0:  # which the server refuses to run as
        names = ("postgres", "nobody")
        account = next((a for a in pwd.getpwall() if a.pw_name in names), None)
        if account is None:
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres or nobody")
        who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="petri-", dir="/tmp"))  # a socket's path must be short
    if who:
        os.chown(folder, who["user"], who["group"])

    def run(program, *arguments):
        subprocess.run(
            [programs / program, "-D", folder / "data", *arguments],
            cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, **who,
        )  # fmt: skip

    try:
        run("initdb", "--auth=trust", "--username=petri", "--encoding=UTF8", "--no-locale", "--no-sync")
        options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=20"
        run("pg_ctl", "start", "-w", "-l", folder / "log", "-o", options)
        yield f"postgresql://petri@/postgres?host={folder}"
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            run("pg_ctl", "stop", "-w", "-m", "immediate")
        shutil.rmtree(folder)
