"""Reads a Dockerfile as far as ours goes: its stages with their instructions, and what .dockerignore lets in."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "deploy/Dockerfile"
DOCKERIGNORE = ROOT / ".dockerignore"


@dataclass(frozen=True)
class Instruction:
    """One instruction, its continued lines joined."""

    name: str
    rest: str

    def words(self) -> list[str]:
        """The words of its exec form, or of its shell form."""
        return [str(word) for word in json.loads(self.rest)] if self.rest.startswith("[") else shlex.split(self.rest)


@dataclass
class Stage:
    """What stands between one FROM and the next."""

    base: str
    name: str | None
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[Instruction]:
        """Its instructions of one kind."""
        return [one for one in self.instructions if one.name == name]

    def environment(self) -> dict[str, str]:
        """What ENV sets."""
        return dict(word.split("=", 1) for one in self.all("ENV") for word in one.words())


def instructions(text: str) -> Iterator[Instruction]:
    """Every instruction in turn, without comments."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\\n\s*", "", lines).splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield Instruction(name.upper(), rest.strip())


def stages(text: str) -> list[Stage]:
    """The stages, their bases with the arguments' defaults put in."""
    found: list[Stage] = []
    arguments: dict[str, str] = {}
    for one in instructions(text):
        if one.name == "ARG" and not found:
            name, _, value = one.rest.partition("=")
            arguments[name] = value
        elif one.name == "FROM":
            base, _, alias = one.rest.partition(" AS ")
            found.append(Stage(filled(base, arguments), alias or None))
        else:
            found[-1].instructions.append(one)
    return found


def filled(text: str, values: Mapping[str, str]) -> str:
    """`${NAME}` replaced by its value."""
    return re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], text)


def let_in(path: str, patterns: list[str]) -> bool:
    """Does the file reach the build? The last pattern that fits it, or a folder above it, decides."""
    kept = True
    parts = path.split("/")
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    for pattern in patterns:
        wanted = pattern.removeprefix("!")
        globs = (wanted, wanted.removeprefix("**/")) if wanted.startswith("**/") else (wanted,)
        if any(_fits(folder, glob) for folder in above for glob in globs):
            kept = pattern.startswith("!")
    return kept


def _fits(path: str, glob: str) -> bool:
    """A `*` stays within its folder, but for a leading `**/`."""
    if glob.startswith("**/"):
        return any(fnmatch("/".join(path.split("/")[start:]), glob[3:]) for start in range(path.count("/") + 1))
    return path.count("/") == glob.count("/") and fnmatch(path, glob)


def ignore_patterns(text: str) -> list[str]:
    """The patterns of a .dockerignore, without comments."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
