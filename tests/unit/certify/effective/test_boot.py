"""Which entry boots: configurations as distributions write them, and as somebody would who wants to be misread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from trees import DEBIAN, changed, el

from flight.workflows.certify.effective.boot import Boot
from flight.workflows.certify.effective.bootloader.menu import BLOCK
from flight.workflows.certify.facts import Container, Filesystem, PartitionTable, Snapshot
from flight.workflows.certify.image import Image
from flight.workflows.certify.tree import Entry, Tree

EMPTY = Snapshot(Container("made.vhd", 0, "raw", ""), PartitionTable("gpt"), tree=Tree({"/": Entry("d", 0o755)}, {}))
FILES = {
    path: "x" for path in ("/boot/vmlinuz-6.1", "/boot/initrd.img-6.1", "/boot/vmlinuz-5.10", "/boot/memtest86+.bin")
}
ROOT = Filesystem("/dev/sda1", 1, 1, "ext4", "aaaa-root", mounted_at="/")
BOOT = Filesystem("/dev/sda2", 2, 1, "xfs", "bbbb-boot", label="BOOT", mounted_at="/boot")
ESP = Filesystem("/dev/sda3", 3, 1, "vfat", "CCCC-0001", mounted_at="/boot/efi")


def boots(
    files: Mapping[str, str | bytes],
    *,
    filesystems: tuple[Filesystem, ...] = (),
    generations: Iterable[str] = ("V2",),
    links: Mapping[str, str] = {},
) -> Boot:
    snapshot = changed(EMPTY, files={**FILES, **files}, links=links, filesystems=filesystems)
    return Image(snapshot, frozenset(generations)).boot


def grub(config: str, **more: str) -> Boot:
    """With grubenv's variables as `more`."""
    block = BLOCK + "".join(f"{name}={value}\n" for name, value in more.items())
    return boots({"/boot/grub/grub.cfg": config, "/boot/grub/grubenv": block.ljust(1024, "#")})


def entry(title: str, line: str = "/boot/vmlinuz-6.1", options: str = "") -> str:
    return f"menuentry '{title}' --class os $menuentry_id_option 'id-{title}' {options}{{\n\tlinux\t{line}\n}}\n"


THREE = (
    entry("plain", "/boot/vmlinuz-6.1 plain")
    + "submenu 'More' --id more {\n"
    + entry("new", "/boot/vmlinuz-6.1 new")
    + entry("old", "/boot/vmlinuz-5.10 old")
    + "}\n"
    + entry("last", "/boot/vmlinuz-6.1 last")
)
HEADER = """\
if [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
else
   set default="${saved_entry}"
fi
if [ x"${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi
"""
DEFAULTS = {
    "none is the first": ("", "plain"),
    "a number": ("set default=2\n", "last"),
    "a number in quotes": ('set default="2"\n', "last"),
    "a number into a submenu": ('set default="1>1"\n', "old"),
    "a submenu is its first entry": ("set default=1\n", "new"),
    "a number beyond the end is the first": ("set default=7\n", "plain"),
    "a title": ("set default='last'\n", "last"),
    "titles into a submenu": ("set default='More>old'\n", "old"),
    "ids into a submenu": (f"{HEADER}set default='more>id-old'\n", "old"),
    "an id that is nowhere is the first": ("set default='gone>id-old'\n", "plain"),
    "an assignment without set": ("default=2\n", "last"),
    "the later one": ("set default=1\nset default=2\n", "last"),
    "behind a condition that does not hold": ('if [ "$grub_platform" = pc ]; then\n set default=2\nfi\n', "plain"),
    "behind one that does": ('if [ -n "$nothing" -o "$grub_platform" = efi ]; then set default=2; fi\n', "last"),
    "behind else": ("if false; then set default=1; elif [ ! -e /nowhere ]; then set default=2; else x; fi\n", "last"),
    "in a function": ("function choose {\n set default=$1\n}\nchoose 2\n", "last"),
    "in a function that is never called": ("function choose {\n set default=2\n}\n", "plain"),
    "a comment": ("# set default=2\n", "plain"),
    "of a loop": ("for n in 1 2; do set default=$n; done\n", "last"),
    "unset again": ("set default=2; unset default\n", "plain"),
}


