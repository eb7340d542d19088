"""Parts of `youcpu step`."""
