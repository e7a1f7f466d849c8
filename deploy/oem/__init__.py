"""Tools for those who add a car maker, and for those who want to know what one can do."""