@pytest.mark.parametrize(("config", "word"), DEFAULTS.values(), ids=DEFAULTS)
def test_the_default_entry_is_found(config: str, word: str) -> None:
    boot = grub(config + THREE)
    assert (boot.problem, boot.command_line) == ("", word)


SAVED = {
    "saved by id": ({"saved_entry": "id-last"}, "last"),
    "saved by path": ({"saved_entry": "more>id-old"}, "old"),
    "the next boot only": ({"saved_entry": "id-last", "next_entry": "1>0"}, "new"),
    "nothing saved": ({}, "plain"),
    "nothing that is there": ({"saved_entry": "id-gone"}, "plain"),
}


@pytest.mark.parametrize(("block", "word"), SAVED.values(), ids=SAVED)
def test_the_environment_block_has_its_say(block: dict[str, str], word: str) -> None:
    assert grub(HEADER + THREE, **block).command_line == word


def test_an_environment_block_without_its_first_line_says_nothing() -> None:
    files = {"/boot/grub/grub.cfg": HEADER + THREE, "/boot/grub/grubenv": "saved_entry=id-last\n"}
    assert boots(files).command_line == "plain"


LINES = {
    "a variable": ("set extra='a=1 b=2'\n", "$extra c", "a=1 b=2 c"),
    "in braces": ("set x=1\n", "a=${x}0", "a=10"),
    "that is empty": ("", "a $nothing b", "a b"),
    "of the environment block": ("load_env\n", "$kernelopts", "root=/dev/x ro"),
    "in single quotes": ("set x=1\n", "'a=$x'", "a=$x"),
    "in double quotes": ("set x='1 2'\n", '"a=$x"', '"a=1 2"'),
    "a backslash before the end of the line": ("", "a \\\n b", "a b"),
    "an escaped sign": ("", r"a\$x", "a$x"),
    "a sign that begins no comment": ("", "a#b", "a#b"),
    "a comment behind": ("", "a # b", "a"),
}


@pytest.mark.parametrize(("config", "line", "seen"), LINES.values(), ids=LINES)
def test_the_line_is_what_grub_makes_of_it(config: str, line: str, seen: str) -> None:
    boot = grub(f"{config}menuentry x {{\nlinux /boot/vmlinuz-6.1 {line}\n}}\n", kernelopts="root=/dev/x ro")
    assert boot.command_line == seen


def test_what_an_entry_decides_when_it_is_taken_counts() -> None:
    """Ubuntu tries without an initramfs first, and remembers in the environment block that this failed."""
    body = (
        'menuentry x {\nif [ "${initrdfail}" = 1 ]; then\n linux /boot/vmlinuz-6.1 with\n initrd /boot/initrd.img-6.1\n'
        "else\n linux /boot/vmlinuz-6.1 without panic=-1\nfi\n}\n"
    )
    assert (grub(body).command_line, grub(body).initramfs) == ("without panic=-1", "")
    again = grub(f"load_env\n{body}", initrdfail="1")
    assert (again.command_line, again.initramfs) == ("with", "/boot/initrd.img-6.1")


def test_file_and_line_are_those_of_the_command_line() -> None:
    assert grub("set timeout=1\n\n" + THREE).source == "/boot/grub/grub.cfg:4"


def test_a_file_of_ones_own_can_change_the_default() -> None:
    tail = "if [ -f $prefix/custom.cfg ]; then source $prefix/custom.cfg; fi\n"
    boot = boots({"/boot/grub/grub.cfg": THREE + tail, "/boot/grub/custom.cfg": "set default=2\n"})
    assert boot.command_line == "last"
    assert boot.read == ("/boot/grub/grub.cfg", "/boot/grub/custom.cfg")


def test_what_lies_beside_a_configuration_is_found_from_there() -> None:
    """Enterprise Linux 8 by UEFI: the configuration itself lies on the EFI partition, and the environment block too."""
    load = "load_env -f ${config_directory}/grubenv\nset default=$saved_entry\nsearch --fs-uuid --set=root aaaa-root\n"
    files = {
        "/boot/efi/EFI/redhat/grub.cfg": f"if [ -f ${{config_directory}}/grubenv ]; then\n{load}fi\n{THREE}",
        "/boot/efi/EFI/redhat/grubenv": f"{BLOCK}saved_entry=2\n",
        "/boot/grub2/grubenv": f"{BLOCK}saved_entry=0\n",
        "/etc/os-release": "ID=rhel\n",
    }
    boot = boots(files, filesystems=(ROOT, ESP))
    assert (boot.problem, boot.command_line) == ("", "last")


