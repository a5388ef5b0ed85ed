"""Tables in a text, of Markdown or HTML: whether their rows close, and whether they add up to their total."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import unescape

from greenai_magic.estimate.lint.claim import Finding, zero
from greenai_magic.estimate.lint.figures import Figure, figures_in, label_unit, mass_unit, number_of, rounding
from greenai_magic.estimate.lint.prose import read_all, shortened
from greenai_magic.estimate.lint.text import Passage
from greenai_magic.quantity import significant

MOST_COLUMNS = 40
MOST_ROWS = 1000

_RULE = re.compile(r"[\s|:+-]{3,}")
_TAG = re.compile(
    r"<(?P<close>/?)(?P<name>table|tr|t[dh])\b[^<>]{0,300}>|</?[a-z][^<>]{0,200}>", re.IGNORECASE
)
_MARKUP = re.compile(r"[*_`]{1,3}|</?[A-Za-z][^<>]{0,200}>|\[\^?\w{1,8}\]")
_CELL = re.compile(
    r"[~≈<>]?\s{0,2}(?P<number>\d{1,3}(?:[, ]\d{3}){1,5}(?:\.\d+)?"
    r"|\d{1,15}(?:[.,]\d{1,18})?(?:[eE][+-]?\d{1,2})?)\s?(?P<many>[kKM])?(?![\w.])"
)
_TOTAL = re.compile(r"(?:grand |sub-?)?(?:total|sum|overall|somme|ensemble|altogether)s?\b", re.IGNORECASE)
_NOTHING = frozenset({"", "-", "–", "—", "negligible", "0"})
_COLUMNS = (
    (
        "aside",
        re.compile(
            r"market|offset|compens|embodied|\bnet\b|net co|equivalen[ct]e? to|avoided|marché|water",
            re.IGNORECASE,
        ),
    ),
    (
        "grid",
        re.compile(
            r"intensity|/\s?kwh|per kwh|emission factor|grid factor|carbon factor|intensité|facteur",
            re.IGNORECASE,
        ),
    ),
    ("co2e", re.compile(r"co\s?[2₂]|carbon|emission|émission|ghg", re.IGNORECASE)),
    ("energy", re.compile(r"[kmg]?wh\b|energy|électricité|electricity|énergie", re.IGNORECASE)),
    ("pue", re.compile(r"\bpue\b", re.IGNORECASE)),
    ("region", re.compile(r"region|country|location|\bpays\b", re.IGNORECASE)),
    ("hours", re.compile(r"hours?|\bdays?\b|\btime\b|\bh\b|heures|durée|gpuh", re.IGNORECASE)),
    ("power", re.compile(r"power|watts?\b|\(w\)|\bw\b|\btdp\b|puissance", re.IGNORECASE)),
    (
        "count",
        re.compile(
            r"number of|\bcount\b|#|\bnum\b|gpus\b|chips\b|devices\b|accelerators\b|^n$|nombre", re.IGNORECASE
        ),
    ),
)
_SUMMED = ("co2e", "energy", "hours", "aside")
_SUM_TOLERANCE = 0.005


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, the header first, and the line of each."""

    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]


def tables_of(lines: Sequence[tuple[int, str]]) -> tuple[list[Table], list[tuple[int, str]]]:
    """Return the tables of numbered lines, and the lines that are in none."""
    tables: list[Table] = []
    rest: list[tuple[int, str]] = []
    index = 0
    while index < len(lines):
        line = lines[index][1]
        if "|" in line and index + 1 < len(lines) and _is_rule(lines[index + 1][1]):
            end = index + 2
            while end < len(lines) and "|" in lines[end][1]:
                end += 1
            kept = [lines[index], *lines[index + 2 : end]][:MOST_ROWS]
            tables.append(Table(tuple(_cells(text) for _, text in kept), tuple(number for number, _ in kept)))
            index = end
        elif "<table" in line.casefold():
            end = index
            while end < len(lines) and "</table" not in lines[end][1].casefold():
                end += 1
            tables += _html(lines[index : end + 1])
            index = end + 1
        else:
            rest.append(lines[index])
            index += 1
    return tables, rest


