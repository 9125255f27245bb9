"""No identifier of a person in the source appears in the table."""

import pytest

from deid_platform.engine.gates.subjects import TableName
from tests.engine.gates.tables import CANARY, broken, put, raw_column, record, run, zones

NAMES = (raw_column("first", names=True), raw_column("last", names=True))
ALL = (*NAMES, raw_column("mrn"), raw_column("ssn"), raw_column("phone"), raw_column("name"))


def patients(con):
    put(
        con,
        "raw.main.patients",
        "first varchar, last varchar, mrn varchar, ssn varchar, phone varchar, name varchar",
        ("Ann", CANARY, "MRN0012345", "999-17-5017", "(415) 555-2671", f"Ann {CANARY}"),
        ("Bob", "White", "MRN0012346", "123-45-6789", "(415) 555-2672", "Bob White"),
        ("Zoë", "Orange", "778899", None, None, None),
    )


def of_note(note, **facts):
    with zones() as con:
        patients(con)
        put(con, "deidentified.main.visits", "note varchar", (note,), ("fever",))
        return run("identifier_overlap", con, record(identifiers=ALL, **facts))


def test_a_table_without_identifiers_passes():
    result = of_note("Acute viral pharyngitis")
    assert result.passed
    assert result.counts["source_columns_compared"] == len(ALL)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(CANARY, id="a surname alone"),
        pytest.param(f"  {CANARY.upper()} ", id="in another case and with spaces"),
        pytest.param(f"Ann {CANARY}", id="first and last name"),
        pytest.param(f"{CANARY}, Ann", id="last name first"),
        pytest.param(f"seen by nurse, Ann {CANARY} left early", id="a full name in prose"),
        pytest.param("MRN0012345", id="a record number"),
        pytest.param("mrn-0012345 admitted", id="a record number in prose, written apart"),
        pytest.param("999175017", id="an SSN without its dashes"),
        pytest.param("call 415.555.2671 today", id="a phone number written otherwise, in prose"),
        pytest.param("Zoë Orange", id="a name with an accent"),
    ],
)
def test_a_source_value_in_text_is_found(text):
    assert broken(of_note(text)) == {"note": 1}


def test_a_name_held_whole_is_also_found_reversed():
    with zones() as con:
        put(con, "raw.main.patients", "name varchar", (f"Ann Maria {CANARY}",))
        put(con, "deidentified.main.visits", "note varchar", (f"{CANARY}, Ann Maria",))
        subject = record(identifiers=(raw_column("name", names=True),))
        assert broken(run("identifier_overlap", con, subject)) == {"note": 1}


def test_every_row_that_holds_the_value_is_counted():
    with zones() as con:
        patients(con)
        rows = [(CANARY,)] * 3 + [("fever",)]
        put(con, "deidentified.main.visits", "note varchar", *rows)
        result = run("identifier_overlap", con, record(identifiers=ALL))
    assert broken(result) == {"note": 3}


def test_a_declared_value_is_exempt_in_its_own_column_only():
    vocabulary = {"race": frozenset({"White", "Asian"})}
    with zones() as con:
        patients(con)
        put(con, "deidentified.main.visits", "race varchar, county varchar", ("White", "White"))
        result = run("identifier_overlap", con, record(identifiers=ALL, vocabulary=vocabulary))
    assert broken(result) == {"county": 1}


def test_an_undeclared_value_of_a_declared_column_is_found():
    vocabulary = {"race": frozenset({"White", "Asian"})}
    with zones() as con:
        patients(con)
        put(con, "deidentified.main.visits", "race varchar", (CANARY,))
        result = run("identifier_overlap", con, record(identifiers=ALL, vocabulary=vocabulary))
    assert broken(result) == {"race": 1}


def test_labels_of_reference_data_are_exempt_in_labelled_columns_only():
    with zones() as con:
        patients(con)
        put(con, "staging.main.county_population", "area varchar", ("Orange",))
        put(con, "deidentified.main.visits", "county varchar, payer varchar", ("Orange",) * 2)
        subject = record(
            identifiers=ALL,
            labelled=frozenset({"county"}),
            reference=(TableName(catalog="staging", name="county_population"),),
        )
        assert broken(run("identifier_overlap", con, subject)) == {"payer": 1}


def test_a_surrogate_that_equals_a_source_number_is_found():
    with zones() as con:
        patients(con)
        put(con, "deidentified.main.visits", "person_key bigint", (778899,), (5534023222112865484,))
        result = run("identifier_overlap", con, record(identifiers=ALL))
    assert broken(result) == {"person_key": 1}


def test_years_ages_and_counts_are_not_taken_for_record_numbers():
    with zones() as con:
        put(con, "raw.main.patients", "mrn varchar", ("2024",), ("1987",), ("778899",))
        put(
            con,
            "deidentified.main.visits",
            "visit_year integer, year_text varchar, visit_count bigint",
            (2024, "1987", 778899),
        )
        subject = record(
            identifiers=(raw_column("mrn"),), measures=frozenset({"visit_count", "visit_year"})
        )
        assert run("identifier_overlap", con, subject).passed


def record_numbers(con, count=1_000):
    con.execute(
        f"create table raw.main.patients as select 1000 + i as mrn from range({count}) t(i)"
    )


def test_a_few_codes_of_a_terminology_may_equal_running_record_numbers():
    with zones() as con:
        record_numbers(con)
        codes = [("1191",), ("7984",), ("847630",), ("73211009",)]
        put(con, "deidentified.main.visits", "code varchar", *codes)
        assert run("identifier_overlap", con, record(identifiers=(raw_column("mrn"),))).passed


def test_running_record_numbers_in_a_column_of_numbers_are_found():
    with zones() as con:
        record_numbers(con)
        leaked = [(str(number),) for number in range(1_100, 1_120)]
        put(con, "deidentified.main.visits", "code varchar", *leaked)
        result = run("identifier_overlap", con, record(identifiers=(raw_column("mrn"),)))
    assert broken(result) == {"code": 20}


def test_one_running_record_number_in_a_column_of_words_is_found():
    with zones() as con:
        record_numbers(con)
        put(con, "deidentified.main.visits", "payer varchar", ("Medi-Cal",), ("1191",))
        result = run("identifier_overlap", con, record(identifiers=(raw_column("mrn"),)))
    assert broken(result) == {"payer": 1}


def test_lists_and_structures_are_read_as_text():
    with zones() as con:
        patients(con)
        put(con, "deidentified.main.visits", "notes varchar[]", (["fever", CANARY, "MRN0012345"],))
        result = run("identifier_overlap", con, record(identifiers=ALL))
    assert broken(result) == {"notes": 1}


def test_without_any_raw_table_to_compare_with_the_gate_fails():
    with zones() as con:
        put(con, "deidentified.main.visits", "note varchar", ("fever",))
        result = run("identifier_overlap", con, record(identifiers=ALL))
    assert not result.passed
    assert result.error is not None


def test_a_missing_table_under_test_fails_without_quoting_anything():
    with zones() as con:
        patients(con)
        result = run("identifier_overlap", con, record(identifiers=ALL))
    assert not result.passed
    assert result.error is not None


def test_nothing_is_left_behind_in_the_session():
    with zones() as con:
        patients(con)
        put(con, "deidentified.main.visits", "note varchar", (CANARY,))
        run("identifier_overlap", con, record(identifiers=ALL))
        left = con.execute("select count(*) from duckdb_tables() where temporary").fetchone()
    assert left == (0,)
