"""The published messages, one module per stage, in flow order.

Frozen; unknown fields are ignored on reading so that a new optional field never breaks a rolling deploy;
units are in the names; every time is an aware UTC instant.
"""
