"""What changed since the last determination of a dataset: schema, labels, sizes, rules, inputs.

A publication is compared with the restricted annex of its last release; a de-identified table with
the content that somebody last made a statement on. Sizes are told as counts of cells, never as the
size of one.

Source: governance specification, section 6, drift monitors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from deid_platform.core.errors import EvidenceError
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Publication
from deid_platform.core.zones import Zone
from deid_platform.engine.database import open_zone
from deid_platform.engine.deployment import Deployment
from deid_platform.engine.evidence_keys import unseal
from deid_platform.engine.fingerprint import fingerprint
from deid_platform.engine.sql import qualified
from deid_platform.governance.answers.answer import Answer, Line, entries
from deid_platform.governance.chain import Entry
from deid_platform.governance.events import (
    RequestReleased,
    SafeHarborAttested,
)
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.packet.folder import ANNEX, artefact_of, read_manifest, unpacked
from deid_platform.governance.packet.masked import profile
from deid_platform.governance.request_events import KnowledgeStated

QUESTION = "What changed since the last determination?"
_NOTHING = "nothing changed"


def publication_drift(
    deployment: Deployment, ledger: Ledger, publication: Publication, policy: DdgPolicy
) -> Answer:
    """How the aggregate of a publication differs from the one that was released last.

    Raises:
        EvidenceError: it was never released with a packet, or the annex has no sizes.
        ZoneKeyError: the annex cannot be opened here.
        ZoneError: the aggregate cannot be read.
    """
    name = publication.name
    last = [
        entry
        for entry in ledger.entries(kinds=[RequestReleased], subject=name)
        if entry.payload.get("packet_digest")
    ][-1:]
    if not last:
        raise EvidenceError(
            name, "it has no release to compare with", "a determination comes with a release"
        )
    folder = deployment.evidence / last[0].payload["release"]
    manifest = read_manifest(folder)
    files = unpacked(unseal(deployment, (folder / ANNEX).read_bytes()))
    if "validation/class_sizes.json" not in files:
        raise EvidenceError(
            name, "the annex of its last release has no class sizes", "release it anew"
        )
    then = json.loads(files["validation/class_sizes.json"])
    inputs = artefact_of(folder, manifest, "execution/inputs")
    outputs = artefact_of(folder, manifest, "execution/outputs")
    source = qualified(Zone.LIMITED.value, "main", name)
    with open_zone(deployment, None, reading=[Zone.LIMITED]) as con:
        content = fingerprint(con, source)
        now = profile(con, source, publication)
    said = [
        *_rules(outputs, publication, policy),
        *_schema(then, now),
        *_labels(then, now),
        *_sizes(then, now, policy),
    ]
    if content != inputs["aggregate"] and not said:
        said.append("other values in the same cells, none of them newly small")
    return _answer(name, last[0], said, content == inputs["aggregate"])


def table_drift(deployment: Deployment, ledger: Ledger, table: str) -> Answer:
    """How a de-identified table differs from the content that a person last spoke of.

    Raises:
        EvidenceError: nobody has made a statement on it.
        ZoneError: the table cannot be read.
    """
    stated = list(ledger.entries(kinds=[KnowledgeStated], subject=table))[-1:]
    if not stated:
        raise EvidenceError(
            table,
            "its determination was never completed: nobody stated what they know of it",
            "state it with `deid determine state`",
        )
    with open_zone(deployment, None, reading=[Zone.DEIDENTIFIED]) as con:
        _, _, name = table.partition("/")
        content = fingerprint(con, qualified(Zone.DEIDENTIFIED.value, "main", name))
    attested = list(ledger.entries(kinds=[SafeHarborAttested], subject=table))
    before = [one for one in attested if one.sequence < stated[0].sequence][-1:]
    said: list[str] = []
    if before:
        said += _treatments(before[0].payload, attested[-1].payload)
    same = content == stated[0].payload["fingerprint"]
    if not same and not said:
        said.append("other rows under the same contract, policy and treatments")
    return _answer(table, stated[0], said, same)


def _answer(subject: str, since: Entry, said: list[str], same: bool) -> Answer:
    told = said or [_NOTHING if same else "the content changed"]
    return Answer(
        question=QUESTION,
        lines=(
            Line(
                subject=subject,
                says=f"last determined {since.at[:19]}",
                evidence=entries([since.sequence]),
            ),
            *(Line(subject=subject, says=what) for what in told),
        ),
    )


def _rules(
    outputs: Mapping[str, Any], publication: Publication, policy: DdgPolicy
) -> Iterator[str]:
    if outputs["policy_digest"] != policy.digest:
        yield f"policy: {policy.name} was changed"
    if outputs["publication_digest"] != publication.digest:
        yield "declaration: it was changed"


def _schema(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    before, after = then["columns"], now["columns"]
    for name in sorted(after.keys() - before.keys()):
        yield f"schema: column {name} is new"
    for name in sorted(before.keys() - after.keys()):
        yield f"schema: column {name} is gone"
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            yield f"granularity: column {name} is {after[name]}; it was {before[name]}"


def _labels(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name, after in now["labels"].items():
        before = set(then["labels"].get(name, ()))
        new, gone = len(set(after) - before), len(before - set(after))
        if new:
            finer = " (finer than before)" if len(after) > 2 * max(len(before), 1) else ""
            yield f"categories: {new} new of {len(after)} in {name}{finer}"
        if gone:
            yield f"categories: {gone} no longer in {name}"


def _sizes(then: Mapping[str, Any], now: Mapping[str, Any], policy: DdgPolicy) -> Iterator[str]:
    for people, after in now["sizes"].items():
        before = then["sizes"].get(people, {})
        few_then, few_now = _few(before, policy), _few(after, policy)
        if few_now != few_then:
            word = "more" if few_now > few_then else "fewer"
            yield (
                f"class sizes: {few_now} cells with fewer than {policy.min_people} people in "
                f"{people}, {word} than {few_then}"
            )
        if min(map(int, after), default=0) < min(map(int, before), default=0):
            yield f"class sizes: the smallest class of {people} shrank"


def _few(sizes: Mapping[str, int], policy: DdgPolicy) -> int:
    return sum(cells for size, cells in sizes.items() if policy.is_small(int(size)))


def _treatments(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name, word in (("contract_digest", "contract"), ("policy_digest", "policy")):
        if before[name] != after[name]:
            yield f"{word}: it was changed"
    for column in sorted(before["treatments"].keys() | after["treatments"].keys()):
        was, now = before["treatments"].get(column), after["treatments"].get(column)
        if was != now:
            yield f"schema: column {column} is treated by {now or 'nothing'}; it was {was or 'new'}"
