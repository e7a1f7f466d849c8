"""What is remembered: every table as data. One stage writes a table; its changelog is partitioned like the cars."""

from __future__ import annotations
