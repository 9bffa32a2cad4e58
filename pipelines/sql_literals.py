"""Text as an SQL literal, for statements that take no bound parameter (views, attach, comments)."""


def quoted_literal(text: object) -> str:
    """The text between single quotes, those inside it doubled."""
    return "'" + str(text).replace("'", "''") + "'"
