"""`%greenai estimate`: the footprint of hours of a device, or of operations, without a meter."""

from __future__ import annotations

import ast
import functools
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic_arguments import argument, magic_arguments

from greenai_magic.estimate import estimate_aposteriori, estimate_apriori
from greenai_magic.notebook.body import compile_expression, run_body
from greenai_magic.notebook.display import show_footprint
from greenai_magic.notebook.line import parsed, told_as_usage, unquoted

if TYPE_CHECKING:
    from argparse import Namespace

    from greenai_magic.flops.report import FlopReport
    from greenai_magic.footprint.impacts import Footprint
    from greenai_magic.notebook.session import Session
    from greenai_magic.notebook.settings import GreenAI

_FIGURES = {
    "flops": "flops", "hours": "hours", "count": "count", "load": "load", "power_w": "power_w", "pue": "pue",
    "utilisation": "utilisation", "flop_per_s": "flop_per_s", "memory_gb": "memory_gb", "repeats": "repeats",
    "intensity": "grid_intensity_g_per_kwh", "market_intensity": "market_intensity_g_per_kwh",
    "wue": "wue_l_per_kwh",
}  # fmt: skip
"""What each option that takes a figure is to the functions."""
_OF_HOURS = ("memory_gb", "repeats", "mode")
_OF_FLOPS = ("utilisation", "flop_per_s", "precision")


@magic_arguments("greenai estimate")
@argument("--device", type=unquoted, help="its name: 'A100 SXM', V100S, 'Core i7-8700'")
@argument("--count", help="how many devices; 1 when left out")
@argument("--hours", help="a posteriori: how long each of them ran")
@argument("--flops", help="a priori: operations in all, as 3.14e23, 'x FLOP', a FlopReport or a Quantity")
@argument("--load", help="part of its power that a device draws on average, 0 to 1")
@argument("--power-w", help="W that one device draws, instead of its rated power")
@argument("--utilisation", help="with --flops: part of the peak rate that is achieved, 0 to 1")
@argument("--flop-per-s", help="with --flops: FLOP/s of one device, instead of its peak")
@argument("--precision", type=unquoted, help="with --flops: whose peak, as bf16 or fp32")
@argument("--memory-gb", help="with --hours: GB of memory of the machine")
@argument("--repeats", help="with --hours: how often the job was run, tests and failures included")
@argument("--mode", type=unquoted, help="with --hours: the digits of mlco2_compat or green_algorithms")
@argument("--place", type=unquoted, help="where the electricity comes from: FRA, USA/CA, gcp/europe-west9")
@argument("--pue", help="energy of the building over energy of the devices, 1 to 5")
@argument("--intensity", help="g CO2e/kWh of the grid, instead of the place's")
@argument("--market-intensity", help="g CO2e/kWh of your contract, told beside it")
@argument("--wue", help="litres of water on site per kWh of the devices")
@argument("--embodied", action="store_true", help="count the making of the devices too")
@argument("--hardware", type=unquoted, help="count the making of this equipment: 'laptop + monitor'")
@argument("-o", "--output", metavar="VAR", type=unquoted, help="put the Footprint into this variable")
def estimate(session: Session, line: str, local_ns: MutableMapping[str, Any] | None) -> None:
    """Estimate the footprint of what has run (`--hours`), or of what is to run (`--flops`).

    Every figure may be an expression of your own, such as a variable, a FlopReport or a Quantity.

    Examples
    --------
    ::

        %greenai estimate --device "A100 SXM" --count 8 --hours 24 --load 0.5 --place FRA --embodied
        %greenai estimate --flops 3.14e23 --device V100S -o planned
        %greenai estimate --flops report.flops*epochs --device "RTX 4090" --utilisation 0.3
    """
    __tracebackhide__ = True
    options = parsed(estimate, line)
    _refuse_what_contradicts(options)
    footprint = _footprint(session, options, local_ns)
    show_footprint(footprint)
    if options.output is not None:
        session.shell.push({options.output: footprint})


def timed_here(model: Any, inputs: Any, settings: GreenAI, **step: Any) -> tuple[FlopReport, Footprint]:
    """Return the count of a PyTorch model, and what its operators take, each timed once here on random data.

    Raises
    ------
    GreenAIError
        If it is no PyTorch model, or its operators cannot be counted or timed.
    """
    from greenai_magic.estimate.replay import replay

    here = replay(model, inputs, **step)
    footprint = estimate_apriori(
        here.report, flop_per_s=here.flop_per_s, power_w=here.power, **_site(settings)
    )
    return here.report, footprint


def with_data_sheet(report: FlopReport, device: str, settings: GreenAI) -> Footprint:
    """Return what counted operations take on a device, by its data sheet.

    Raises
    ------
    GreenAIError
        If no table knows the device.
    """
    return estimate_apriori(report, device=device, **_site(settings))


def _site(settings: GreenAI) -> dict[str, Any]:
    return {"place": settings.country, "pue": settings.pue}


def value_of(session: Session, text: str, local_ns: MutableMapping[str, Any] | None) -> Any:
    """Return what a word on the line means: a number, or else an expression of the user's.

    Raises
    ------
    UsageError
        If it is neither.
    """
    __tracebackhide__ = True
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        pass
    try:
        expression = compile_expression(session.shell, unquoted(text))
    except SyntaxError:
        # As "314 ZFLOP": who takes it says what is wrong with it.
        return unquoted(text)
    return run_body(session.shell, expression, local_ns)


def _refuse_what_contradicts(options: Namespace) -> None:
    if (options.hours, options.flops) == (None, None):
        msg = "Give --hours for what has run, or --flops for what is to run: `%greenai help` has examples."
        raise UsageError(msg)
    owner, others = ("--hours", _OF_FLOPS) if options.hours is not None else ("--flops", _OF_HOURS)
    for name in others:
        if getattr(options, name) is not None:
            msg = f"--{name.replace('_', '-')} cannot go with {owner}: `%greenai help` says what it is for."
            raise UsageError(msg)


def _footprint(session: Session, options: Namespace, local_ns: MutableMapping[str, Any] | None) -> Footprint:
    __tracebackhide__ = True
    read = functools.partial(value_of, session, local_ns=local_ns)
    texts = {name: getattr(options, option) for option, name in _FIGURES.items()}
    figures = {name: read(text) for name, text in texts.items() if text is not None}
    figures.setdefault("pue", session.settings.pue)
    about = {
        "device": options.device,
        "place": options.place or session.settings.country,
        "embodied": options.embodied,
        "hardware": options.hardware or (),
    }
    with told_as_usage():
        if options.hours is not None:
            return estimate_aposteriori(mode=options.mode or "", **about, **figures)
        return estimate_apriori(figures.pop("flops"), precision=options.precision, **about, **figures)