def test_paths_begin_at_the_filesystem_that_was_searched_for() -> None:
    config = "search --no-floppy --fs-uuid --set=root --hint-bios=hd0,gpt2 BBBB-boot\n" + entry("x", "/vmlinuz-6.1 a")
    boot = boots({"/boot/grub/grub.cfg": config}, filesystems=(ROOT, BOOT))
    assert (boot.problem, boot.kernel, boot.version) == ("", "/boot/vmlinuz-6.1", "6.1")


DEVICES = {
    "by number": "(hd0,gpt2)/vmlinuz-6.1",
    "by number, msdos": "(hd0,msdos2)/vmlinuz-6.1",
    "by variable": "($root)/vmlinuz-6.1",
    "on the root": "(hd0,gpt1)/boot/vmlinuz-6.1",
}


@pytest.mark.parametrize("path", DEVICES.values(), ids=DEVICES)
def test_devices_are_partitions(path: str) -> None:
    config = f"search --set=root --label BOOT\nmenuentry x {{\nlinux {path} a\n}}\n"
    assert boots({"/boot/grub/grub.cfg": config}, filesystems=(ROOT, BOOT)).kernel == "/boot/vmlinuz-6.1"


def test_on_btrfs_paths_begin_above_the_subvolume() -> None:
    filesystems = (Filesystem("/dev/sda1", 1, 1, "btrfs", "aaaa", mounted_at="/"),)
    boot = boots({"/boot/grub/grub.cfg": entry("x", "/@/boot/vmlinuz-6.1 a")}, filesystems=filesystems)
    assert boot.kernel == "/boot/vmlinuz-6.1"


STUB = "search.fs_uuid {} root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n"


@pytest.mark.parametrize("folder", ["/boot/efi/EFI/debian", "/boot/efi/efi/DEBIAN", "/boot/efi/EFI/BOOT"])
def test_the_efi_partition_leads_to_the_configuration(folder: str) -> None:
    files = {
        f"{folder}/grub.cfg": STUB.format("aaaa-root"),
        "/boot/grub/grub.cfg": THREE,
        "/etc/os-release": "ID=debian\n",
    }
    boot = boots(files, filesystems=(ROOT, ESP))
    assert (boot.problem, boot.command_line, boot.read[0]) == ("", "plain", f"{folder}/grub.cfg")


def test_a_way_that_leads_nowhere_boots_nothing() -> None:
    files = {"/boot/efi/EFI/debian/grub.cfg": STUB.format("dddd"), "/boot/grub/grub.cfg": THREE}
    boot = boots(files, filesystems=(ROOT, ESP))
    assert "does not find the filesystem 'dddd' (/boot/efi/EFI/debian/grub.cfg:1)" in boot.problem
    assert boots(files, filesystems=(ROOT, ESP), generations=["V1"]).command_line == "plain"


def test_the_systems_own_folder_comes_before_others() -> None:
    files = {
        "/boot/efi/EFI/aaa/grub.cfg": entry("x", "/boot/vmlinuz-5.10 wrong"),
        "/boot/efi/EFI/redhat/grub.cfg": STUB.format("aaaa-root"),
        "/boot/grub/grub.cfg": THREE,
        "/etc/os-release": "ID=rhel\n",
    }
    assert boots(files, filesystems=(ROOT, ESP)).command_line == "plain"


def test_both_generations_are_followed() -> None:
    config = 'if [ "$grub_platform" = efi ]; then set x=a; else set x=b; fi\n' + entry("x", "/boot/vmlinuz-6.1 $x")
    boot = boots({"/boot/grub/grub.cfg": config}, generations=["V1", "V2"])
    assert [it.command_line for it in boot.booting] == ["a", "b"]
    same = boots({"/boot/grub/grub.cfg": THREE}, generations=["V1", "V2"])
    assert [it.command_line for it in same.booting] == ["plain"]


