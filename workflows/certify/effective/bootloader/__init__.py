"""Boot loaders: from their configuration to the entry that they would take. Pure.

by_grub, by_systemd   the choice each of them makes
bls                   boot loader entries, which both of them read
grub                  GRUB's configuration run: script (the language), holds (its `[`), commands, menu (what comes of it)
"""
