"""Two files may hold pieces of one trading day: a night session in one, its day session in the next."""

from dataclasses import replace

import numpy as np

from lobarena.data.recording import NOTED, DataError, Finding, Quarantine, Recording
from lobarena.data.schema import UNKNOWN


def join(one: Recording, other: Recording) -> Recording:
    """One recording of two pieces of a day; DataError when they overlap in time or are not of one contract.

    What traded between the pieces is in neither: the volume of the later one goes on where the earlier one ended.
    """
    if (one.contract, one.symbol, one.exchange, one.trading_day) != (
        other.contract,
        other.symbol,
        other.exchange,
        other.trading_day,
    ):
        raise DataError(f"{one.source} and {other.source} differ in contract or day; they are not pieces of one day")
    if len(one.snapshots) and len(other.snapshots) and other.snapshots["time"][0] < one.snapshots["time"][0]:
        one, other = other, one
    first, second = one.snapshots, other.snapshots.copy()
    if len(first) and len(second):
        if second["time"][0] <= first["time"][-1]:
            raise DataError(
                f"{one.source} and {other.source} both hold {one.symbol} {one.trading_day} and overlap in time; "
                "pass overwrite=True to keep the one imported last"
            )
        second["volume"] += first["volume"][-1]
        whole = first["turnover"][-1] != UNKNOWN and second["turnover"][0] != UNKNOWN
        second["turnover"] = np.where(
            second["turnover"] != UNKNOWN, second["turnover"] + first["turnover"][-1], UNKNOWN
        )
        if not whole:
            second["turnover"] = UNKNOWN
    seam = Finding("joined", len(second), int(second["row"][0]) if len(second) else 0, _text(one, other), NOTED)
    apart = Quarantine(
        np.concatenate([one.quarantine.rows, other.quarantine.rows]),
        [*one.quarantine.reasons, *other.quarantine.reasons],
        [*one.quarantine.texts, *other.quarantine.texts],
    )
    return replace(
        one,
        snapshots=np.concatenate([first, second]),
        quarantine=apart,
        findings=[*one.findings, *other.findings, seam],
        source=f"{one.source} + {other.source}",
        rows_in=one.rows_in + other.rows_in,
    )


def _text(one: Recording, other: Recording) -> str:
    return f"{other.source} goes on where {one.source} ends; what traded between them is in neither"