def check_table(table: Table, around: tuple[Passage, ...]) -> Iterator[Finding]:
    """Yield what does not follow in the rows of a table, and in its totals."""
    if not table.rows:
        return
    upright = table
    first = [_column(cell) for cell in table.rows[0]]
    side = [_column(row[0]) if row else "" for row in table.rows]
    if sum(map(bool, side)) > sum(map(bool, first)):
        width = max(len(row) for row in table.rows)
        turned = tuple(tuple(row[i] if i < len(row) else "" for row in table.rows) for i in range(width))
        upright = Table(turned, (table.lines[0],) * width)
    for row in passages_of(upright):
        for figure in row.of("co2e"):
            if figure.value > 0:
                yield from _row(row, figure, around)
        masses = [*row.of("co2e"), *row.of("aside co2e")]
        if masses and not any(figure.value for figure in masses) and "negligible" not in row.text.casefold():
            yield replace(zero(), quote=shortened(row.text), line=row.line)
    yield from _totals(upright)


def passages_of(table: Table) -> list[Passage]:
    """Return each row as a passage with its figures, but those that are totals."""
    header = table.rows[0]
    return [
        Passage(" | ".join(row), line, tuple(_figures(header, row, line)))
        for row, line in zip(table.rows[1:], table.lines[1:], strict=True)
        if not _is_total(row)
    ]


def _row(row: Passage, mass: Figure, around: tuple[Passage, ...]) -> Iterator[Finding]:
    energies = row.apart.get("energy", [])
    if len(energies) > 1 or not (energies or len(row.apart.get("hours", [])) == 1):
        return
    yield from read_all((row, *around), mass, energies[0] if energies else None)


def _figures(header: Sequence[str], row: Sequence[str], line: int) -> Iterator[Figure]:
    for label, cell in zip(header, row, strict=False):
        kind = _column(label)
        if kind != "pue" and re.search(r"\bpue\b", label, re.IGNORECASE):
            yield Figure("unstated pue", 0.0, line)
        own = figures_in(cell, line, carbon=kind in {"co2e", "aside"})
        if kind == "aside":
            yield from (replace(f, kind="aside co2e") for f in own if f.kind == "co2e")
        elif kind == "region" and cell:
            yield Figure("region", 0.0, line, name=cell[:80])
        elif own:
            yield from own
        if not own and kind:
            bare = _bare(kind, label, cell, line)
            if bare is not None:
                yield bare


def _bare(kind: str, label: str, cell: str, line: int) -> Figure | None:
    """Return the figure of a cell that has its unit in the header."""
    found = _CELL.match(cell)
    if found is None or kind == "region":
        return None
    scale: float | None = 1.0
    if kind in {"co2e", "aside", "grid"}:
        scale = mass_unit(label) if kind != "grid" else mass_unit(label) or _per_kwh(label)
    elif kind in {"energy", "power", "hours"}:
        scale = label_unit(label, kind) or (1.0 if kind != "energy" else None)
    if scale is None:
        return None
    digits = found["number"]
    value = number_of(digits, found["many"]) * scale
    together = kind == "hours" and bool(
        re.search(r"gpu|tpu|device|chip|accelerator|[AHV]\d", label, re.IGNORECASE)
    )
    kind = "aside co2e" if kind == "aside" else kind
    rated = "rated" if kind == "power" and re.search(r"tdp|rated|peak", label, re.IGNORECASE) else ""
    return Figure(kind, value, line, 0, 0, digits, rounding(digits), rated, together)


def _per_kwh(label: str) -> float | None:
    found = re.search(r"(?<![A-Za-z])(k?g|lbs?)\b[^/]{0,12}(?:/|per)", label)
    return {"kg": 1.0, "g": 1e-3, "lb": 0.45359237, "lbs": 0.45359237}[found[1]] if found else None


