"""Rules about kernel, initramfs and command line (the reference's table 2.2)."""
