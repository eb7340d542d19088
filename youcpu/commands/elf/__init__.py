"""What the commands about ELF files share: the command line of readelf, opening, archives."""
