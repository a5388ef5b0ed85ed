"""How near operator replay comes to the time a model takes, beside its FLOPs over the measured peak.

Prediction and model take turns, on one thread: each repetition measures the peak (a product of matrices),
predicts, then runs the model. Of the repetitions the least counts, on both sides: what else the machine does
can only add. Models are those of ``flops_zoo.py`` at their usual sizes, and the small ones of the tests, of
which most time is PyTorch's own.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import report
import torch
from flops_zoo import ZOO, torchvision_without_its_operators

from greenai_magic.estimate.replay import REPLAY_LOG_SD, replay
from greenai_magic.flops import count_flops
from greenai_magic.flops.torch.passes import outputs_in

sys.path.append(str(report.HERE.parent / "tests" / "flops"))

Figures = dict[str, float]
PASSES = {"forward pass": False, "forward and backward pass": True}
_RUNS_S = 0.5
_TARGET = 0.15


def main() -> None:
    """Run all and keep the results; those of some models only are printed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", help="some only: nothing is kept")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--budget", type=float, default=5.0, help="seconds of each prediction")
    options = parser.parse_args()
    about = report.machine(sys.executable, ("greenai-magic", "torch", "transformers", "torchvision"), ())
    torch.set_num_threads(1)
    found: dict[str, dict[str, dict[str, Figures]]] = {}
    with torchvision_without_its_operators():
        for size, models in _zoos().items():
            for name, build in models.items():
                if options.models and name not in options.models:
                    continue
                print(size, name, file=sys.stderr, flush=True)
                for passed, backward in PASSES.items():
                    figures = _figures(build, options.repetitions, options.budget, backward=backward)
                    if figures:
                        found.setdefault(passed, {}).setdefault(size, {})[name] = figures
    sections = {"Targets": _targets(found)} if not options.models else {}
    sections["Errors"] = _summary(found)
    for passed, sizes in found.items():
        for size, models in sizes.items():
            sections[f"{passed.capitalize()}, {size}"] = _table(models)
    if options.models:
        print(*(f"## {caption}\n\n{body}\n" for caption, body in sections.items()), sep="\n")
    else:
        report.save("replay", "Operator replay", about, sections, found)


def _zoos() -> dict[str, dict[str, Callable[[], Any]]]:
    from zoo import PLAIN
    from zoo_transformers import TRANSFORMERS

    return {
        "usual sizes": {name: specimen.build for name, specimen in ZOO.items()},
        "small": {specimen.name: specimen.build for specimen in PLAIN + TRANSFORMERS},
    }


def _figures(
    build: Callable[[], Any], repetitions: int, budget_s: float, *, backward: bool
) -> Figures | None:
    torch.manual_seed(0)
    model, inputs = build()
    model.eval()
    run = _runner(model, inputs, backward=backward)
    try:
        run()
    except RuntimeError:  # a model with no gradient
        return None
    flops = count_flops(model, inputs, backward=backward).flops
    peaks, predicted, low, high, took, real = [], [], [], [], [], []
    for _ in range(repetitions):
        peaks.append(_peak())
        start = time.perf_counter()
        told = replay(model, inputs, backward=backward, budget_s=budget_s).duration
        took.append(time.perf_counter() - start)
        predicted.append(told.value)
        low.append(told.low)
        high.append(told.high)
        real.append(_median_s(run))
    best = predicted.index(min(predicted))
    return {
        "real_s": min(real),
        "replay_s": predicted[best],
        "low_s": low[best],
        "high_s": high[best],
        "flops_over_peak_s": flops / max(peaks),
        "flops": flops,
        "peak_flop_per_s": max(peaks),
        "took_s": min(took),
        "noise": max(real) / min(real),
    }


def _runner(model: Any, inputs: Any, *, backward: bool) -> Callable[[], Any]:
    args = inputs if isinstance(inputs, tuple) else () if isinstance(inputs, dict) else (inputs,)
    kwargs = inputs if isinstance(inputs, dict) else {}

    def forward() -> None:
        with torch.no_grad():
            model(*args, **kwargs)

    def step() -> None:
        for parameter in model.parameters():
            parameter.grad = None
        outputs = [out for out in outputs_in(model(*args, **kwargs)) if out.requires_grad]
        torch.autograd.backward(outputs, [torch.ones_like(out) for out in outputs])

    return step if backward else forward


