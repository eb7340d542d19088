"""Terminals: drivers/tty/. tty.py is the device, n_tty.py its line discipline, job_control.py who
may use it."""
