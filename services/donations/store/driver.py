"""psycopg's own connection, for COPY and for statements that must cost little."""

from typing import Any

import psycopg

Driver = psycopg.AsyncConnection[Any]
"""A connection of a lane, within its transaction."""
