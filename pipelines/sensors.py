"""What watches finished runs: one message per run, and only when something changed.

Not with Dagster's run status sensors: they ignore what `python -m pipelines run` executes. What a
message says and how it is sent stands in alerts.py.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.run_request import DagsterRunReaction
from dagster._utils.error import SerializableErrorInfo

from pipelines.alerts import MOST_LISTED, Alerts, Check, Digest, NotDelivered
from pipelines.checks import FAULTS
from pipelines.settings import COMPANY_FILE, load_settings

HOW_TO_SWITCH_ON = (
    f"Nobody is alerted: write `alerts:` with `email:` or `webhook:` into {COMPANY_FILE} to get a "
    "message when a check newly fails"
)
# A tick that takes 60 s is killed, and its cursor with it.
START_SENDING_FOR_SECONDS = 15
RUNS_PER_TICK = 5
EVENTS_PER_READ = 1_000
# A run is stamped when it ends and seen when that is committed: SQLite may wait a minute for it.
OVERLAP_SECONDS = 600
FIRST_LOOK_BACK_SECONDS = 24 * 60 * 60
LONGEST_LOOK_BACK_SECONDS = 7 * 24 * 60 * 60
MOST_WAITING = 10
LONGEST_PAUSE_SECONDS = 60 * 60

_FINISHED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]
_LOOKED_AT = {dg.DagsterEventType.ASSET_CHECK_EVALUATION, dg.DagsterEventType.STEP_FAILURE}
# Only these and `remedy` are shown of a check's metadata: whole numbers, never a sample of rows.
_COUNTS = {
    "rows_to_correct": "rows to correct",
    "fields_outside_the_contract": "fields outside the contract",
    "dagster_dbt/failed_row_count": "rows or groups break it",
    "not_read": "files or answers not read",
    "refused_loads": "loads refused",
}


@dataclass
class Waiting:
    """A message, and the channels it still has to go through."""

    digest: Digest
    channels: list[str]


@dataclass
class Pause:
    """How often a channel failed in a row, and when it is tried again."""

    failures: int = 0
    until: float = 0


@dataclass
class Failing:
    """How a check fails: its severity, and the names of what is wrong, if it tells them."""

    severity: str
    faults: list[str]


@dataclass
class Memory:
    """What the sensor knows from tick to tick; it is the cursor.

    position is the latest end of a run looked at (seconds), seen the runs around it; failing maps
    every check that fails to how, so that what is absent holds.
    """

    position: float
    seen: dict[str, float] = field(default_factory=dict)
    failing: dict[str, Failing] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)
    pauses: dict[str, Pause] = field(default_factory=dict)

    @classmethod
    def of(cls, cursor: str | None) -> "Memory":
        """The memory in a cursor; without one it begins a day ago, and knows of no failure."""
        if cursor is None:
            return cls(position=time.time() - FIRST_LOOK_BACK_SECONDS)
        kept = json.loads(cursor)
        kept["waiting"] = [
            Waiting(_digest_of(waiting["digest"]), waiting["channels"])
            for waiting in kept["waiting"]
        ]
        kept["failing"] = {name: Failing(**failing) for name, failing in kept["failing"].items()}
        kept["pauses"] = {name: Pause(**pause) for name, pause in kept["pauses"].items()}
        return cls(**kept)

    def as_cursor(self) -> str:
        """Everything as JSON."""
        return json.dumps(asdict(self))


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="One message per run, by mail and webhook, when a check newly fails, a run failed "
    "or something healed.",
)
def alert_on_failed_checks(
    context: dg.SensorEvaluationContext,
) -> Iterator[dg.SkipReason | DagsterRunReaction]:
    """Look at the runs finished since the last tick, and send what is new about them."""
    alerts = load_settings().alerts
    if alerts is None:
        yield dg.SkipReason(HOW_TO_SWITCH_ON)
        return
    memory = Memory.of(context.cursor)
    _gather(context, memory, list(alerts.channels))
    sent, problems = _send(memory, alerts)
    context.update_cursor(memory.as_cursor())
    yield _outcome(context, alerts, sent, problems)


def _gather(context: dg.SensorEvaluationContext, memory: Memory, channels: list[str]) -> None:
    """Look at new runs, and let wait what is worth saying about them."""
    for record in _new_runs(context.instance, memory):
        digest = _digest(context.instance, record, memory.failing, _harms(context))
        if digest.outcome == "failure" or digest.newly_failing or digest.healed:
            memory.waiting.append(Waiting(digest, list(channels)))
    for waiting in memory.waiting[:-MOST_WAITING]:
        context.log.error(
            "Gave up sending the message on run %s: newer ones wait for the same receiver",
            waiting.digest.run_id,
        )
    memory.waiting = memory.waiting[-MOST_WAITING:]


def _harms(context: dg.SensorEvaluationContext) -> dict[dg.AssetCheckKey, str | None]:
    """What it means that a check does not hold: the description of every check there is."""
    if context.repository_def is None:
        return {}
    graph = context.repository_def.asset_graph
    return {key: graph.get(key).description for key in graph.asset_check_keys}


def _new_runs(instance: dg.DagsterInstance, memory: Memory) -> list[dg.RunRecord]:
    """Runs that finished and were not looked at, the earliest first, a few at a time."""
    horizon = max(memory.position - OVERLAP_SECONDS, time.time() - LONGEST_LOOK_BACK_SECONDS)
    records = instance.get_run_records(
        dg.RunsFilter(statuses=_FINISHED, updated_after=datetime.fromtimestamp(horizon, UTC)),
        limit=RUNS_PER_TICK + len(memory.seen),
        order_by="update_timestamp",
        ascending=True,
    )
    unseen = [record for record in records if record.dagster_run.run_id not in memory.seen]
    unseen = unseen[:RUNS_PER_TICK]
    for record in unseen:
        updated = record.update_timestamp.timestamp()
        memory.seen[record.dagster_run.run_id] = updated
        memory.position = max(memory.position, updated)
    memory.seen = {
        run_id: updated
        for run_id, updated in memory.seen.items()
        if updated > memory.position - OVERLAP_SECONDS
    }
    # A tag set on a run of last week makes it updated, not newly finished.
    return [record for record in unseen if record.end_time is None or record.end_time > horizon]


def _digest(
    instance: dg.DagsterInstance,
    record: dg.RunRecord,
    failing: dict[str, Failing],
    harms: Mapping[dg.AssetCheckKey, str | None],
) -> Digest:
    """What the run changed; brings `failing` up to date."""
    run = record.dagster_run
    evaluations: dict[dg.AssetCheckKey, dg.AssetCheckEvaluation] = {}
    failed_steps = []
    for event in _events(instance, run.run_id):
        data = event.event_specific_data
        if event.event_type is dg.DagsterEventType.STEP_FAILURE:
            failed_steps.append(_named_step(event.step_key, data.error))
        else:
            # A step that was tried again judged again: its last word counts.
            evaluations[data.asset_check_key] = data
    changes = {"newly_failing": [], "healed": [], "still_failing": []}
    for key, evaluation in evaluations.items():
        if change := _change(failing, evaluation):
            changes[change[0]].append(_check(evaluation, change[1], harms.get(key)))
    if harms:
        _forget_checks_that_are_gone(failing, harms)
    for checks in changes.values():
        checks.sort(key=lambda check: (check.severity, check.asset, check.name))
    return Digest(
        run_id=run.run_id,
        job="assets by hand" if run.job_name.startswith("__") else run.job_name,
        outcome=run.status.value.lower(),
        ended_at=datetime.fromtimestamp(
            record.end_time or record.update_timestamp.timestamp(), UTC
        ).isoformat(timespec="seconds"),
        failed_steps=tuple(failed_steps[:MOST_LISTED]),
        totals={change: len(checks) for change, checks in changes.items()},
        **{change: tuple(checks[:MOST_LISTED]) for change, checks in changes.items()},
    )


def _events(instance: dg.DagsterInstance, run_id: str) -> Iterator[dg.DagsterEvent]:
    cursor, has_more = None, True
    while has_more:
        read = instance.get_records_for_run(
            run_id, cursor=cursor, of_type=_LOOKED_AT, limit=EVENTS_PER_READ
        )
        yield from (record.event_log_entry.dagster_event for record in read.records)
        cursor, has_more = read.cursor, read.has_more


def _named_step(step: str, error: SerializableErrorInfo | None) -> str:
    """The step and the class of the innermost error; its text may quote the data."""
    while error and (inner := error.cause or error.context):
        error = inner
    return f"{step} ({error.cls_name})" if error and error.cls_name else step


def _change(
    failing: dict[str, Failing], evaluation: dg.AssetCheckEvaluation
) -> tuple[str, str] | None:
    """What the evaluation changes and how severe that is; None where it goes on holding."""
    name = f"{evaluation.asset_key.to_user_string()}:{evaluation.check_name}"
    before = failing.pop(name, None)
    if evaluation.passed:
        return ("healed", before.severity) if before else None
    now = failing[name] = Failing(evaluation.severity.value, _faults(evaluation))
    is_new = (
        before is None
        or (before.severity, now.severity) == ("WARN", "ERROR")
        # A family of rules is one check: another rule that breaks is news all the same.
        or not set(now.faults) <= set(before.faults)
    )
    return ("newly_failing" if is_new else "still_failing"), now.severity


def _faults(evaluation: dg.AssetCheckEvaluation) -> list[str]:
    table = evaluation.metadata.get(FAULTS)
    if not isinstance(table, dg.TableMetadataValue):
        return []
    return [record.data["fault"] for record in table.records]


def _check(evaluation: dg.AssetCheckEvaluation, severity: str, harm: str | None) -> Check:
    metadata = evaluation.metadata
    return Check(
        asset=evaluation.asset_key.to_user_string(),
        name=evaluation.check_name,
        severity=severity,
        harm=harm,
        found=evaluation.description,
        remedy=str(metadata["remedy"].value) if "remedy" in metadata else None,
        counts={
            counted: number
            for name, counted in _COUNTS.items()
            if name in metadata and isinstance(number := metadata[name].value, int) and number
        },
    )


def _forget_checks_that_are_gone(
    failing: dict[str, str], known_checks: Iterable[dg.AssetCheckKey]
) -> None:
    known = {f"{key.asset_key.to_user_string()}:{key.name}" for key in known_checks}
    for name in failing.keys() - known:
        del failing[name]


def _digest_of(kept: dict) -> Digest:
    checks = {
        name: tuple(Check(**check) for check in kept[name])
        for name in ("newly_failing", "healed", "still_failing")
    }
    return replace(Digest(**{**kept, "failed_steps": tuple(kept["failed_steps"])}), **checks)


def _send(memory: Memory, alerts: Alerts) -> tuple[list[str], list[tuple[str, str]]]:
    """Hand over what waits; what was sent as words, and what was not as (run id, why)."""
    sent, problems = [], []
    started = time.monotonic()
    # One that did not answer last time must not use up the time of the other.
    for name in sorted(alerts.channels, key=lambda name: _pause(memory, name).failures):
        pause = _pause(memory, name)
        for waiting in memory.waiting:
            if name not in waiting.channels or pause.until > time.time():
                continue
            if time.monotonic() - started > START_SENDING_FOR_SECONDS:
                break
            try:
                alerts.channels[name].deliver(waiting.digest)
            except NotDelivered as problem:
                problems.append((waiting.digest.run_id, str(problem)))
                pause.failures += 1
                # At once, at first; then ever more rarely: a wrong password may lock an account.
                seconds = 60 * 2 ** (pause.failures - 1) if pause.failures > 1 else 0
                pause.until = time.time() + min(seconds, LONGEST_PAUSE_SECONDS)
                break
            waiting.channels.remove(name)
            memory.pauses[name] = pause = Pause()
            sent.append(f"{name} on run {waiting.digest.run_id[:8]}")
    for waiting in memory.waiting:
        waiting.channels = [name for name in waiting.channels if name in alerts.channels]
    memory.waiting = [waiting for waiting in memory.waiting if waiting.channels]
    return sent, problems


def _pause(memory: Memory, channel: str) -> Pause:
    return memory.pauses.setdefault(channel, Pause())


def _outcome(
    context: dg.SensorEvaluationContext,
    alerts: Alerts,
    sent: list[str],
    problems: list[tuple[str, str]],
) -> dg.SkipReason | DagsterRunReaction:
    said = "; ".join(problem for _, problem in problems)
    run = context.instance.get_run_by_id(problems[0][0]) if problems else None
    if run:
        # A raised error would show as well, but lose the cursor: what was sent would go out again.
        return DagsterRunReaction(run, SerializableErrorInfo(said, [], NotDelivered.__name__))
    unset = [channel.unset_variable for channel in alerts.channels.values()]
    if unset := [variable for variable in unset if variable]:
        said = f"Not set, so that nothing could be sent there: {', '.join(unset)}"
    news = f"Sent: {', '.join(sent)}" if sent else "Nothing to send"
    return dg.SkipReason(f"{news}. {said}".strip())
