import sys

import pytest

from petri.__main__ import main


@pytest.fixture
def petri(monkeypatch, capsys):
    """Run the command line in this process; what it said, and its exit code as asserted."""

    def run(*arguments, code=0):
        monkeypatch.setattr(sys, "argv", ["petri", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert end.value.code == code, said.out + said.err
        return said.out + said.err

    return run
