"""Tables of results folders that earlier versions wrote, with the columns of today."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from lobarena.benchmarks.latency_mode import AS_SET
from lobarena.benchmarks.tables import SCHEMAS


def upgraded(table: pa.Table, name: str, manifest: Mapping[str, Any]) -> pa.Table:
    """The table `name` of a folder with this manifest; what is missing afterwards was missing in its schema too.

    Schema 1 did not tell the fill model, which was that of the settings. Schema 2 had one column of tokens, read and
    written together (it stands as prompt_tokens), no latency sweep and no notes.
    """
    config = manifest["config"]
    model = f"{config.get('cancel_model', 'pro rata')}/{config.get('impact', 'decay')}"
    added: dict[str, Any] = {}
    if name == "episodes":
        added = {"fill_model": model, "sweep": AS_SET, "prompt_tokens": 0, "answer_tokens": 0, "notes": "{}"}
    if name == "decisions" and "tokens" in table.column_names:
        table = table.rename_columns([{"tokens": "prompt_tokens"}.get(column, column) for column in table.column_names])
        added = {"answer_tokens": 0}
    for place, field in enumerate(SCHEMAS[name]):
        if field.name in added and field.name not in table.column_names:
            table = table.add_column(place, field, pa.array([added[field.name]] * table.num_rows, field.type))
    return table.cast(SCHEMAS[name]) if table.column_names == SCHEMAS[name].names else table
