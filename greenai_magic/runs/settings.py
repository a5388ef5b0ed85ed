"""Settings as plain values, and where their defaults come from: the environment, then CodeCarbon's files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from greenai_magic.errors import PlaceError, SettingError
from greenai_magic.footprint.gsd import use_gsds
from greenai_magic.footprint.place import checked_pue, known_place
from greenai_magic.runs.ledger import default_ledger_path
from greenai_magic.runs.site import equipment, hours_from, named_site

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user can choose once for all runs.

    Attributes
    ----------
    country : str or None
        The place of the electricity, as ``find_place`` takes it; None where nobody has said.
    pue : float or None
        Energy of the building over energy of the devices; None for the place's own.
    ledger : Path
        The file that keeps the runs.
    save : bool
        Whether runs are kept at all.
    keep_source : bool
        Whether a cell's source is kept beside its hash.
    hardware : str or None
        What runs use, as ``parts_named`` takes it; None where nobody has said.
    intensity_csv : Path or None
        File of the grid's intensity by hour; None for the yearly factor.
    gsds : mapping of str to float
        Geometric standard deviations instead of the table's, as ``footprint.gsd.use_gsds`` takes them.
    problems : tuple of str
        One sentence for each value that was left out because it cannot be used.
    """

    country: str | None
    pue: float | None
    ledger: Path
    save: bool = True
    keep_source: bool = False
    hardware: str | None = None
    intensity_csv: Path | None = None
    gsds: Mapping[str, float] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def settings_from_environment(
    environ: Mapping[str, str] = os.environ,
    folders: tuple[Path, ...] | None = None,
) -> Settings:
    """Return the defaults of this machine; a value that cannot be used is left out and told."""
    texts = environment_texts(environ, folders)
    problems: list[str] = []

    def checked(name: str, check: Callable[[str], T]) -> T | None:
        if name not in texts:
            return None
        try:
            return check(texts[name])
        except ValueError as error:
            label = name.replace("pue", "PUE").replace("_csv", " file")
            problems.append(f"The environment's {label} {texts[name]!r} is left out: {error}")
            return None

    ledger = texts.get("ledger")
    return Settings(
        country=texts.get("country"),
        pue=checked("pue", lambda text: checked_pue(float(text))),
        ledger=Path(ledger).expanduser().absolute() if ledger else default_ledger_path(),
        hardware=checked("hardware", checked_hardware),
        intensity_csv=checked("intensity_csv", checked_csv),
        problems=tuple(problems),
    )


def checked_hardware(text: str) -> str | None:
    """Return the names of equipment that a user sets, None where there are none.

    Raises
    ------
    SettingError
        If no table knows one of them.
    """
    equipment(text)
    return text.strip() or None


def checked_csv(text: str) -> Path | None:
    """Return the path of a file of hours that a user sets, wherever the working folder will be.

    Raises
    ------
    SettingError
        If it cannot be read.
    """
    if not text.strip():
        return None
    try:
        path = Path(text.strip()).expanduser().absolute()
    except (RuntimeError, OSError) as error:
        msg = f"{text!r} is the path of no file: {error}"
        raise SettingError(msg) from error
    hours_from(path)
    return path


def environment_texts(
    environ: Mapping[str, str] = os.environ,
    folders: tuple[Path, ...] | None = None,
) -> dict[str, str]:
    """Return what is set of ``country``, ``pue``, ``ledger``, ``hardware`` and ``intensity_csv``, as written.

    ``GREENAI_COUNTRY``, ``GREENAI_PUE``, ``GREENAI_LEDGER``... come first, then CodeCarbon's own
    variables, then the ``.codecarbon.config`` of the working folder and of the home folder.
    """
    codecarbon = _codecarbon(environ, folders)
    texts = {
        "country": environ.get("GREENAI_COUNTRY") or _codecarbon_place(codecarbon),
        "pue": environ.get("GREENAI_PUE") or codecarbon.get("pue"),
        "ledger": environ.get("GREENAI_LEDGER"),
        "hardware": environ.get("GREENAI_HARDWARE"),
        "intensity_csv": environ.get("GREENAI_INTENSITY_CSV"),
    }
    return {name: text for name, text in texts.items() if text}


def current_settings() -> Settings:
    """Return the settings in force in this process."""
    global _current
    if _current is None:
        _current = settings_from_environment()
    return _current


def use_settings(settings: Settings | None) -> None:
    """Put settings in force; None goes back to the environment's."""
    global _current
    use_gsds(settings.gsds if settings else {})
    _current = settings
    # A place has the uncertainties that were in force when it was found.
    named_site.cache_clear()


def _codecarbon(environ: Mapping[str, str], folders: tuple[Path, ...] | None) -> dict[str, str]:
    files = [file for file in _config_files(folders) if file.is_file()]
    # It takes its variables in small letters as well.
    variables = {name.lower(): value for name, value in environ.items()}
    prefix = "codecarbon_"
    own = {k.removeprefix(prefix): v for k, v in variables.items() if k.startswith(prefix)}
    return (_sections(files) if files else {}) | own


def _config_files(folders: tuple[Path, ...] | None) -> list[Path]:
    if folders is None:
        folders = ()
        for find in (Path.home, Path.cwd):
            # Nobody's home, or a working folder that was deleted meanwhile.
            with contextlib.suppress(RuntimeError, OSError):
                folders = (*folders, find())
    return [folder / ".codecarbon.config" for folder in folders]


def _sections(files: list[Path]) -> dict[str, str]:
    import configparser

    parser = configparser.ConfigParser(interpolation=None)
    for file in files:
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            # Another tool's broken file is for that tool to complain about.
            continue
    return dict(parser["codecarbon"]) if parser.has_section("codecarbon") else {}


def _codecarbon_place(values: Mapping[str, str]) -> str | None:
    """Return the closest place that the tables know: as there, a region without a factor is left out."""
    country, region = values.get("country_iso_code"), values.get("region")
    names = [f"gcp/{values.get('cloud_region')}"] if values.get("cloud_provider") == "gcp" else []
    names += [f"{country}/{region}"] if country and region else []
    names += [country] if country else []
    return next(filter(_is_known, names), country)


def _is_known(name: str) -> bool:
    try:
        known_place(name)
    except PlaceError:
        return False
    return True


_current: Settings | None = None