def _median_s(run: Callable[[], Any]) -> float:
    run()
    seconds: list[float] = []
    while len(seconds) < 3 or sum(seconds) < _RUNS_S:
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _peak() -> float:
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    torch.mm(a, b)
    seconds = []
    for _ in range(8):
        start = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - start)
    return 2 * 1024**3 / min(seconds)


def _errors(models: Iterable[Figures], key: str) -> list[float]:
    return [math.log(figures[key] / figures["real_s"]) for figures in models]


def _rms(errors: Iterable[float]) -> float:
    return math.sqrt(statistics.mean(error**2 for error in errors))


def _median_error(errors: Iterable[float]) -> float:
    return statistics.median(abs(math.expm1(error)) for error in errors)


def _every(found: dict[str, dict[str, dict[str, Figures]]]) -> Iterator[tuple[str, list[Figures]]]:
    for passed, sizes in found.items():
        for size, models in sizes.items():
            yield f"{passed}, {size}", list(models.values())
    yield (
        "all",
        [figures for sizes in found.values() for models in sizes.values() for figures in models.values()],
    )


def _summary(found: dict[str, dict[str, dict[str, Figures]]]) -> str:
    rows = []
    for name, models in _every(found):
        for way, key in (("replay", "replay_s"), ("FLOPs / peak", "flops_over_peak_s")):
            errors = _errors(models, key)
            worst = max(errors, key=abs)
            row = [f"{name}: {way}", len(models), f"{_median_error(errors):.0%}"]
            rows.append([*row, math.exp(statistics.mean(errors)), math.exp(worst), _rms(errors)])
    header = ["", "models", "median error", "mean ratio", "worst ratio", "RMS of ln(ratio)"]
    return report.table(header, rows)


def _targets(found: dict[str, dict[str, dict[str, Figures]]]) -> str:
    groups = dict(_every(found))
    usual = groups["forward pass, usual sizes"]
    error = _median_error(_errors(usual, "replay_s"))
    beside = _median_error(_errors(usual, "flops_over_peak_s"))
    held = [figures["low_s"] <= figures["real_s"] <= figures["high_s"] for figures in groups["all"]]
    large = usual + groups["forward and backward pass, usual sizes"]
    rms = _rms(_errors(large, "replay_s"))
    rows = [
        [
            "median error of replay, usual sizes",
            f"<= {_TARGET:.0%}",
            f"{error:.1%}",
            _met(is_met=error <= _TARGET),
        ],
        [
            "less than that of FLOPs / peak (29 % elsewhere)",
            f"< {beside:.1%}",
            f"{error:.1%}",
            _met(is_met=error < beside),
        ],
        [
            "real time inside the 95 % interval",
            ">= 95 %",
            f"{statistics.mean(held):.1%}",
            _met(is_met=statistics.mean(held) >= 0.95),
        ],
        [
            "RMS of ln(ratio), usual sizes, within that of the interval",
            f"<= {REPLAY_LOG_SD}",
            f"{rms:.3f}",
            _met(is_met=rms <= REPLAY_LOG_SD),
        ],
        ["upper bound of the interval over the figure, usual sizes", "told", f"{_upwards(large):.2f}", ""],
    ]
    return report.table(["", "target", "found", ""], rows)


def _upwards(models: list[Figures]) -> float:
    return statistics.median(figures["high_s"] / figures["replay_s"] for figures in models)


def _met(*, is_met: bool) -> str:
    return "met" if is_met else "missed"


def _table(models: dict[str, Figures]) -> str:
    rows = [
        [
            name,
            1e3 * figures["real_s"],
            figures["replay_s"] / figures["real_s"],
            figures["flops_over_peak_s"] / figures["real_s"],
            figures["took_s"],
            figures["noise"],
        ]
        for name, figures in models.items()
    ]
    header = [
        "",
        "real (ms)",
        "replay / real",
        "FLOPs over peak / real",
        "replay took (s)",
        "slowest / fastest repetition",
    ]
    return report.table(header, rows)


if __name__ == "__main__":
    main()
