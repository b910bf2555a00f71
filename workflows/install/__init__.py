"""Installing without a virtual machine: an InstallPlan becomes a package tree, and the tree a disk.

    install_packages(plan, to, …)    the package tree: a folder that holds the installed packages and nothing else
    build_disk(plan, tree, to, …)    a qcow2 disk: the tree, configured as the plan says, made bootable

Two steps, since an edit of a script or a user must not install a thousand packages again. Both are called with a name
that nothing stands at (`kit.arriving`), make exactly that, keep their scratch beside it under names that `sweep` knows,
and return facts: plain JSON values about what was made.

A *family* is the part that knows a distribution. It is a module with these functions, named in `direct.FAMILIES` (debian/, el/):

    problems(plan)                         what the family cannot honour, as text that names file and line
    install(plan, to, …)                   the package tree; runs in a mount and pid namespace of its own
    configuration(plan, tree)              files of /etc that the family spells in its own way
    finish_configuration(plan, machine, …) what the guest's own programs do with them (locales)
    enabled_units(plan, tree)              services that the family starts itself, beside the plan's
    make_bootable(plan, layout, machine, …) initramfs and boot menu, by the guest's own programs
    tidy_system(root)                      take out what belongs to this build or to one machine only
    label(plan, root, …)                   what SELinux wants to know of each file
    command_lines(root)                    the kernel's arguments, as the boot menu has them
    efi_programs(root)                     the vendor's folder on the EFI partition, and what is signed in it
    GRUB                                   what it calls GRUB's programs and folder

`direct` walks both steps, `isolation` keeps every foreign script apart from this machine, `configure` holds what all
families share, `disk`, `gpt` and `grub` assemble the disk from files alone: no loop device, no mount, no appliance.
"""

from __future__ import annotations

from flight.workflows.install.direct import build_disk, install_packages

__all__ = ["build_disk", "install_packages"]
