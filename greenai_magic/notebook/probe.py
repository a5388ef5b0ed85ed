"""`%greenai probe`: a few measured steps tell what the whole job will take; later, how well they told it."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic_arguments import argument, magic_arguments

from greenai_magic.estimate.forecast import LEAST_STEPS, forecast, score, steps_of
from greenai_magic.estimate.project import flop_count
from greenai_magic.footprint.impacts import assess
from greenai_magic.meter.discover import default_meter
from greenai_magic.notebook.body import Body, compile_cell, run_body
from greenai_magic.notebook.display import attempt
from greenai_magic.notebook.estimate import value_of
from greenai_magic.notebook.line import parsed, split_statement, told_as_usage, unquoted
from greenai_magic.runs.labels import Labels
from greenai_magic.runs.measure import Measuring, last_run, outcome
from greenai_magic.show.forecast import forecast_text, verdict_text

if TYPE_CHECKING:
    from argparse import Namespace

    from greenai_magic.meter.measurement import Measurement
    from greenai_magic.notebook.session import Session
    from greenai_magic.quantity import Quantity
    from greenai_magic.runs.run import Status

STEPS = 10
_MOST_STEPS = 10**15
NO_AWAIT = "This statement awaits, which `%greenai probe` cannot do: probe a function that asyncio runs."
_NO_JOB = (
    "The last run is the probe itself: measure the whole job with %%carbon, and then score the forecast."
)


def _at_least(least: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = -1
        if not least <= number <= _MOST_STEPS:
            msg = f"{text} is not a whole number from {least} up"
            raise ArgumentTypeError(msg)
        return number

    return count


@magic_arguments("greenai probe")
@argument("--steps", type=_at_least(LEAST_STEPS), help=f"how many are measured; {STEPS} when left out")
@argument("--warmup", type=_at_least(0), help="how many run before those, unmeasured; 0 when left out")
@argument("--total", type=_at_least(1), help="how many the whole job has, those of the probe included")
@argument("--flops", help="operations of one step: a number, a FlopReport or a Quantity")
@argument("--score", action="store_true", help="hold the last forecast against the run that ended last")
@argument("-o", "--output", metavar="VAR", type=unquoted, help="put the Forecast into this variable")
def probe(session: Session, line: str, local_ns: MutableMapping[str, Any] | None) -> None:
    """Run a statement a few times, measure each, and say what the whole job will take.

    The statement is one step of the job, and it really runs: `--steps` and `--warmup` times. With
    `--score`, after the job was measured, say how well the forecast told it; later forecasts learn from that.

    Examples
    --------
    ::

        %greenai probe --total 5000 train_step(next(batches))
        %%carbon
        for batch in batches: train_step(batch)

        %greenai probe --score
    """
    __tracebackhide__ = True
    given, statement = split_statement(probe.parser, line)
    options = parsed(probe, given)
    if options.score:
        _score(session, statement)
        return
    if not statement:
        msg = "%greenai probe needs a step of the job, as in `%greenai probe --total 5000 train_step(batch)`."
        raise UsageError(msg)
    flops = None
    if options.flops is not None:
        given_flops = value_of(session, options.flops, local_ns)
        with told_as_usage():
            flops = flop_count(given_flops)
    body = compile_cell(session.shell, statement, "", NO_AWAIT)
    with told_as_usage():
        measuring = Measuring(Labels("probe", source=statement))
    seen: list[Measurement] = []
    status: Status = "ok"
    measuring.start()
    try:
        _run(session, body, options, seen, local_ns)
    except BaseException as error:
        status = outcome(error)
        raise
    finally:
        measuring.stop()
        session.probes.add(measuring.run.id)
        attempt("The probe is not kept as a run", lambda: measuring.finish(status))
        attempt("There is no forecast", lambda: _tell(session, seen, options, flops))


def _run(
    session: Session,
    body: Body,
    options: Namespace,
    seen: list[Measurement],
    local_ns: MutableMapping[str, Any] | None,
) -> None:
    """Run the statement as often as was asked; what was measured is in ``seen``, even where it fails."""
    __tracebackhide__ = True
    warmup, steps = options.warmup or 0, options.steps or STEPS
    print(f"greenai: The statement runs {warmup + steps} times, the last {steps} of them measured.")
    for _ in range(warmup):
        run_body(session.shell, body, local_ns)
    meter = default_meter()
    for _ in range(steps):
        window = meter.open()
        try:
            run_body(session.shell, body, local_ns)
        finally:
            window.stop()
        seen.append(window.measure())


def _tell(
    session: Session, seen: list[Measurement], options: Namespace, flops: float | Quantity | None
) -> None:
    """Say what the steps measured so far let expect, and keep it for when the job is measured."""
    log = [verdict for verdicts in session.verdicts.values() for verdict in verdicts]
    told = forecast(steps_of(seen), options.total or len(seen), flops_per_step=flops, log=log)
    if options.total:
        session.forecast = told
    print(forecast_text(told, assess(told.energy, session.place()).gwp, whole=bool(options.total)))
    if options.output is not None:
        session.shell.push({options.output: told})


def _score(session: Session, statement: str) -> None:
    if statement:
        msg = "`%greenai probe --score` takes no statement: it looks at the run that ended last."
        raise UsageError(msg)
    told, run = session.forecast, last_run()
    if told is None:
        msg = "There is no forecast yet: `%greenai probe --total 5000 train_step(batch)` makes one."
        raise UsageError(msg)
    if run is None or run.id in session.probes:
        raise UsageError(_NO_JOB)
    if run.status != "ok":
        msg = f"The last run, {run.name!r}, did not come to its end, so it is not the job that was forecast."
        raise UsageError(msg)
    with told_as_usage():
        energy, duration = score(told, run.measurement), score(told, run.measurement.duration)
    # By run, so that to ask twice teaches nothing twice.
    session.verdicts[run.id] = (energy, duration)
    print(verdict_text(told, run.measurement, energy, duration))
