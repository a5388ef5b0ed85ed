"""Which GPUs CUDA shows to this process: the rules of ``CUDA_VISIBLE_DEVICES``.

CUDA C++ Programming Guide, "CUDA Environment Variables" (2025): indices or UUIDs, these also
abbreviated, in any order; the first invalid entry ends the list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

MEANS_NONE = frozenset({"", "-1", "NoDevFiles"})
"""Entries that people and schedulers write to hide the rest; they need no explanation."""


def visible_gpus(
    visible: str | None,
    uuids: Sequence[str],
    parent_of_mig: Callable[[str], str],
) -> tuple[list[int], str | None]:
    """Return the GPUs that this process may see, each once, and the entry that ended the list.

    Parameters
    ----------
    visible : str or None
        ``CUDA_VISIBLE_DEVICES``; None where it is not set, which shows every GPU.
    uuids : sequence of str
        Of every GPU, in NVML's order; empty for one that tells none.
    parent_of_mig : callable
        Gives the UUID of the GPU that holds the MIG slice of a UUID; empty for an unknown slice.
    """
    if visible is None:
        return list(range(len(uuids))), None
    chosen: list[int] = []
    for entry in map(str.strip, visible.split(",")):
        index = _index(entry, uuids, parent_of_mig)
        if index is None:
            return chosen, entry
        if index not in chosen:
            chosen.append(index)
    return chosen, None


def _index(entry: str, uuids: Sequence[str], parent_of_mig: Callable[[str], str]) -> int | None:
    if entry.isdecimal():
        return int(entry) if int(entry) < len(uuids) else None
    if entry.startswith("MIG-GPU-"):
        # Drivers before 470 name a slice by its place: MIG-GPU-<uuid>/<GPU instance>/<compute instance>.
        entry = entry.removeprefix("MIG-").partition("/")[0]
    elif entry.startswith("MIG-"):
        entry = parent_of_mig(entry)
    matches = [index for index, uuid in enumerate(uuids) if uuid.startswith(entry)]
    return matches[0] if entry.startswith("GPU-") and len(matches) == 1 else None
