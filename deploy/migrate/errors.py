"""What can go wrong with an expansion, and be mended."""


class CannotExpand(Exception):
    """Nothing was done that matters; the message says why, and what to do."""
