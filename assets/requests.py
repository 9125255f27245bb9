"""Requests drive the pipeline: a partition per request, an asset per step, a sensor per asset.

A sensor orders a run for each request whose step is due, once per content and attempt. The asset
asks the ledger again. Runs report their beginning and end to the ledger, and a sensor settles those
that were killed, so that ledger and zones agree whatever happened.
"""

import getpass
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from assets import keys
from assets.release import PIPELINE
from assets.resources import LedgerResource, ZonesResource
from deid_platform.core.errors import AuthorisationError
from deid_platform.core.policy import DdgPolicy
from deid_platform.core.publication import Publication
from deid_platform.core.workflow import Action
from deid_platform.core.zones import Zone
from deid_platform.governance.automation import Due, due, open_runs, recorded_run, settle, take
from deid_platform.governance.ledger import Ledger
from deid_platform.governance.publish import publish
from deid_platform.governance.requests import Actor, request_of

partitions = dg.DynamicPartitionsDefinition(name="requests")
"""A partition for each request that a sensor has ordered a run for; its key is the request's id."""

STEPS: Mapping[str, Action] = {
    "execution": Action.RECORD_EXECUTION,
    "release": Action.RELEASE,
    "expiry": Action.EXPIRE,
}
"""Assets by name, each with the step it takes."""

_SECONDS = 60
_ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
_SAYS = {
    "execution": "Records the pipeline's run as the execution of a reviewed request.",
    "release": "Releases what a request has every approval for.",
    "expiry": "Ends a release whose determination has expired.",
}

Step = Callable[[ZonesResource, Ledger, str], None]


def request_assets(
    publications: Sequence[Publication], policies: Mapping[str, DdgPolicy]
) -> list[dg.AssetsDefinition]:
    """The assets of all steps; a partition of one is one request."""
    by_name = {one.name: one for one in publications}

    def release(zones: ZonesResource, ledger: Ledger, request: str) -> None:
        publication = by_name.get(request_of(ledger, request).publication)
        if publication is None:
            raise AuthorisationError(
                request, "its publication is not declared here", "declare it or reject the request"
            )
        publish(
            zones.deployment,
            ledger,
            publication,
            policies[publication.policy],
            actor=_pipeline(),
            request=request,
        )

    def by_ledger(action: Action) -> Step:
        def step(_zones: ZonesResource, ledger: Ledger, request: str) -> None:
            take(ledger, _pipeline(), request, action)

        return step

    return [
        _step_asset(name, action, release if action is Action.RELEASE else by_ledger(action))
        for name, action in STEPS.items()
    ]


def _step_asset(name: str, action: Action, step: Step) -> dg.AssetsDefinition:
    @dg.asset(
        key=dg.AssetKey(["requests", name]),
        partitions_def=partitions,
        backfill_policy=keys.whole_range,
        pool=keys.pool(Zone.RELEASE) if action is Action.RELEASE else None,
        group_name="requests",
        description=_SAYS[name],
    )
    def asset(
        context: dg.AssetExecutionContext, zones: ZonesResource, ledger: LedgerResource
    ) -> dg.MaterializeResult[None]:
        records = ledger.open()
        publications, states = list[str](), list[str]()
        for request in context.partition_keys:
            publication = request_of(records, request).publication
            ordered = Due(request=request, publication=publication, action=action, key="")
            with recorded_run(records, ordered, context.run_id):
                step(zones, records, request)
            publications.append(publication)
            states.append(request_of(records, request).state.value)
        return dg.MaterializeResult(
            metadata={
                "publication": dg.MetadataValue.text(", ".join(publications)),
                "state": dg.MetadataValue.text(", ".join(states)),
            }
        )

    return asset


def request_sensors(assets: Sequence[dg.AssetsDefinition]) -> list[dg.SensorDefinition]:
    """A sensor for each step; off until switched on, since each makes the pipeline act alone."""
    return [
        _sensor(name, action, asset)
        for (name, action), asset in zip(STEPS.items(), assets, strict=True)
    ]


def _sensor(name: str, action: Action, asset: dg.AssetsDefinition) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"request_{name}",
        target=dg.AssetSelection.assets(asset),
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=_SAYS[name],
    )
    def sensor(context: dg.SensorEvaluationContext, ledger: LedgerResource) -> dg.SensorResult:
        records = ledger.open()
        _settle_lost(context.instance, records)
        found = due(records, action, datetime.now(UTC).date())
        # A partition must be there when the run is ordered; adding one twice changes nothing.
        context.instance.add_dynamic_partitions("requests", [one.request for one in found])
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(run_key=one.key, partition_key=one.request) for one in found
            ]
        )

    return sensor


def _settle_lost(instance: dg.DagsterInstance, ledger: Ledger) -> None:
    """Tell the ledger of runs that ended, or vanished, without telling it themselves."""
    for run in open_runs(ledger):
        known = instance.get_run_by_id(run.run)
        if known is None or known.status in _ENDED:
            settle(ledger, run)


def _pipeline() -> Actor:
    return Actor.of(PIPELINE, getpass.getuser())
