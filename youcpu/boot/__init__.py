"""A boot: a PC with firmware and a disk, watched from the reset vector on."""