PROBLEMS = {
    "no boot loader": ({}, "no boot loader's configuration was found"),
    "extlinux": (
        {"/boot/extlinux/extlinux.conf": "DEFAULT x\n"},
        "extlinux boots it, and /boot/extlinux/extlinux.conf is not",
    ),
    "an empty menu": ({"/boot/grub/grub.cfg": "set timeout=1\n"}, "GRUB's menu from /boot/grub/grub.cfg is empty"),
    "no kernel": (
        {"/boot/grub/grub.cfg": entry("x", "/boot/vmlinuz-7")},
        "starts /boot/vmlinuz-7, which is not there",
    ),
    "no initramfs": (
        {"/boot/grub/grub.cfg": "menuentry x {\nlinux /boot/vmlinuz-6.1\ninitrd /boot/gone\n}\n"},
        "starts /boot/gone, which is not there",
    ),
    "a folder for a kernel": ({"/boot/grub/grub.cfg": entry("x", "/boot")}, "starts /boot, which is not there"),
    "a memory test": (
        {"/boot/grub/grub.cfg": "menuentry test {\nlinux16 /boot/memtest86+.bin\n}\n"},
        "the entry 'test' starts a memory test",
    ),
    "another system": (
        {"/boot/grub/grub.cfg": "menuentry w {\nchainloader /EFI/Microsoft/Boot/bootmgfw.efi\n}\n"},
        "the entry 'w' starts no Linux: it calls chainloader /EFI/Microsoft",
    ),
    "the firmware's settings": (
        {"/boot/grub/grub.cfg": "menuentry f {\nfwsetup\n}\n"},
        "the entry 'f' starts no Linux",
    ),
    "a quotation mark": ({"/boot/grub/grub.cfg": "set x='\n"}, "grub.cfg: line 1: a quotation mark is never closed"),
    "no fi": ({"/boot/grub/grub.cfg": "if true; then\nset x=1\n"}, "'fi' is missing"),
    "no brace": ({"/boot/grub/grub.cfg": "menuentry x {\n"}, "'}' is missing"),
    "a fi too many": ({"/boot/grub/grub.cfg": "fi\n"}, "line 1: 'fi' begins nowhere"),
    "a brace too many": ({"/boot/grub/grub.cfg": "}\n"}, "line 1: '}' begins nowhere"),
    "for ever": ({"/boot/grub/grub.cfg": "while true; do x=1; done\n"}, "takes more than 20000 steps"),
    "for ever with nothing to do": ({"/boot/grub/grub.cfg": "until false; do\ndone\n"}, "takes more than 20000 steps"),
    "itself": ({"/boot/grub/grub.cfg": "source /boot/grub/grub.cfg\n"}, "goes deeper than 10 levels"),
    "a function of itself": ({"/boot/grub/grub.cfg": "function f {\nf\n}\nf\n"}, "goes deeper than 10 levels"),
    "an entry without end": (
        {"/boot/grub/grub.cfg": "menuentry x {\nwhile true; do y=1; done\n}\n"},
        "takes more than 20000",
    ),
    "submenus in themselves": (
        {"/boot/grub/grub.cfg": "function f {\nsubmenu x { f }\n}\nsubmenu y {\nf\n}\n"},
        "goes deeper than 10 levels",
    ),
    "variables that grow": (
        {"/boot/grub/grub.cfg": "a=xxxxxxxx\n" + "a=$a$a$a$a$a$a$a$a\n" * 30},
        "its variables grow without end",
    ),
    "one word that grows": (
        {"/boot/grub/grub.cfg": "a=xxxxxxxx\n" + "a=$a$a$a$a\n" * 8 + "echo " + "$a" * 60_000 + "\n"},
        "grub.cfg:10: its variables grow without end",
    ),
    "blocks in blocks": (
        {"/boot/grub/grub.cfg": "if true; then\n" * 5000},
        "more than 20 blocks stand within each other",
    ),
    "conditions in conditions": ({"/boot/grub/grub.cfg": "if " * 5000}, "more than 20 blocks stand within each other"),
    "too many entries": ({"/boot/grub/grub.cfg": "menuentry x { y }\n" * 1200}, "more than 1000 menu entries"),
    "too much": ({"/boot/grub/grub.cfg": "#" * (1 << 18) + "\n\n"}, "it is 262146 characters long"),
    "a file again and again": (
        {
            "/boot/grub/grub.cfg": "for i in 1 2 3 4 5 6 7 8 9 10; do source /boot/big; done\n",
            "/boot/big": "#" * (1 << 18),
        },
        "has too much read",
    ),
    "junk": ({"/boot/grub/grub.cfg": bytes(range(256)) * 20}, "GRUB"),
}


