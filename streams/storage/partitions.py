"""Monthly partitions of the tables that grow with time. Rows outside any month fall into the default partition."""

import datetime as dt
from typing import Final

from sqlalchemy import Connection, text

from streams.storage.vacuuming import SUMMARIZED

BY_MONTH: Final = {"messages": f"WITH ({SUMMARIZED})", "results": ""}
"""Tables with what their partitions are told."""

MONTHS_AHEAD: Final = 3


def create_month_partitions(connection: Connection, today: dt.date) -> None:
    """Create the partitions of this month and the next ones; a month that exists is left alone.

    A month whose rows already stand in the default partition can't be created any more: run this well ahead.
    """
    first = today.replace(day=1)
    for _ in range(MONTHS_AHEAD + 1):
        following = (first + dt.timedelta(days=32)).replace(day=1)
        for table, how in BY_MONTH.items():
            connection.execute(
                text(
                    f"CREATE TABLE IF NOT EXISTS {table}_{first:%Y_%m} PARTITION OF {table} "
                    f"FOR VALUES FROM ('{first:%Y-%m-%d} 00:00:00+00') TO ('{following:%Y-%m-%d} 00:00:00+00') {how}"
                )
            )
        first = following
