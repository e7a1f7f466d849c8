"""`d2ev plan`: cars and prices as JSON Lines in, plans out."""

from __future__ import annotations

import os
import sys

import typer


def plan() -> None:
    """Plan one car per line: JSON Lines on stdin, JSON Lines on stdout, in the same order; docs/planning.md."""
    import msgspec

    from deploy.plan_lines import answer

    encode = msgspec.json.Encoder().encode
    lines = bad = 0
    out = sys.stdout.buffer
    try:
        for number, line in enumerate(sys.stdin.buffer, 1):
            if line.isspace():
                continue
            made = answer(line, number)
            lines += 1
            bad += "error" in made
            out.write(encode(made) + b"\n")
            out.flush()  # whoever waits for this answer before asking on gets it
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    if bad:
        print(f"d2ev: {bad} of {lines} lines could not be planned", file=sys.stderr)
        raise typer.Exit(2)
