"""The room that a stretch of entries.txt is read into."""

FRONT = 32
"""How many bytes stand before the text: room for the hash before the first entry."""

PAD = 256
"""How many bytes stand behind it; no word that is sought in columns is nearly as long."""


def room_for(length: int) -> bytearray:
    """Room for so many bytes, FRONT before them and PAD behind; all blanks."""
    return bytearray(b" ") * (FRONT + length + PAD)
