"""The chain of events and its head, append-only by trigger on SQLite and PostgreSQL."""

import sqlalchemy as sa
from alembic import op

from deid_platform.core.errors import LedgerError

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_GENESIS = "0" * 64

_SQLITE = """
create trigger ledger_events_no_update before update on ledger_events
begin select raise(abort, 'the ledger is append-only'); end;

create trigger ledger_events_no_delete before delete on ledger_events
begin select raise(abort, 'the ledger is append-only'); end;

create trigger ledger_events_in_order before insert on ledger_events
when new.sequence <> (select sequence + 1 from ledger_head)
  or new.previous <> (select hash from ledger_head)
begin select raise(abort, 'the ledger is append-only'); end;

create trigger ledger_head_no_delete before delete on ledger_head
begin select raise(abort, 'the ledger is append-only'); end;

create trigger ledger_head_no_insert before insert on ledger_head
begin select raise(abort, 'the ledger is append-only'); end;

create trigger ledger_head_forward before update on ledger_head
when new.id <> old.id
  or not exists (
    select 1 from ledger_events
    where sequence = new.sequence and hash = new.hash and previous = old.hash
      and sequence = old.sequence + 1
  )
begin select raise(abort, 'the ledger is append-only'); end
"""

_POSTGRESQL = """
create function ledger_refuse() returns trigger language plpgsql as $$
begin raise exception 'the ledger is append-only'; end $$;

create function ledger_events_check() returns trigger language plpgsql as $$
begin
  if not exists (
    select 1 from ledger_head where new.sequence = sequence + 1 and new.previous = hash
  ) then raise exception 'the ledger is append-only'; end if;
  return new;
end $$;

create function ledger_head_check() returns trigger language plpgsql as $$
begin
  if new.id <> old.id or not exists (
    select 1 from ledger_events
    where sequence = new.sequence and hash = new.hash and previous = old.hash
      and sequence = old.sequence + 1
  ) then raise exception 'the ledger is append-only'; end if;
  return new;
end $$;

create trigger ledger_events_no_change before update or delete on ledger_events
for each row execute function ledger_refuse();

create trigger ledger_events_no_truncate before truncate on ledger_events
for each statement execute function ledger_refuse();

create trigger ledger_events_in_order before insert on ledger_events
for each row execute function ledger_events_check();

create trigger ledger_head_no_change before insert or delete on ledger_head
for each row execute function ledger_refuse();

create trigger ledger_head_no_truncate before truncate on ledger_head
for each statement execute function ledger_refuse();

create trigger ledger_head_forward before update on ledger_head
for each row execute function ledger_head_check()
"""


def upgrade() -> None:
    """Make the two tables, the empty chain's head, and the triggers that guard them."""
    op.create_table(
        "ledger_events",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False, unique=True),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
    )
    op.create_index("ledger_events_by_subject", "ledger_events", ["subject", "kind", "sequence"])
    op.create_index("ledger_events_by_kind", "ledger_events", ["kind", "sequence"])
    head = op.create_table(
        "ledger_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "sequence": 0, "hash": _GENESIS}])
    script = _POSTGRESQL if op.get_bind().dialect.name == "postgresql" else _SQLITE
    for statement in script.strip().split("\n\ncreate "):
        op.get_bind().exec_driver_sql(
            statement if statement.startswith("create ") else f"create {statement}"
        )


def downgrade() -> None:
    """There is no way back: the ledger is append-only.

    Raises:
        LedgerError: always.
    """
    raise LedgerError(
        "ledger", "its first migration cannot be undone", "restore a backup made before it"
    )
