"""A boot: a PC with firmware and a disk, or with a Linux kernel, watched from its start on."""
