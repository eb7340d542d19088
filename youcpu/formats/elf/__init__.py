"""Reading ELF: bytes to values, for every class, byte order and degree of damage.

`image` bounds every access, `file` holds one object with its tables, the other modules read one
kind of table each. Names stay text in Latin-1, one character a byte, so that no byte is lost.
"""
