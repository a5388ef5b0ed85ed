"""Devices by name: their rated power and peak rate, each figure with its source.

A name is compared by its words, whatever their order, case and punctuation: ``NVIDIA A100-SXM4-80GB``,
as drivers write it, and ``A100 SXM4 80 GB`` are one. A name that fits several devices of different
figures is an error that lists them: a wrong device is worse than none.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import cast

from greenai_magic.errors import DeviceError
from greenai_magic.meter.processor import DATA as PROCESSORS
from greenai_magic.quantity import Basis, Quantity

DATA = Path(__file__).parent / "data"
PEAK_UNIT = "FLOP/s"
LONGEST_NAME = 200
SHOWN_LETTERS = 60
SUGGESTIONS = 3
ALTERNATIVES = 6
_TERA = 1e12
_FIGURES = {
    "tdp": ("tdp_w", "W", 1.0, "rated power"),
    "mean": ("mean_w", "W", 1.0, "mean power measured"),
    "half": ("half_tflops", PEAK_UNIT, _TERA, "16-bit peak"),
    "fp32": ("fp32_tflops", PEAK_UNIT, _TERA, "32-bit peak"),
}
_CHIP_LIST = "codecarbon 3.3.2, cpu_power.csv, from the makers' product pages, 2026"
_EXAMPLE = "A100 PCIe 40GB"
_GIVE_POWER = "or give its watts with power_w"

_MAKERS_WORDS = frozenset(
    {
        *("nvidia", "amd", "intel", "google", "geforce", "tesla", "radeon", "instinct", "corporation"),
        *("cpu", "gpu", "processor", "graphics", "card", "chip", "cloud", "generation"),
    }
)
"""Words that some write and others leave out."""
_CUT = re.compile(r"\((?:r|tm|c)\)|@.*|\bwith\b.*|\b\w+-core\b|\b\d+(?:st|nd|rd|th) gen\b")
_SPELLINGS = (
    (re.compile(r"\b(rtx|gtx|tpu)(?=[\da-z])"), r"\1 "),
    (re.compile(r"(?<=\d)(ti|super)\b"), r" \1"),
    (re.compile(r"\b(\d+)\s*gi?b?\b"), r"\1gb"),
    (re.compile(r"\bpci[- ]e(?:xpress)?\b"), "pcie"),
    (re.compile(r"\bsxm\d\b"), "sxm"),
)
_SERVER_CHIP = re.compile(r"\b(xeon|epyc)\b", re.IGNORECASE)

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Device:
    """What a maker or a measurement says of one device.

    Attributes
    ----------
    name : str
        As the table writes it.
    kind : str
        ``"gpu"``, ``"tpu"`` or ``"cpu"``.
    tdp : Quantity or None
        Rated power in W; None where none is published.
    peak_flop_per_s : mapping of str to Quantity
        Peak rate in FLOP/s, dense, by precision: ``"bf16"``, ``"fp16"``, ``"fp32"``. What is not known is
        left out, and nothing is known of processors.
    memory_gb : float or None
        Of the device's own memory.
    data_centre : bool
        Whether such devices stand in data centres.
    mean_power : Quantity or None
        Power measured on real jobs in W, where somebody published it; its source says what is inside.
    matched_from : str
        The name asked for, where it is not the device's own; ``""`` otherwise.
    hint : str
        One sentence where the device is not what the user may believe; ``""`` otherwise.
    """

    name: str
    kind: str
    tdp: Quantity | None
    peak_flop_per_s: Mapping[str, Quantity] = field(default_factory=dict)
    memory_gb: float | None = None
    data_centre: bool = False
    mean_power: Quantity | None = None
    matched_from: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row of a table and the sets of words by which it is found."""

    row: Row
    keys: tuple[frozenset[str], ...]

    def figures(self) -> tuple[str, ...]:
        """Return what tells two devices apart in an estimate."""
        return tuple(self.row.get(column, "") for column, *_ in _FIGURES.values())


def find_device(name: str) -> Device:
    """Return the device of this name: an accelerator, or else a processor.

    Parameters
    ----------
    name : str
        As people or drivers write it: ``"A100 PCIe 40GB"``, ``"Tesla V100-SXM2-16GB"``,
        ``"Intel(R) Xeon(R) CPU E5-2683 v4 @ 2.10GHz"``. A part of a name is enough where all devices that
        have it share their figures.

    Returns
    -------
    Device
        Its ``matched_from`` is the name given, where that is not the device's own.

    Raises
    ------
    DeviceError
        If no table knows the name, or devices of different figures share it; the message has their names.
    """
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        msg = f"A device is named by 1 to {LONGEST_NAME} letters, such as {_EXAMPLE}, not {_shortened(name)}."
        raise DeviceError(msg)
    words = frozenset(_words(name))
    for table in (_accelerators, _processors):
        entries = table()
        same = [entry for entry in entries if words in entry.keys]
        found = same or [entry for entry in entries if words and any(words < key for key in entry.keys)]
        if len({entry.figures() for entry in found}) > 1:
            raise DeviceError(_ambiguous(name, found))
        if found:
            device = _device(found[0].row)
            return device if len(same) == 1 else replace(device, matched_from=name)
    raise DeviceError(_unknown(name, words))


