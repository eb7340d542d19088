"""Parts of `youcpu interrupts` and `youcpu rings`."""
