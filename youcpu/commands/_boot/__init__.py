"""Parts of `youcpu boot`."""
