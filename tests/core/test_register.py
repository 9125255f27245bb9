"""What the register refuses, each by the place in its files."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deid_platform.core.errors import AuthorisationError, DeclarationError
from deid_platform.core.register import (
    DestinationKind,
    Exposure,
    Method,
    Need,
    Purpose,
    Register,
)
from deid_platform.core.register.changes import register_changes
from deid_platform.core.register.checks import register_problems
from deid_platform.core.register.flow_map import flow_map, mermaid, svg
from deid_platform.core.workflow import Role
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.policy_digests import policy_digests
from deid_platform.engine.register_files import load_register

CHECKOUT = Path(__file__).parents[2]
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SHIPPED = load_register(CHECKOUT / "assets" / "register")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH17BCmEjzgYJshFC5oN0MDx+VBCoeoWqAkFz65IYqxr"
VALID = {"public": KEY, "valid_from": "2026-01-01", "valid_until": "2026-12-31"}


def edited(*steps: tuple[str | tuple[str, ...], object]) -> Register:
    """The shipped register with a key for its coordinator, after edits by path; None deletes."""
    content = copy.deepcopy(SHIPPED.content)
    content["people"]["lena.voss"]["keys"] = [VALID]
    for path, value in steps:
        *route, last = path.split("/") if isinstance(path, str) else path
        place = content
        for step in route:
            place = place[int(step) if isinstance(place, list) else step]
        if value is None:
            del place[last]
        elif isinstance(place, list):
            place.insert(int(last), value)
        else:
            place[last] = value
    return Register.parse(content)


def test_the_shipped_register_is_sound_once_its_coordinator_has_a_key():
    assert register_problems(edited(), NOW) == []
    (problem,) = register_problems(SHIPPED, NOW)
    assert "nobody could apply the next register" in str(problem)


def test_the_shipped_standard_lists_the_policies_as_they_are():
    deployment = Deployment(project=CHECKOUT, home=CHECKOUT / "var", environment={})
    assert SHIPPED.standard_in_force(NOW).policies == policy_digests(deployment)


ROLE = {"role": "legal", "since": "2024-01-01", "until": "2030-01-01", "certified_by": "nora.quinn"}
STANDARD = SHIPPED.content["method_standards"]["2026-1"]
UNSOUND = {
    "two standards at once": (
        "method_standards.2026-1.effective_until",
        [("method_standards/2026-2", {**STANDARD, "effective_from": "2026-05-01"})],
    ),
    "no standard now": (
        "method_standards",
        [("method_standards/2026-1/effective_until", "2026-05-31")],
    ),
    "a method that is not permitted": (
        "method_standards.2026-1.allowances[0].methods",
        [("method_standards/2026-1/permitted_methods", ["ddg_aggregate"])],
    ),
    "approved by nobody": (
        "method_standards.2026-1.approvals[0]",
        [("method_standards/2026-1/approvals/0/by", "ana.ruiz")],
    ),
    "one key for two people": ("people.lena.voss.keys[0]", [("people/ana.ruiz/keys", [VALID])]),
    "one name for two people": ("people.ben.cho", [("people/ben.cho/aliases", ["ana.ruiz"])]),
    "an auditor who writes": ("people.pia.stone.roles", [("people/pia.stone/roles/1", ROLE)]),
    "a role certified by its holder": (
        "people.ben.cho.roles[0]",
        [("people/ben.cho/roles/0/certified_by", "ben.cho@health.example")],
    ),
    "a role that ends before it begins": (
        "people.ana.ruiz.roles[0]",
        [("people/ana.ruiz/roles/0/until", "2023-01-01"), ("data_flows", {})],
    ),
    "a role without training": (
        "people.joy.adams.roles[0]",
        [("training/privacy_basics/roles", ["requester", "auditor"])],
    ),
    "a training of no module": (
        "people.ana.ruiz.trainings[0]",
        [("people/ana.ruiz/trainings/0/module", "unknown")],
    ),
    "a training of a version to come": (
        "people.ana.ruiz.trainings[0]",
        [("people/ana.ruiz/trainings/0/version", 9)],
    ),
    "a service named like a person": (
        "services.someone",
        [
            ("services/someone", {"description": "x", "owner": "dana.lee"}),
            ("people/ana.ruiz/aliases", ["someone"]),
        ],
    ),
    "an owner who is nobody": (
        "destinations.open_data.owner",
        [("destinations/open_data/owner", "no.body")],
    ),
    "a steward without the role": (
        "data_flows.ed_open_data.owners.data_steward",
        [("data_flows/ed_open_data/owners/data_steward", "ana.ruiz")],
    ),
    "an expired contract": (
        "third_parties.bay_university",
        [("third_parties/bay_university/contract/expires", "2026-05-31")],
    ),
    "a term that is not agreed": (
        "third_parties.bay_university",
        [("third_parties/bay_university/terms/no_reidentification/agreed", False)],
    ),
    "a term left out": (
        "third_parties.bay_university",
        [("third_parties/bay_university/terms/audit_right", None)],
    ),
    "a review that is due": (
        "third_parties.bay_university",
        [("third_parties/bay_university/next_review", "2026-05-31")],
    ),
    "a flow to nowhere": (
        "data_flows.ed_analytics.destination",
        [("data_flows/ed_analytics/destination", "elsewhere")],
    ),
    "a flow whose method is not allowed": (
        "data_flows.ed_open_data.method",
        [("data_flows/ed_open_data/method", "safe_harbor")],
    ),
    "a flow to another party's place": (
        "data_flows.ed_research.third_party",
        [("data_flows/ed_research/third_party", "social_services")],
    ),
    "a purpose that the contract does not have": (
        "data_flows.ed_research",
        [("third_parties/bay_university/purposes", ["exchange"])],
    ),
    "code that runs as nobody": (
        "code_paths.assets/*.py.service",
        [(("code_paths", "assets/*.py", "service"), "stranger")],
    ),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_entries_that_do_not_fit_together_are_named_by_their_place(name):
    where, steps = UNSOUND[name]
    problems = register_problems(edited(*steps), NOW)
    assert where in [problem.where for problem in problems]


REFUSED = {
    "an unknown key": [("people/ana.ruiz/nickname", "Annie")],
    "an unknown role": [("people/ana.ruiz/roles/0/role", "king")],
    "a weak or mistyped key": [("people/ana.ruiz/keys", [{**VALID, "public": KEY[:-8]}])],
    "a key type that may not sign": [
        ("people/ana.ruiz/keys", [{**VALID, "public": KEY.replace("ed25519", "dss", 1)}])
    ],
    "a secret in the settings": [("destinations/open_data/settings", {"password": "x"})],
    "a private key in the settings": [
        ("destinations/open_data/settings", {"identity": "-----BEGIN OPENSSH PRIVATE KEY-----"})
    ],
    "a public place for raw data": [("destinations/open_data/zone", "limited")],
    "a third party in the clear": [
        ("destinations/bay_university_sftp/encryption", {"in_transit": None, "at_rest": None})
    ],
    "a third party without a name": [("destinations/bay_university_sftp/third_party", None)],
    "a digest that is none": [("method_standards/2026-1/policies", {"safe_harbor": "abc"})],
    "a service as an owner": [("destinations/open_data/owner", "service:pipeline")],
    "two lines that are no text": [("agency/name", "a\x00b")],
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_register_may_say_is_refused_without_its_value(name):
    with pytest.raises(DeclarationError) as raised:
        edited(*REFUSED[name])
    assert "BEGIN" not in str(raised.value)
    assert "king" not in str(raised.value)


def test_the_digest_is_of_the_content_and_survives_the_ledger():
    again = Register.parse(copy.deepcopy(SHIPPED.content))
    assert (again, again.digest) == (SHIPPED, SHIPPED.digest)
    assert edited().digest != SHIPPED.digest


def test_changes_are_told_entry_by_entry_with_the_values_that_differ():
    before = edited()
    after = edited(
        ("people/ana.ruiz/unit", "Statistics"),
        ("destinations/research_enclave", None),
        ("services/second", {"description": "x", "owner": "dana.lee"}),
    )
    changes = {one.entry: one for one in register_changes(before.content, after.content)}
    assert {name: one.sign for name, one in changes.items()} == {
        "people.ana.ruiz": "~",
        "destinations.research_enclave": "-",
        "services.second": "+",
    }
    assert changes["people.ana.ruiz"].fields == (("unit", "Epidemiology", "Statistics"),)
    assert register_changes(before.content, before.content) == ()


def test_roles_and_trainings_hold_on_their_days_only():
    register = edited(
        ("people/ana.ruiz/roles/0/since", "2026-06-01"),
        ("people/ana.ruiz/roles/0/until", "2026-06-30"),
        ("people/ana.ruiz/trainings/0/expires", "2026-06-15"),
    )
    first = datetime(2026, 6, 1, tzinfo=UTC)
    last = datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC)
    assert register.roles("ana.ruiz", first) == register.roles("ana.ruiz", last) == {Role.REQUESTER}
    for outside in (first - timedelta(seconds=1), last + timedelta(seconds=1)):
        assert register.roles("ana.ruiz", outside) == frozenset()
    assert register.trained("ana.ruiz", Role.REQUESTER, first)
    (gap,) = register.training_gaps("ana.ruiz", Role.REQUESTER, last)
    assert gap == "privacy_basics expired on 2026-06-15"
    assert not register.trained("ana.ruiz", Role.LEGAL, first)
    assert register.roles("no.body", first) == frozenset()


def test_what_is_not_in_the_register_is_an_error_that_says_what_to_do():
    for look_up in (
        SHIPPED.person,
        SHIPPED.destination,
        SHIPPED.third_party,
        SHIPPED.data_flow,
        SHIPPED.code_path,
    ):
        with pytest.raises(AuthorisationError, match=r"not .*the register in force"):
            look_up("nothing.here")
    assert SHIPPED.code_path("assets/raw.py").title.startswith("Assets")


def test_the_decision_rule_and_the_matrix_lead_to_one_method():
    standard = SHIPPED.standard_in_force(NOW)
    rule = standard.decision_rule
    assert rule.method_for([], is_public_aggregate=False) is Method.SAFE_HARBOR
    assert rule.method_for([Need.DATES], is_public_aggregate=False) is Method.EXPERT_DETERMINATION
    assert rule.method_for([Need.DATES], is_public_aggregate=True) is Method.DDG_AGGREGATE
    portal = (DestinationKind.PORTAL, Exposure.PUBLIC)
    assert standard.allowance(Purpose.PUBLIC_RELEASE, *portal, Method.DDG_AGGREGATE)
    for method in (Method.SAFE_HARBOR, Method.EXPERT_DETERMINATION, Method.LIMITED_DATA_SET):
        assert standard.allowance(Purpose.PUBLIC_RELEASE, *portal, method) is None
    assert standard.forbidden_in("We REMOVE  identifiers\nwhere possible.")
    assert standard.forbidden_in("Every column has a declared action.") is None


def test_the_map_shows_every_flow_that_is_not_retired():
    nodes, edges = flow_map(SHIPPED)
    assert {edge.label for edge in edges} >= set(SHIPPED.data_flows)
    assert all(f'{edge.source} -- "' in mermaid(SHIPPED) for edge in edges)
    drawn = svg(edited(("agency/department", "A <b> & c")))
    assert "A &lt;b&gt; &amp; c" in drawn
    assert drawn.count("<rect") == len(nodes) + 1
    retired = edited(("data_flows/ed_research/status", "retired"))
    assert "ed_research" not in mermaid(retired)
