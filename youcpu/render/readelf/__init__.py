"""An ELF file in the words and columns of GNU readelf 2.40: one module a view.

A view is a generator of text in Latin-1, one character a byte: names reach the terminal as they
are in the file. What each line looks like is GNU's; tests/differential compares to the byte.
"""
