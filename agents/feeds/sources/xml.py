"""XML from strangers: no document type, no entities, little depth; names without their namespace."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from agents.feeds.source import Refused

_DEPTH = 12
#: A year of quarter hours takes less than half of it.
_MOST_NODES = 250_000


@dataclass(slots=True)
class Node:
    """An element: its local name, its own text, its children in order."""

    name: str
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def all(self, name: str) -> list[Node]:
        """The children of that name."""
        return [child for child in self.children if child.name == name]

    def one(self, name: str) -> Node | None:
        """The only child of that name, or None where there is none. Raises `Refused` where there are several."""
        found = self.all(name)
        if len(found) > 1:
            raise Refused(f"{self.name} holds {name} {len(found)} times")
        return found[0] if found else None

    def said(self, *path: str) -> str | None:
        """The text at the end of a path of names, stripped; None where a part of it is missing or empty."""
        node: Node | None = self
        for name in path:
            node = node.one(name) if node else None
        return (node.text.strip() or None) if node else None


class _Builder:
    def __init__(self) -> None:
        self.top = Node("")
        self.open = [self.top]
        self.count = 0

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        if len(self.open) > _DEPTH:
            raise Refused("the XML is nested too deeply")
        self.count += 1
        if self.count > _MOST_NODES:
            raise Refused("the XML holds too many elements")
        node = Node(name.rpartition(" ")[2])
        self.open[-1].children.append(node)
        self.open.append(node)

    def end(self, _name: str) -> None:
        self.open.pop()

    def data(self, text: str) -> None:
        self.open[-1].text += text


def _forbidden(*_declared: object) -> None:
    raise Refused("the XML declares a document type or an entity")


def root_of(body: bytes) -> Node:
    """The root element. Raises `Refused` for what is no XML, or more than plain elements and text."""
    parser = expat.ParserCreate(namespace_separator=" ")
    builder = _Builder()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = _forbidden
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, LookupError, ValueError):
        raise Refused("the answer is not XML") from None
    return builder.top.children[0]
