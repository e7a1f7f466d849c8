"""Prices and carbon from the outside: sources, rules, and the process that asks them."""
