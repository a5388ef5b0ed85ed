"""What counting operations costs and how right it is: greenai_magic beside other counters and a forward pass.

Each tool counts each model in a process of its own, on one thread, and is held against the multiply-adds
reckoned by hand (``flops_zoo.py``). Ratios within one run mean more than milliseconds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import report
from flops_tools import APART, AT_HOME, FORWARD, OURS, PEERS, TRAINED
from flops_zoo import ALL, HUGE, LARGE, ZOO

Found = dict[str, dict[str, Any]]
TOOLS = [*AT_HOME, *PEERS, *APART]
COUNTING = [name for name in TOOLS if name != FORWARD]
_HALF_A_DIGIT = 0.0005
_NO_BACKWARD = (
    "FlopCounterMode counts what a real forward and backward pass dispatches. The other tools cannot count a "
    "backward pass: calflops and DeepSpeed take it for twice the forward pass, the rest give no figure."
)


def main() -> None:
    """Run all and keep the results; those of some models only are printed."""
    options = _options()
    about = report.machine(
        options.peers_python, ("greenai-magic", "torch", "transformers", "torchvision"), [*PEERS]
    )
    for python, peer in zip(_apart(options), APART, strict=True):
        about["versions"] |= report.machine(python, (), (peer,))["versions"]
    found: dict[str, Found] = {}
    for model in options.models or ALL:
        print(model, file=sys.stderr)
        found[model] = _found(model, options)
    whole = found.keys() == ALL.keys()
    sections = {"Targets": _targets(found)} if whole else {}
    zoo = {model: found[model] for model in ZOO if model in found}
    sections |= {
        "Multiply-adds, as a part of the true ones": _ratios(zoo),
        "The same of forward and backward": _trained(zoo),
        "First count in a process (s)": _figures(zoo, "first_s", TOOLS),
        "Counts after the first (s)": _figures(zoo, "again_s", TOOLS),
        "Extra memory at the peak of the first count (MB)": _figures(zoo, "extra_mb", TOOLS),
        "First count of forward and backward (s)": _figures(zoo, "first_s", TRAINED),
        "Extra memory at its peak (MB)": _figures(zoo, "extra_mb", TRAINED),
    }
    for model in (LARGE, *HUGE):
        if model in found:
            sections[model + (", on meta" if model in HUGE else "")] = _in_full(model, found[model])
    sections["Why a tool gives no figure"] = _reasons(found)
    if whole:
        report.save("flops", "Counting operations", about, sections, found)
    else:
        print(*(f"## {caption}\n\n{body}\n" for caption, body in sections.items()), sep="\n")


def _found(model: str, options: argparse.Namespace) -> Found:
    found: Found = {}
    for python, tools in (
        # The large one is too much for a real backward pass here, and there is none on meta.
        (sys.executable, [*AT_HOME, *(TRAINED if model in ZOO else ())]),
        (options.peers_python, [*PEERS]),
        *((python, [peer]) for python, peer in zip(_apart(options), APART, strict=True)),
    ):
        arguments = (model, "--tools", ",".join(tools), "--limit", options.limit)
        longest_s = options.limit * (len(tools) + 1)
        told = report.probe(python, *arguments, script="flops_probe.py", longest_s=longest_s)
        # One sentence where the interpreter itself, or the model in it, did not come up.
        found |= dict.fromkeys(tools, told) if isinstance(told.get("error"), str) else told
    return found


def _apart(options: argparse.Namespace) -> tuple[str, str]:
    return options.ultralytics_python, options.deepspeed_python


def _exact(truth: int, of_tool: dict[str, Any]) -> bool:
    return of_tool.get("macs") == truth


def _ratio(truth: int, of_tool: dict[str, Any]) -> str:
    if "error" in of_tool:
        return "fails"
    if _exact(truth, of_tool):
        return "**exact**"
    ratio = of_tool["macs"] / truth
    # Never as if it were exact.
    return f"{ratio:.4f}" if f"{ratio:.3f}" == "1.000" else f"{ratio:.3f}"


def _ratios(zoo: dict[str, Found]) -> str:
    return _held_against({model: ALL[model].macs for model in zoo}, zoo, COUNTING)


def _trained(zoo: dict[str, Found]) -> str:
    counting = [name for name, counter in TRAINED.items() if not name.startswith(FORWARD)]
    held = _held_against({model: ALL[model].trained_macs for model in zoo}, zoo, counting)
    return f"{held}\n\n{_NO_BACKWARD}"


def _held_against(truths: dict[str, int], zoo: dict[str, Found], tools: Sequence[str]) -> str:
    rows: list[tuple[object, ...]] = [
        (model, f"{truth:,}", *(_ratio(truth, zoo[model][name]) for name in tools))
        for model, truth in truths.items()
    ]
    for caption, holds in (("exact", _exact), ("within 1 %", _near)):
        counts = [sum(holds(truth, zoo[model][name]) for model, truth in truths.items()) for name in tools]
        rows.append((f"{caption}, of {len(zoo)}", "", *counts))
    return report.table(("", "truth", *tools), rows)


def _near(truth: int, of_tool: dict[str, Any]) -> bool:
    return "error" not in of_tool and abs(of_tool["macs"] / truth - 1) <= 0.01


def _figures(zoo: dict[str, Found], key: str, tools: Any) -> str:
    rows = [(model, *(found[name].get(key, "–") for name in tools)) for model, found in zoo.items()]
    return report.table(("", *tools), rows)


def _in_full(model: str, found: Found) -> str:
    rows = []
    for name, of_tool in found.items():
        told = "–" if name == FORWARD and "error" not in of_tool else _ratio(ALL[model].macs, of_tool)
        figures = (of_tool.get(key, "–") for key in ("first_s", "again_s", "extra_mb"))
        rows.append((name, told, *figures))
    header = ("", "of the true multiply-adds", "first count (s)", "next counts (s)", "extra memory (MB)")
    return f"Truth: {ALL[model].macs:,} multiply-adds.\n\n{report.table(header, rows)}"


def _reasons(found: dict[str, Found]) -> str:
    models: dict[tuple[str, str], list[str]] = {}
    for model, tools in found.items():
        for name, of_tool in tools.items():
            if "error" in of_tool:
                models.setdefault((name, of_tool["error"]), []).append(model)
    rows = [(name, "; ".join(which), error) for (name, error), which in models.items()]
    return report.table(("tool", "models", "what it says"), rows) if rows else "Each gives one."


def _targets(found: dict[str, Found]) -> str:
    ours = {model: tools[OURS] for model, tools in found.items()}
    exact = sum(_exact(ALL[model].macs, ours[model]) for model in ZOO)
    trained = sum(_exact(ALL[model].trained_macs, found[model][next(iter(TRAINED))]) for model in ZOO)
    large, biggest = found[LARGE], ours["Llama 405B"]
    faster = (
        _times(f"{LARGE}: first count of {peer} / ours", 20, large[peer], large[OURS])
        for peer in ("fvcore", "thop", "ultralytics-thop")
    )
    on_meta = (
        (f"{model} on meta", "exact", _ratio(truth, ours[model]).strip("*"), _exact(truth, ours[model]))
        for model, truth in ((model, ALL[model].macs) for model in HUGE)
    )
    published = [(model.macs, model.published_gmacs) for model in ZOO.values() if model.published_gmacs]
    alike = sum(abs(macs / 1e9 - gmacs) <= _HALF_A_DIGIT for macs, gmacs in published)
    rows = [
        (
            "truth is the figure that torchvision publishes",
            f"{len(published)} of {len(published)}",
            f"{alike} of {len(published)}",
            alike == len(published),
        ),
        ("exact on the zoo", f"{len(ZOO)} of {len(ZOO)}", f"{exact} of {len(ZOO)}", exact == len(ZOO)),
        (
            "exact on the zoo, backward too",
            f"{len(ZOO)} of {len(ZOO)}",
            f"{trained} of {len(ZOO)}",
            trained == len(ZOO),
        ),
        _at_most(f"{LARGE}: first count / forward pass", 1 / 3, large[OURS], large[FORWARD]),
        *faster,
        *on_meta,
        _below("Llama 405B: first count (s)", 10, biggest, "first_s"),
        _below("Llama 405B: extra memory (MB)", 100, biggest, "extra_mb"),
    ]
    table = [(what, target, value, "met" if met else "missed") for what, target, value, met in rows]
    return report.table(("", "target", "found", ""), table)


Target = tuple[str, str, object, bool]


def _at_most(what: str, limit: float, ours: dict[str, Any], other: dict[str, Any]) -> Target:
    if "error" in ours or "error" in other:
        return what, f"< {limit:.2f}", "no figure", False
    ratio = ours["first_s"] / other["first_s"]
    return what, f"< {limit:.2f}", ratio, ratio < limit


def _times(what: str, limit: float, peer: dict[str, Any], ours: dict[str, Any]) -> Target:
    if "error" in ours or "error" in peer:
        return what, f"> {limit}", "no figure", False
    ratio = peer["first_s"] / ours["first_s"]
    return what, f"> {limit}", ratio, ratio > limit


def _below(what: str, limit: float, ours: dict[str, Any], key: str) -> Target:
    value = ours.get(key)
    return what, f"< {limit}", "no figure" if value is None else value, value is not None and value < limit


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers-python", default=sys.executable, help="interpreter that has the peers")
    parser.add_argument("--ultralytics-python", default=sys.executable, help="that has ultralytics-thop")
    parser.add_argument("--deepspeed-python", default=sys.executable, help="that has deepspeed")
    parser.add_argument("--limit", type=float, default=180, help="seconds that a tool may take for a model")
    parser.add_argument("--models", nargs="*", choices=tuple(ALL), help="only these; by default, all")
    return parser.parse_args()


if __name__ == "__main__":
    main()
