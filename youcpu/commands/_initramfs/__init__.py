"""Parts of `youcpu initramfs`."""
