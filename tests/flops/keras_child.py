"""Counts the Keras zoo on one backend, which Keras chooses when it is imported: hence a process for each.

Called with the backend and the file for its findings. Nothing is judged here.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path

os.environ |= {
    "KERAS_BACKEND": sys.argv[1],
    "CUDA_VISIBLE_DEVICES": "-1",
    "JAX_PLATFORMS": "cpu",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


def counted(name):
    import keras_zoo

    from greenai_magic.flops.keras import engine as keras_engine

    options = {"inputs": keras_zoo.INPUTS.get(name), "batch": keras_zoo.BATCHES.get(name, 2)}
    model = keras_zoo.build(name)
    return {
        "forward": _found(keras_engine.count(model, **options)),
        "backward": _found(keras_engine.count(model, backward=True, **options)),
    }


def _found(report):
    return {
        "macs": report.macs,
        "flops": report.flops,
        "types": sorted(
            {type(n).__name__ for row in report.rows for n in (row.macs, row.flops, row.bytes_moved)}
        ),
        "macs_by_phase": _sums(report.rows, "phase", "macs"),
        "macs_by_kind": _sums(report.rows, "kind", "macs"),
        "flops_by_kind": _sums(report.rows, "kind", "flops"),
        "macs_by_module": _sums(report.rows, "module", "macs"),
        "flops_by_path": report.by_module,
        "calls_of_products": sum(row.calls for row in report.rows if row.macs),
        "uncounted": [unknown.op for unknown in report.uncounted],
        "params": report.params,
        "trainable_params": report.trainable_params,
        "weight_bytes": report.weight_bytes,
        "modules": [
            [m.path, m.class_name, list(m.output_shape), m.params, m.trainable_params] for m in report.modules
        ],
        "notes": list(report.notes),
        "activations": [report.activation_bytes, report.peak_activation_bytes],
        "inputs": report.inputs,
    }


def _sums(rows, by, what):
    sums = {}
    for row in rows:
        sums[getattr(row, by)] = sums.get(getattr(row, by), 0) + getattr(row, what)
    return {key: value for key, value in sums.items() if value}


def main():
    import keras_laws
    import keras_training
    import keras_zoo

    found = {"cases": {}, "laws": {}, "errors": {}}
    # Models with values first: to give some to one is to give some to all that wait for them.
    for name, law in (keras_laws.LAWS | keras_training.LAWS).items():
        try:
            found["laws"][name] = law()
        except Exception:  # noqa: BLE001 - whatever it is, the test shows it
            found["errors"][name] = traceback.format_exc()
    for name in keras_zoo.CASES:
        try:
            found["cases"][name] = counted(name)
        except Exception:  # noqa: BLE001
            found["errors"][name] = traceback.format_exc()
    Path(sys.argv[2]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
