"""Writes docs/states.md from the tables of moves: `python -m app.states`."""

from app import rooms
from storage import lifecycle

HEAD = """# States 状态

Made by `make states` from the tables of moves in the models; a test compares the two. Nothing changes its state
in any other way than by `storage.lifecycle.move`, which writes the journal in the same transaction.
"""


def document() -> str:
    """All tables as Mermaid diagrams, in the order of their names."""
    rooms.models()
    parts = [HEAD]
    for kind in lifecycle.lives():
        parts.append(f"## {kind.called} `{kind.__tablename__}`\n\n```mermaid\n{lifecycle.diagram(kind)}```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(document(), end="")