@pytest.mark.parametrize(("files", "words"), PROBLEMS.values(), ids=PROBLEMS)
def test_what_boots_nothing_is_said(files: dict[str, str | bytes], words: str) -> None:
    boot = boots(files)
    assert words in boot.problem
    assert boot.booting == ()
    assert (boot.command_line, boot.root, boot.version, boot.initramfs, boot.kernel) == ("", "", "", "", "")


def test_a_configuration_that_was_not_taken_is_not_known() -> None:
    snapshot = changed(EMPTY, files=FILES, entries={"/boot/grub/grub.cfg": Entry("f", size=5 << 20)})
    assert "the content of /boot/grub/grub.cfg was not taken" in Image(snapshot).boot.problem


def test_a_link_out_of_the_tree_is_no_configuration() -> None:
    boot = boots({}, links={"/boot/grub/grub.cfg": "../../../../etc/loop", "/etc/loop": "loop"})
    assert "no boot loader's configuration" in boot.problem


VERSIONS = ("5.14.0-70.el9", "5.14.0-427.el9", "5.14.0-9.el9")
BLS = 'set default="${saved_entry}"\nsearch --fs-uuid --set=root bbbb-boot\nblscfg\n'


def bls(version: str, options: str = "") -> str:
    head = f"title Linux {version}\nversion {version}\nlinux /vmlinuz-{version}\n"
    return f"{head}options {options or version}\ngrub_arg --unrestricted\n"


def el_boots(entries: Mapping[str, str], config: str = BLS, **block: str) -> Boot:
    environment = BLOCK + "".join(f"{name}={value}\n" for name, value in block.items())
    kernels = {f"/boot/vmlinuz-{version}": "x" for version in (*VERSIONS, "0-rescue-abc")}
    files = {f"/boot/loader/entries/{name}.conf": text for name, text in entries.items()}
    files |= {
        "/boot/grub2/grub.cfg": f"load_env\n{config}",
        "/boot/grub2/grubenv": environment,
        "/etc/os-release": "ID=almalinux\n",
    }
    return boots({**kernels, **files}, filesystems=(ROOT, BOOT))


NAMED = {f"abc-{version}.x86_64": bls(version) for version in VERSIONS} | {
    "abc-0-rescue": bls("0-rescue-abc", "rescue")
}
SAVED_BLS = {
    "the newest": ({}, "5.14.0-427.el9"),
    "the saved one": ({"saved_entry": "abc-5.14.0-9.el9.x86_64"}, "5.14.0-9.el9"),
    "the saved number": ({"saved_entry": "1"}, "5.14.0-70.el9"),
    "one that is gone": ({"saved_entry": "abc-4"}, "5.14.0-427.el9"),
    "the next one": ({"saved_entry": "2"}, "5.14.0-9.el9"),
}


@pytest.mark.parametrize(("block", "version"), SAVED_BLS.values(), ids=SAVED_BLS)
def test_boot_loader_entries_stand_in_the_order_of_their_versions(block: dict[str, str], version: str) -> None:
    boot = el_boots(NAMED, **block)
    assert (boot.problem, boot.version, boot.command_line) == ("", version, version)
    assert [it.is_rescue for it in boot.entries] == [False, False, False, True]
    assert boot.source.endswith(".conf:4")


def test_variables_in_entries_come_from_the_environment_block() -> None:
    entries = {"a-1-1": bls(VERSIONS[0], "$kernelopts $tuned_params quiet $nothing")}
    config = f"set tuned_params='isolcpus=1'\n{BLS}"
    assert el_boots(entries, config, kernelopts="root=UUID=1 ro").command_line == "root=UUID=1 ro isolcpus=1 quiet"
    fallback = 'if [ -z "${kernelopts}" ]; then\n  set kernelopts="root=x "\nfi\n'
    assert el_boots(entries, fallback + BLS).command_line == "root=x quiet"


