"""Enterprise Linux (RHEL and its rebuilds, CentOS Stream): packages by dnf.

sources      where packages come from, and which are asked for: a plan's words in dnf's
dnf          the first phase, on the host: indexes, what would be installed, package files checked by their signatures
comps        package groups, for a dnf that finds none
transaction  the second phase: the same packages installed, offline and shut in, and compared with what was planned
boot         boot loader entries, GRUB's environment, initramfs
selinux      labels
family       the family's part of both steps (the contract stands in `install`)
"""
