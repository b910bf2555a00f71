"""Boot loader entries, GRUB's environment and the initramfs's command line."""

from __future__ import annotations

from pathlib import Path

from flight.workflows.install.configure import render_grub_defaults
from flight.workflows.install.el import boot
from flight.workflows.install.layout import plan_layout
from flight.workflows.kickstart.plan import Bootloader, InstallPlan

PLAN = InstallPlan(
    "node", "1", "el", "9", "http://m.example/", bootloader=Bootloader(("console=ttyS0,115200n8", "quiet"), 1)
)
LAYOUT = plan_layout(PLAN)


def test_the_kernel_finds_the_root_by_its_uuid_and_has_the_plans_arguments_last() -> None:
    assert boot.command_line(PLAN, LAYOUT) == f"root=UUID={LAYOUT.at('/').identifier} ro console=ttyS0,115200n8 quiet"


def test_an_entry_names_kernel_initramfs_and_arguments() -> None:
    system = {"NAME": "Test Linux", "VERSION": "9.4 (Try)", "ID": "testlinux"}
    lines = boot.render_entry("5.14.0-1.el9.x86_64", "root=UUID=x ro", system).splitlines()
    assert lines[:5] == [
        "title Test Linux (5.14.0-1.el9.x86_64) 9.4 (Try)",
        "version 5.14.0-1.el9.x86_64",
        "linux /boot/vmlinuz-5.14.0-1.el9.x86_64",
        "initrd /boot/initramfs-5.14.0-1.el9.x86_64.img",
        "options root=UUID=x ro",
    ]
    assert "grub_class testlinux" in lines


def test_the_newest_kernel_is_the_last() -> None:
    names = ["5.14.0-70.el9.x86_64", "5.14.0-427.13.1.el9_4.x86_64", "5.14.0-427.el9.x86_64", "6.1.0-9-amd64"]
    assert boot.newest_last(reversed(names)) == [
        "5.14.0-70.el9.x86_64", "5.14.0-427.el9.x86_64", "5.14.0-427.13.1.el9_4.x86_64", "6.1.0-9-amd64",
    ]  # fmt: skip


def test_grub_starts_what_its_environment_says() -> None:
    text = boot.render_defaults(PLAN, render_grub_defaults(PLAN))
    assert {"GRUB_DEFAULT=saved", "GRUB_ENABLE_BLSCFG=true", "GRUB_TIMEOUT=1"} <= {*text.splitlines()}
    assert "GRUB_DEFAULT=0" not in text


def test_the_initramfs_is_for_any_machine_and_has_hyper_vs_drivers() -> None:
    argv = boot.dracut("5.14.0", ("hv_vmbus", "hv_netvsc"))
    assert argv[:5] == ["dracut", "--force", "--no-hostonly", "--add-drivers", "hv_vmbus hv_netvsc"]
    assert argv[5:] == ["/boot/initramfs-5.14.0.img", "5.14.0"]
    assert "--add-drivers" not in boot.dracut("5.14.0", ())


def test_the_arguments_of_all_entries_are_read_each_once(tmp_path: Path) -> None:
    entries = tmp_path / "boot/loader/entries"
    entries.mkdir(parents=True)
    for release in ("1", "2"):
        (entries / f"x-{release}.conf").write_text(boot.render_entry(release, "root=UUID=x ro", {}))
    assert boot.command_lines(tmp_path) == ["root=UUID=x ro"]


def test_the_vendors_folder_is_the_one_with_a_shim(tmp_path: Path) -> None:
    for path in ("BOOT/BOOTX64.EFI", "BOOT/fbx64.efi", "almalinux/shimx64.efi", "almalinux/grubx64.efi"):
        at = tmp_path / "boot/efi/EFI" / path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(path)
    vendor, found = boot.efi_programs(tmp_path)
    assert (vendor, set(found)) == ("almalinux", {"shimx64.efi", "grubx64.efi"})
    assert boot.efi_programs(tmp_path / "boot")[1] == {}


def test_a_link_among_them_is_not_followed(tmp_path: Path) -> None:
    vendor, entries = tmp_path / "boot/efi/EFI/almalinux", tmp_path / "boot/loader/entries"
    for folder in (vendor, entries):
        folder.mkdir(parents=True)
    (vendor / "shimx64.efi").write_text("shim")
    secret = tmp_path / "secret"
    secret.write_text("options of this machine\n")
    (vendor / "grubx64.efi").symlink_to(secret)
    (entries / "x.conf").symlink_to(secret)
    (tmp_path / "boot/efi/EFI/0").symlink_to(tmp_path)
    assert boot.efi_programs(tmp_path) == ("almalinux", {"shimx64.efi": b"shim"})
    assert boot.command_lines(tmp_path) == []
