"""Files of other tools: their energy kept as it is, their footprint told beside ours."""

from greenai_magic.estimate.importers.azure import from_azure
from greenai_magic.estimate.importers.codecarbon import from_codecarbon
from greenai_magic.estimate.importers.google import from_google
from greenai_magic.estimate.importers.imported import Imported
from greenai_magic.estimate.importers.mlflow import from_mlflow, from_mlflow_series
from greenai_magic.estimate.importers.restated import assessed, restated

__all__ = [
    "Imported",
    "assessed",
    "from_azure",
    "from_codecarbon",
    "from_google",
    "from_mlflow",
    "from_mlflow_series",
    "restated",
]