def _device(row: Row) -> Device:
    if row["kind"] == "cpu":
        tdp = Quantity(float(row["tdp_w"]), "W", "declared", _CHIP_LIST, name=f"rated power of {row['name']}")
        return Device(row["name"], "cpu", tdp, data_centre=bool(_SERVER_CHIP.search(row["name"])))
    peaks = {form: _figure(row, "half") for form in row["half_formats"].split("|")}
    peaks["fp32"] = _figure(row, "fp32")
    return Device(
        row["name"],
        row["kind"],
        _figure(row, "tdp"),
        {form: peak for form, peak in peaks.items() if peak is not None},
        float(row["memory_gb"]) if row["memory_gb"] else None,
        row["data_centre"] == "yes",
        _figure(row, "mean"),
        hint=row["hint"],
    )


def _figure(row: Row, what: str) -> Quantity | None:
    """Return one of the ``_FIGURES`` of a row, or None where the table has none."""
    column, unit, scale, label = _FIGURES[what]
    if not row[column]:
        return None
    value, name = float(row[column]) * scale, f"{label} of {row['name']}"
    source, basis = _sources()[row[f"{what}_source"]]
    if what != "mean":
        return Quantity(value, unit, basis, source, name=name)
    low, high = float(row["mean_low_w"]), float(row["mean_high_w"])
    cause = f"power of a job on {row['name']}"
    return Quantity.between(value, low, high, unit, cause=cause, basis=basis, source=source, name=name)


def _words(name: str) -> list[str]:
    text = _CUT.sub(" ", name.casefold().replace("_", " "))
    for spelling, usual in _SPELLINGS:
        text = spelling.sub(usual, text)
    return [word for word in re.findall(r"[^\W_]+", text) if word not in _MAKERS_WORDS]


def _ambiguous(name: str, found: list[_Entry]) -> str:
    # One name for each set of figures: two sizes of memory of one card are no question.
    apart = {entry.figures(): entry for entry in reversed(found)}
    names = [_shown(entry) for entry in reversed(apart.values())]
    more = f" or {len(names) - ALTERNATIVES} others" if len(names) > ALTERNATIVES else ""
    return (
        f"{_shortened(name)} may be {' or '.join(names[:ALTERNATIVES])}{more}: "
        f"write one of these names in full, {_GIVE_POWER}."
    )


def _unknown(name: str, words: frozenset[str]) -> str:
    cards, chips = _accelerators(), _processors()
    spelt = {" ".join(_words(entry.row["name"])): entry for entry in (*chips, *cards)}
    near = difflib.get_close_matches(" ".join(_words(name))[:SHOWN_LETTERS], spelt, n=SUGGESTIONS)
    held = [entry for entry in cards if any(key < words for key in entry.keys)]
    likely = list(dict.fromkeys(_shown(entry) for entry in (*held, *(spelt[text] for text in near))))
    if not likely:
        advice = f"write its model, such as {_EXAMPLE}, {_GIVE_POWER}."
    else:
        advice = f"did you mean {' or '.join(likely[:SUGGESTIONS])}? Write that, {_GIVE_POWER}."
    return f"No table knows the device {_shortened(name)}: {advice}"


def _shown(entry: _Entry) -> str:
    watts = entry.row["tdp_w"]
    return f"{entry.row['name']} ({watts} W)" if watts else entry.row["name"]


def _shortened(name: object) -> str:
    text = str(name)
    return repr(text) if len(text) <= SHOWN_LETTERS else f"{text[:SHOWN_LETTERS]!r}…"


@cache
def _accelerators() -> tuple[_Entry, ...]:
    return tuple(
        _Entry(
            row, tuple(frozenset(_words(name)) for name in (row["name"], *row["aliases"].split("|")) if name)
        )
        for row in _rows("devices.csv")
    )


@cache
def _processors() -> tuple[_Entry, ...]:
    with (PROCESSORS / "cpu_tdp.csv").open(newline="", encoding="utf-8") as lines:
        return tuple(
            _Entry(
                {"name": row["Name"], "kind": "cpu", "tdp_w": row["TDP"]}, (frozenset(_words(row["Name"])),)
            )
            for row in csv.DictReader(lines)
        )


@cache
def _sources() -> dict[str, tuple[str, Basis]]:
    rows = _rows("device_sources.csv")
    return {row["key"]: (f"{row['source']}, {row['year']}", cast(Basis, row["basis"])) for row in rows}


def _rows(table: str) -> Iterator[dict[str, str]]:
    with (DATA / table).open(newline="", encoding="utf-8") as lines:
        yield from csv.DictReader(lines)