def _totals(table: Table) -> Iterator[Finding]:
    """Check each row of totals against the rows above it, or against the totals above it."""
    header = table.rows[0]
    for column, label in enumerate(header[:MOST_COLUMNS]):
        if not column or _column(label) not in _SUMMED:
            continue
        cells = [row[column] if column < len(row) else "" for row in table.rows[1:]]
        values = [_value(cell) for cell in cells]
        since = 0
        for index, row in enumerate(table.rows[1:]):
            if not _is_total(row):
                continue
            total, parts = values[index], values[since:index]
            plain = [v for v, r in zip(values[:index], table.rows[1:], strict=False) if not _is_total(r)]
            if total and not any(_adds_up(total, choice) for choice in (parts, plain, values[:index])):
                yield _no_total(label, cells[index], parts or plain, row, table.lines[index + 1])
            since = index + 1


def _no_total(
    label: str, cell: str, parts: Sequence[tuple[float, float] | None], row: Sequence[str], line: int
) -> Finding:
    summed = sum(part[0] for part in parts if part)
    total = (_value(cell) or (0.0, 0.0))[0]
    return Finding(
        "total",
        f"{label.strip() or 'A column'}: the rows printed add up to {_plain(summed)}, and the total "
        f"says {cell}: "
        f"{_plain(abs(total - summed))} {'is in no printed row' if total > summed else 'too little'}.",
        "Print the rows that are missing, or the total of those that are there.",
        shortened(" | ".join(row)),
        line,
    )


def _adds_up(total: tuple[float, float], parts: Sequence[tuple[float, float] | None]) -> bool:
    known = [part for part in parts if part is not None]
    # A cell that cannot be read, or a total of one row, says nothing.
    if len(known) < max(2, len(parts)):
        return True
    within = total[1] + sum(part[1] for part in known) + _SUM_TOLERANCE * total[0]
    return abs(sum(part[0] for part in known) - total[0]) <= within


def _value(cell: str) -> tuple[float, float] | None:
    """Return the number of a cell and its rounding; None where it has none."""
    plain = re.sub(r"[*†‡]", "", cell).strip()
    if plain.casefold() in _NOTHING:
        return 0.0, 0.0
    found = _CELL.match(plain) or re.match(r"(?P<number>\d{1,15}(?:[.,]\d{1,12})?)(?P<many>)", plain)
    if found is None:
        return None
    value = number_of(found["number"], found["many"])
    return value, value * rounding(found["number"])


def _column(label: str) -> str:
    return next((kind for kind, named in _COLUMNS if named.search(label[:200])), "")


def _is_total(row: Sequence[str]) -> bool:
    return bool(row) and bool(_TOTAL.match(row[0]))


def _is_rule(line: str) -> bool:
    return "-" in line and "|" in line and bool(_RULE.fullmatch(line.strip()))


def _cells(line: str) -> tuple[str, ...]:
    text = line.strip().removeprefix("|").removesuffix("|")
    return tuple(_clean(cell) for cell in text.split("|")[:MOST_COLUMNS])


def _clean(cell: str) -> str:
    return " ".join(unescape(_MARKUP.sub("", cell)).split())


def _html(lines: Sequence[tuple[int, str]]) -> Iterator[Table]:
    """Yield the tables of HTML, which may have a cell on each line."""
    rows: list[list[str]] = []
    numbers: list[int] = []
    for number, line in lines:
        at = 0
        for tag in (*_TAG.finditer(line), None):
            text = line[at : tag.start() if tag else len(line)]
            if rows and rows[-1]:
                rows[-1][-1] += f"{text} "
            at = tag.end() if tag else at
            name = (tag["name"] or "").casefold() if tag and not tag["close"] else ""
            if name == "tr":
                rows.append([])
                numbers.append(number)
            elif name in {"td", "th"} and rows:
                rows[-1].append("")
    kept = [(cells, n) for cells, n in zip(rows, numbers, strict=True) if cells][:MOST_ROWS]
    if kept:
        yield Table(
            tuple(tuple(map(_clean, cells[:MOST_COLUMNS])) for cells, _ in kept), tuple(n for _, n in kept)
        )


def _plain(number: float) -> str:
    return f"{number:,.0f}" if number >= 10_000 else significant(number, 4)


def all_figures(tables: Iterable[Table]) -> Passage:
    """Return the figures of all rows as one passage."""
    rows = [row for table in tables if table.rows for row in passages_of(table)]
    return Passage("", 0, tuple(figure for row in rows for figure in row.figures))
