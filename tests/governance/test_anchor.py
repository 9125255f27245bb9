from __future__ import annotations

import pytest

from deid_platform.core.errors import LedgerError
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.governance.anchor import ANCHORED, check_anchors, set_anchor
from deid_platform.governance.ledger import Ledger
from tests.governance.test_ledger import filled
from tests.support.governance import world


@pytest.fixture
def deployment(tmp_path):
    return world(tmp_path).deployment


def anchored(deployment, ledger: Ledger) -> None:
    for zone in ANCHORED:
        with open_zone(deployment, zone) as con:
            set_anchor(con, zone, ledger)


def check(deployment, ledger: Ledger) -> tuple[Zone, ...]:
    with open_zone(deployment, None, reading=ANCHORED) as con:
        return check_anchors(con, ANCHORED, ledger)


def test_zones_remember_the_ledger_they_were_written_under(deployment, ledger_url, tmp_path):
    ledger = filled(ledger_url, 3)
    anchored(deployment, ledger)
    assert check(deployment, ledger) == ANCHORED
    filled(ledger_url, 2)
    assert check(deployment, ledger) == ANCHORED
    other = filled(f"sqlite:///{tmp_path / 'other.db'}", 9)
    with pytest.raises(LedgerError, match="the limited zone was written under another ledger"):
        check(deployment, other)
    with pytest.raises(LedgerError, match="another ledger"):
        anchored(deployment, other)
    assert check(deployment, ledger) == ANCHORED


def test_an_old_copy_of_the_same_ledger_is_refused(deployment, tmp_path):
    file = tmp_path / "ledger.db"
    ledger = filled(f"sqlite:///{file}", 3)
    (tmp_path / "copy.db").write_bytes(file.read_bytes())
    filled(f"sqlite:///{file}", 3)
    anchored(deployment, ledger)
    copy = Ledger.open(f"sqlite:///{tmp_path / 'copy.db'}")
    assert copy.verify().sequence < ledger.verify().sequence
    with pytest.raises(LedgerError, match="ends before it"):
        check(deployment, copy)
    filled(f"sqlite:///{tmp_path / 'copy.db'}", 9)
    with pytest.raises(LedgerError, match="has seen another one"):
        check(deployment, copy)


def test_an_empty_ledger_is_no_substitute_and_leaves_no_anchor(deployment, tmp_path):
    empty = Ledger.open(f"sqlite:///{tmp_path / 'empty.db'}")
    with open_zone(deployment, Zone.LIMITED) as con:
        set_anchor(con, Zone.LIMITED, empty)
    with open_zone(deployment, Zone.RELEASE) as con:
        set_anchor(con, Zone.RELEASE, filled(f"sqlite:///{tmp_path / 'l.db'}", 1))
    with pytest.raises(LedgerError, match="the release zone was written under another ledger"):
        check(deployment, empty)


def test_nothing_is_released_under_a_ledger_that_was_swapped(tmp_path):
    here = world(tmp_path / "here")
    here.approved()
    here.publish()
    swapped = world(tmp_path / "there").ledger
    here.ledger = swapped
    here.record()
    here.decided(here.submit().id)
    with pytest.raises(LedgerError, match="another ledger"):
        here.publish()
