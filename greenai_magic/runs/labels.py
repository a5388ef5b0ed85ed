"""What the user says of a run beforehand, and the site that this makes with the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from greenai_magic.errors import SettingError
from greenai_magic.footprint.place import Place
from greenai_magic.runs.settings import Settings
from greenai_magic.runs.site import Site, hours_from, named_site, placed_site


@dataclass(frozen=True, slots=True)
class Labels:
    """What the user says of a run beforehand; see ``measure``."""

    name: str = ""
    save: bool = True
    place: str | Place | None = None
    pue: float | None = None
    hardware: str | None = None
    intensity_csv: str | Path | None = None
    stage: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None

    def __post_init__(self) -> None:
        _refuse_wrong_types(self.place, self.hardware, self.intensity_csv, self.tags)


def site_of(labels: Labels, settings: Settings) -> tuple[Site, tuple[str, ...]]:
    """Return where a run takes place, and why its hours are not counted where a setting asks for them.

    Raises
    ------
    SettingError
        If the place, the PUE, the hardware or the file of hours that the user gave cannot be one.
    """
    hardware = (settings.hardware or "") if labels.hardware is None else labels.hardware.strip()
    if isinstance(labels.place, Place):
        site = placed_site(labels.place, labels.pue, hardware)
    else:
        pue = settings.pue if labels.pue is None else labels.pue
        site = named_site(labels.place or settings.country, pue, hardware)
    # The hours that are set are of the place that is set, and of no other.
    path = labels.intensity_csv or (None if labels.place else settings.intensity_csv)
    if path is None:
        return site, ()
    try:
        return replace(site, hourly=hours_from(Path(path))), ()
    except SettingError as error:
        if labels.intensity_csv:
            raise
        # A file that has gone since it was set must not stop anybody's work.
        return site, (f"The yearly factor of the grid is used: {error}",)


def _refuse_wrong_types(place: object, hardware: object, intensity_csv: object, tags: object) -> None:
    """Refuse what a user's call may hold, whatever the types say."""
    if not isinstance(place or "", str | Place) or not isinstance(tags, Mapping):
        msg = 'A run takes a place by its name, "FRA", or as a Place, and tags as a dict, {"data": "digits"}.'
        raise SettingError(msg)
    if not isinstance(hardware or "", str) or not isinstance(intensity_csv or "", str | Path):
        msg = 'Hardware is given as text, "laptop + monitor", and intensity_csv as the path of a file.'
        raise SettingError(msg)