@pytest.mark.parametrize("generation", ["V1", "V2"])
def test_entries_are_found_without_a_boot_partition(generation: str) -> None:
    """As flight itself builds Enterprise Linux: /boot lies on the root, and the entries' paths say so."""
    files = {
        "/boot/efi/EFI/redhat/grub.cfg": STUB.format("aaaa-root").replace("/grub'", "/grub2'"),
        "/boot/grub2/grub.cfg": BLS.replace("bbbb-boot", "aaaa-root").replace("--set=root", "--set=boot")
        + "set root=$boot\n",
        "/boot/loader/entries/a-1-1.conf": bls(VERSIONS[0]).replace("linux /", "linux /boot/"),
        f"/boot/vmlinuz-{VERSIONS[0]}": "x",
    }
    boot = boots(files, filesystems=(ROOT, ESP), generations=[generation])
    assert (boot.problem, boot.kernel) == ("", f"/boot/vmlinuz-{VERSIONS[0]}")


def test_an_entry_is_read_as_far_as_grub_reads_it() -> None:
    text = bls(VERSIONS[0], "a\\$b").replace("options", "\noptions")
    assert el_boots({"a-1-1": text}).command_line == ""
    twice = bls(VERSIONS[0], "a") + "options b\n"
    assert el_boots({"a-1-1": twice}).command_line == "a"


def test_an_entry_of_endless_variables_is_refused() -> None:
    entries = {"a-1-1": bls(VERSIONS[0], "$a" * 30_000)}
    assert "grow without end" in el_boots(entries, "a=xxxxxxxxxxxxxxxx\n" + BLS).problem


@pytest.mark.parametrize("release", [8, 9, 10])
@pytest.mark.parametrize("generation", ["V1", "V2"])
def test_enterprise_linux_boots_its_saved_entry(release: int, generation: str) -> None:
    boot = Image(el(release), frozenset({generation})).boot
    assert boot.problem == ""
    assert boot.root.startswith("UUID=")
    assert boot.version.endswith(f".el{release}{'_10' if release == 8 else ''}.x86_64")
    assert boot.initramfs == f"/boot/initramfs-{boot.version}.img"


def test_a_real_debian_boots() -> None:
    for generation in ("V1", "V2"):
        boot = Image(DEBIAN, frozenset({generation})).boot
        assert (boot.problem, boot.source) == ("", "/boot/grub/grub.cfg:99")
        assert boot.kernel == f"/boot/vmlinuz-{boot.version}"
        assert boot.root == "UUID=4a11b42f-1c23-5a18-9462-eaeafb2aa3f7"
        assert [it.is_rescue for it in boot.entries] == [False, False, True]


SD = {"/boot/efi/EFI/systemd/systemd-bootx64.efi": "x", "/boot/efi/loader/loader.conf": "timeout 3\n"}


def sd_entry(version: str, key: str = "") -> str:
    sort = f"sort-key {key}\n" if key else ""
    return f"title L\n{sort}version {version}\nlinux /vmlinuz-{version}\noptions a={version}\noptions b\n"


def sd_boots(entries: Mapping[str, str], **files: str) -> Boot:
    kernels = {f"/boot/efi/vmlinuz-{version}": "x" for version in ("6.9", "6.10", "7.0")}
    named = {f"/boot/efi/loader/entries/{name}.conf": text for name, text in entries.items()}
    return boots({**SD, **kernels, **named, **files}, filesystems=(ROOT, ESP))


def test_systemd_boot_takes_the_newest_or_what_it_is_told() -> None:
    entries = {"a-6.9": sd_entry("6.9"), "a-6.10": sd_entry("6.10")}
    assert sd_boots(entries).command_line == "a=6.10 b"
    assert sd_boots(entries, **{"/boot/efi/loader/loader.conf": "default *-6.9.conf\n"}).command_line == "a=6.9 b"
    assert sd_boots(entries, **{"/boot/efi/loader/loader.conf": "default @saved\n"}).command_line == "a=6.10 b"
    assert sd_boots({**entries, "b": sd_entry("6.9", "key")}).command_line == "a=6.9 b"
    assert "finds no entry" in sd_boots({}).problem


def test_a_unified_kernel_image_is_not_read() -> None:
    unified = {"/boot/efi/EFI/Linux/arch.efi": "MZ"}
    assert "arch.efi is a unified kernel image" in sd_boots({"a": sd_entry("6.9")}, **unified).problem
    pinned = {**unified, "/boot/efi/loader/loader.conf": "default a.conf\n"}
    assert sd_boots({"a": sd_entry("6.9")}, **pinned).problem == ""
    assert "arch.efi is a unified kernel image" in boots(unified, filesystems=(ROOT, ESP)).problem
