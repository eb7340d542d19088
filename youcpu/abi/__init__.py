"""Numbers and flag types of Linux and x86: no behaviour, only names."""
