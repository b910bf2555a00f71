"""Kickstarts through pykickstart, as a program: what is refused and where, and what the shipped recipes ask for."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from flight.workflows import kickstart
from flight.workflows import recipe as recipes
from flight.workflows.kickstart import syntax
from flight.workflows.kickstart.plan import InstallPlan, Network, Partition, Where
from flight.workflows.kit.errors import ProgramError, RecipeError
from flight.workflows.kit.run import run

SHIPPED = Path(__file__).parents[2] / "kickstarts"
MIRROR = "http://mirror.example/debian"
GOOD = """
url --url=http://mirror.example/debian
lang C.UTF-8
keyboard --xlayouts=us
timezone Etc/UTC --utc
network --bootproto=dhcp --device=eth0
rootpw --lock
part / --fstype=ext4 --size=2048 --grow
%packages
linux-image-cloud-amd64
%end
"""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHk3rW0fAcxYVT3s4dDqh2kZm0mpFhyT2cQAuW7x1l0N"


def read(
    folder: Path, text: str, *, head: str = 'release = "trixie"\n', cache: Path | None = None
) -> tuple[str, InstallPlan]:
    """The plan of a recipe `r` with this kickstart."""
    (folder / "r.toml").write_text(head)
    (folder / "r.ks.j2").write_text(text)
    return kickstart.read("r", version="1.0.0", mirror=MIRROR, folders=[folder], cache=cache)


def faults_of(folder: Path, text: str, *, head: str = 'release = "trixie"\n') -> list[str]:
    """Each fault, with the file's name for its path."""
    with pytest.raises(RecipeError) as caught:
        read(folder, text, head=head)
    return [line.strip().replace(f"{folder}/", "") for line in caught.value.why.splitlines()]


def test_an_empty_kickstart_is_named(tmp_path: Path) -> None:
    assert faults_of(tmp_path, "")[0].startswith("r.ks.j2: no url: where do the packages come from?")


def test_a_good_kickstart_becomes_a_plan(tmp_path: Path) -> None:
    text, plan = read(tmp_path, GOOD)
    assert text == GOOD
    assert plan.mirror == MIRROR
    assert plan.packages.names == ("linux-image-cloud-amd64",)
    assert plan.packages.recommends
    assert plan.partitions[0].where == Where(str(tmp_path / "r.ks.j2"), 8)


SYNTAX = {
    "unknown command": ("nosuch --x", "Unknown command: nosuch"),
    "misspelt command": ("tmiezone Etc/UTC", "Unknown command: tmiezone in 'tmiezone Etc/UTC' (did you mean timezone"),
    "command that was": ("langsupport de", "in 'langsupport de' (leave it out: this version knows it no more)"),
    "command that has gone": ("install", "install has been removed (leave it out)"),
    "word too many": ("skipx yes", "arguments: yes in 'skipx yes' (take it out; a value with spaces stands in quotes)"),
    "empty word": ('skipx ""', "unrecognized arguments: in 'skipx '"),
    "misspelt option": ("reboot --ejct", "unrecognized arguments: --ejct in 'reboot --ejct' (did you mean --eject?)"),
    "unknown option": ("timezone Etc/UTC --nosuch", "unrecognized arguments: --nosuch"),
    "bad number": ("part /data --size=lots", "invalid int value"),
    "open quote": ('user --name="jo', "No closing quotation"),
    "unknown section": ("%nosuch\nx\n%end", "Unknown kickstart section: %nosuch"),
    "end without a section": ("%end", "%end without a section"),
    "no end": ("%post\necho", "%post has no %end"),
    "no end before the next": ("%post\necho\n%pre\n%end", "%post has no %end"),
    "bad header": ("%post --nosuch\n%end", "unrecognized arguments: --nosuch in '%post --nosuch' (take it out)"),
    "include": ("%include /etc/hostname", "%include is not followed"),
    "include of a url": ("%include http://127.0.0.1:9/x.ks", "%include is not followed"),
    "ksappend": ("%ksappend http://127.0.0.1:9/x.ks", "%ksappend is not followed"),
}
SEMANTICS = {
    "timezone": ("timezone Mars/Olympus", "there is no timezone 'Mars/Olympus'"),
    "keyboard": ("keyboard --xlayouts=xx", "there is no keyboard layout 'xx'"),
    "keymap": ("keyboard --vckeymap=qq-nodeadkeys", "there is no keyboard layout 'qq-nodeadkeys'"),
    "language": ("lang german", "'german' is not a locale in UTF-8"),
    "no size": ("part /data --fstype=ext4", "'/data' has no --size"),
    "negative size": ("part /data --fstype=ext4 --size=-5", "'/data' has --size=-5"),
    "too large": ("part /data --fstype=ext4 --size=40000", "the disk has 32 GiB"),
    "two grow": ("part /data --size=1 --grow", "two partitions grow"),
    "mounted twice": ("part / --size=1", "'/' is given twice"),
    "no mount point": ("part data --size=1", "'data' is no place to mount at"),
    "mount point with a space": ('part "/a b" --size=1', "'/a b' is no place to mount at"),
    "mount point with a control": ('part "/a\x07b" --size=1', "a control character stands in '/a\\x07b'"),
    "volatile": ("part /run/x --size=1", "'/run/x' is made anew at every boot"),
    "processes": ("part /proc --size=1", "'/proc' is made anew at every boot"),
    "on the root": ("part /etc --size=1", "'/etc' cannot be a filesystem of its own"),
    "options with a space": ('part /data --size=1 --fsoptions="ro 0 0"', "--fsoptions='ro 0 0' holds a space"),
    "host": ('network --bootproto=dhcp --hostname="a/b;c"', "--hostname=a/b;c is no host's name"),
    "device": ("network --bootproto=dhcp --device=../../x", "--device=../../x is no interface's name"),
    "url broken": ("repo --name=x --baseurl=http://[", "'http://[' is not a URL"),
    "filesystem": ("part /data --fstype=zfs --size=1", "there is no filesystem 'zfs'"),
    "below its size": ("part /data --size=5 --maxsize=4", "has --maxsize below --size"),
    "url": ("repo --name=x --baseurl=notaurl", "'notaurl' is not a URL"),
    "credentials": ("repo --name=x --baseurl=http://me:pw@x.example", "repo holds credentials"),
    "address": ("network --device=eth0 --bootproto=static --ip=1.2.3", "--ip=1.2.3 is not an IP address"),
    "nameserver": ("network --nameserver=1.1.1.1,x", "--nameserver=x is not an IP address"),
    "hardware address": ("network --device=00:11:22:33:44:55", "named by its hardware address"),
    "both": ("services --enabled=a,b --disabled=b", "service b is both enabled and disabled"),
    "no unit": ('services --enabled="a b"', "'a b' is not the name of a unit"),
    "user name": ("user --name=Jo", "'Jo' is not a user's name"),
    "user twice": ("user --name=jo\nuser --name=jo", "user jo is made twice"),
    "key of nobody": (f'sshkey --username=jo "{KEY}"', "sshkey for 'jo', whom no line makes"),
    "no key": ('user --name=jo\nsshkey --username=jo "x"', "this is not a public key"),
    "interpreter": (
        "%post --interpreter=/usr/bin/ruby\nputs 1\n%end",
        "no package of this kickstart brings /usr/bin/ruby",
    ),
    "interpreter not absolute": ("%post --interpreter=bash\ntrue\n%end", "no package of this kickstart brings bash"),
    "package name": ("%packages\nFoo_bar\n%end", "'Foo_bar' is not a package's name"),
    "package negated": ("%packages\n!foo\n%end", "'!foo' is not a package's name"),
    "package wildcard": ("%packages\nlinux-*\n%end", "'linux-*' is not a package's name"),
    "package sign": ("%packages\n-\n%end", "a sign without a name"),
    "package twice": ("%packages\nfoo\n-foo\n%end", "package foo is given twice"),
    "again": ("timezone Etc/UTC", "timezone is given again, after"),
}
HONOUR = {
    "lvm": ("volgroup vg pv.1", "volgroup cannot be honoured (Azure advises against LVM"),
    "physical volume": ("part pv.1 --size=1", "the plan knows plain partitions only"),
    "raid": ("raid /x --device=md0 --level=1 raid.1 raid.2", "raid cannot be honoured"),
    "autopart": ("autopart", "The autopart and partition commands can't be used at the same time"),
    "swap": ("part swap --fstype=swap --size=1024", "Azure refuses swap on the OS disk"),
    "encrypted": ("part /data --size=1 --encrypted --passphrase=pw", "part: --encrypted cannot be honoured"),
    "group": ("%packages\n@development\n%end", "Debian has no package group 'development'"),
    "environment": ("%packages\n@^server\n%end", "Debian has no package group 'server'"),
    "missing ignored": ("%packages --ignoremissing\nfoo\n%end", "%packages --ignoremissing cannot be honoured"),
    "languages": ("%packages --inst-langs=en\nfoo\n%end", "%packages --inst-langs cannot be honoured"),
    "static": ("network --bootproto=static --ip=10.0.0.2 --netmask=255.0.0.0", "Azure gives addresses by DHCP alone"),
    "gateway": ("network --gateway=10.0.0.1", "network: --gateway cannot be honoured"),
    "any interface": ("network --device=bootif", "--device=bootif names no interface"),
    "two interfaces": ("network --device=eth1", "the plan has one interface"),
    "down": ("network --onboot=no", "never reached"),
    "root password": ("rootpw --plaintext hunter2", "a password in a kickstart is a secret"),
    "root hash": ("rootpw --iscrypted $6$hunter2", "write rootpw --lock"),
    "user password": (
        "user --name=jo --password=hunter2",
        'is a secret in a file, an artefact and a log (leave --password out, and add: sshkey --username=jo "ssh-ed25519 …")',
    ),
    "boot password": ("bootloader --password=hunter2", "bootloader: a password in a kickstart is a secret"),
    "no boot loader": ("bootloader --location=none", "without a boot loader the disk does not boot"),
    "firewall": ("firewall --enabled", "Debian has no firewall of its own"),
    "selinux": ("selinux --enforcing", "Debian is not set up for SELinux"),
    "unverified": ("repo --name=x --baseurl=http://x.example --noverifyssl", "repo: --noverifyssl cannot be honoured"),
    "other method": ("cdrom", "cdrom cannot be honoured (name a package source: url --url={{ mirror }})"),
    "mirrors of a repo": (
        "repo --name=x --mirrorlist=http://x.example",
        "repo: --mirrorlist cannot be honoured (name one mirror: --baseurl=http://…)",
    ),
    "metalink of a repo": ("repo --name=x --metalink=http://x.example", "(name one mirror: --baseurl=http://…)"),
    "mirrors": ("url --mirrorlist=http://x.example", "(name one mirror: --url={{ mirror }})"),
    "addon": ("%addon com_example\nx\n%end", "%addon cannot be honoured"),
}
ROWS = {**SYNTAX, **SEMANTICS, **HONOUR}


@pytest.mark.parametrize(("lines", "said"), ROWS.values(), ids=ROWS.keys())
def test_a_fault_is_told_with_its_line(tmp_path: Path, lines: str, said: str) -> None:
    faults = faults_of(tmp_path, f"{GOOD}{lines}\n")
    first = GOOD.count("\n") + 1
    places = {int(found[1]) for fault in faults if said in fault and (found := re.match(r"r\.ks\.j2:(\d+): ", fault))}
    assert places and all(first <= place <= first + lines.count("\n") for place in places), "\n".join(faults)


@pytest.mark.parametrize(
    ("without", "said"),
    [
        ("url --url=http://mirror.example/debian\n", "no url"),
        ("part / --fstype=ext4 --size=2048 --grow\n", "mounted at /"),
    ],
    ids=["url", "root"],
)
def test_what_is_missing_is_told(tmp_path: Path, without: str, said: str) -> None:
    text = GOOD.replace(without, "part /data --size=1\n" if "part" in without else "")
    (fault,) = faults_of(tmp_path, text)
    assert said in fault


def test_every_fault_is_told_at_once_through_includes_loops_and_macros(tmp_path: Path) -> None:
    (tmp_path / "partials").mkdir()
    (tmp_path / "partials" / "m.j2").write_text("{% macro user(n) %}\n\nuser --name={{ n }}\n{% endmacro %}")
    (tmp_path / "partials" / "p.j2").write_text('# a partial\n\nservices --enabled="a\nnosuch\n')
    text = (
        '{% from "partials/m.j2" import user %}\n'
        + GOOD.lstrip()
        + '{% include "partials/p.j2" %}\n'
        + "{% for name in ['a', 'Jo'] %}\n"
        + "part /{{ name }} --fstype=ext4\n"
        + "{% endfor %}\n"
        + "{{ user('Root') }}\n"
        + "%badsection\n%end\n%include x\n"
        + "%post --bad\n%end\n%packages\n@group\n-\n%end\nvolgroup vg pv.1\n%post\nno end\n"
    )
    faults = faults_of(tmp_path, text)
    last = GOOD.count("\n")
    assert [re.sub(r": .*", "", fault) for fault in faults] == [
        "partials/m.j2:3",
        "partials/p.j2:3",
        "partials/p.j2:4",
        f"r.ks.j2:{last + 3}",
        f"r.ks.j2:{last + 3}",
        f"r.ks.j2:{last + 6}",
        f"r.ks.j2:{last + 8}",
        f"r.ks.j2:{last + 9}",
        f"r.ks.j2:{last + 12}",
        f"r.ks.j2:{last + 13}",
        f"r.ks.j2:{last + 15}",
        f"r.ks.j2:{last + 16}",
    ], "\n".join(faults)


def test_an_unknown_syntax_is_a_fault_of_the_recipe(tmp_path: Path) -> None:
    head = 'release = "trixie"\nsyntax = "RHEL99"\n'
    (fault,) = [fault for fault in faults_of(tmp_path, GOOD, head=head) if "RHEL99" in fault]
    assert fault.startswith("r.toml:2: ")


def test_an_older_syntax_knows_fewer_commands(tmp_path: Path) -> None:
    text = f'{GOOD}user --name=jo\nsshkey --username=jo "{KEY}"\n'
    assert read(tmp_path, text)[1].keys[0].user == "jo"
    faults = faults_of(tmp_path, text, head='release = "trixie"\nsyntax = "RHEL7"\n')
    (fault,) = [fault for fault in faults if "Unknown command: sshkey" in fault]
    assert fault.endswith("(a newer version knows it: raise syntax in the recipe)")


def test_more_than_a_byte_s_worth_of_faults_are_all_told(tmp_path: Path) -> None:
    assert len(faults_of(tmp_path, GOOD + "nosuch\n" * 256)) == 256


def test_a_script_is_taken_as_it_stands(tmp_path: Path) -> None:
    script = 'set -eu\n\n# a comment\ncat > /x <<END\n%not a section\n  "open quote\nEND\n'
    _, plan = read(
        tmp_path,
        f"{GOOD}%post --interpreter=/bin/bash --log=/root/x.log --erroronfail\n{script}%end\n%pre\ntrue\n%end\n",
    )
    post, pre = plan.scripts
    assert (post.kind, post.text, post.interpreter, post.log) == ("post", script, "/bin/bash", "/root/x.log")
    assert post.in_chroot and post.error_on_fail
    assert (pre.kind, pre.in_chroot, pre.where.line) == ("pre", False, post.where.line + script.count("\n") + 2)


def test_an_interpreter_that_a_package_brings_will_do(tmp_path: Path) -> None:
    text = GOOD.replace("%packages\n", "%packages\npython3\n")
    _, plan = read(tmp_path, f"{text}%post --interpreter=/usr/bin/python3\npass\n%end\n")
    assert plan.scripts[0].interpreter == "/usr/bin/python3"


def test_no_secret_reaches_the_answer_or_the_cache(tmp_path: Path) -> None:
    text = f"{GOOD}rootpw --plaintext hunter2\nuser --name=jo --password=hunter2\nbootloader --password=hunter2\n"
    (tmp_path / "r.ks").write_text(text)
    recipe = recipes.Recipe("r", tmp_path / "r.toml", "trixie", kickstart="r.ks")
    rendered = kickstart.render_recipe(recipe, version="1", mirrors=kickstart.mirrors_for(recipe, MIRROR), folders=[])
    _, findings = kickstart.examine(rendered, tmp_path / "cache")
    assert sum("is a secret" in str(finding) for finding in findings) == 3
    (kept,) = (tmp_path / "cache").iterdir()
    assert "hunter2" not in kept.read_text() + "".join(map(str, findings))


SLIPS = {
    "option": "user --name=jo --pasword=hunter2",
    "word": "user --name=jo --password x hunter2",
    "root": "rootpw --plaintext hunter2 hunter2",
    "quote": 'rootpw "hunter2',
    "boot": "bootloader --password hunter2 --nosuch",
    "disk": "part /x --size=lots --passphrase=hunter2",
    "login": "repo --name=x --baseurl=http://me:hunter2@x.example --nosuch",
    "login in the words": "url --nosuch=http://me:hunter2@x.example",
}


@pytest.mark.parametrize("line", SLIPS.values(), ids=SLIPS)
def test_no_secret_is_repeated_with_a_line_that_cannot_be_read(tmp_path: Path, line: str) -> None:
    faults = faults_of(tmp_path, f"{GOOD}{line}\n")
    assert len(faults) == 1 and line.split()[0] in faults[0]
    assert "hunter2" not in faults[0]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("cdrom", "name a package source: url --url=http://…"),
        ("url --metalink=http://x.example", "name one mirror: --url=http://…"),
        ("", "add url --url=http://…"),
    ],
    ids=["method", "option", "missing"],
)
def test_a_plain_kickstart_is_not_told_to_write_jinja(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "r.toml").write_text('release = "trixie"\n')
    (tmp_path / "r.ks").write_text(GOOD.replace("url --url=http://mirror.example/debian", line))
    with pytest.raises(RecipeError) as caught:
        kickstart.read("r", version="1.0.0", mirror=MIRROR, folders=[tmp_path], cache=None)
    assert said in caught.value.why
    assert "{{" not in caught.value.why


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each question that is really put to pykickstart."""
    questions: list[str] = []

    def counting(argv: Any, **options: Any) -> Any:
        questions.append(json.loads(options["stdin"])["version"])
        return run(argv, **options)

    monkeypatch.setattr(syntax, "run", counting)
    return questions


def test_the_same_question_is_asked_once(tmp_path: Path, asked: list[str]) -> None:
    cache = tmp_path / "cache"
    first = read(tmp_path, GOOD, cache=cache)
    assert read(tmp_path, GOOD, cache=cache) == first
    assert asked == ["RHEL9"]
    read(tmp_path, GOOD, head='release = "trixie"\nsyntax = "RHEL10"\n', cache=cache)
    read(tmp_path, GOOD + "# more\n", cache=cache)
    assert asked == ["RHEL9", "RHEL10", "RHEL9"]


@pytest.mark.parametrize("left", ["", '{"faults": [', "{}"], ids=["empty", "cut off", "another"])
def test_a_broken_answer_in_the_cache_is_asked_anew(tmp_path: Path, asked: list[str], left: str) -> None:
    cache = tmp_path / "cache"
    first = read(tmp_path, GOOD, cache=cache)
    (kept,) = cache.iterdir()
    kept.write_text(left)
    assert read(tmp_path, GOOD, cache=cache) == first
    assert len(asked) == 2


def test_a_reader_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('no pykickstart here')\n")
    monkeypatch.setattr(syntax, "READER", broken)
    with pytest.raises(ProgramError, match="could not read the kickstart"):
        read(tmp_path, GOOD)


def test_flight_itself_never_imports_pykickstart(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from flight.workflows import kickstart; "
        f"kickstart.read('r', version='1', mirror='{MIRROR}', folders=[pathlib.Path('{tmp_path}')], cache=None); "
        "assert not [name for name in sys.modules if name.startswith('pykickstart')]"
    )
    read(tmp_path, GOOD)
    run([sys.executable, "-c", program], why="read a kickstart in a fresh process")


@pytest.fixture(params=recipes.names([SHIPPED]))
def shipped(request: pytest.FixtureRequest) -> tuple[str, InstallPlan]:
    """Text and plan of each recipe that the project ships."""
    return kickstart.read(request.param, version="1.0.0", mirror=MIRROR, folders=[SHIPPED], cache=None)


@pytest.fixture(params=[name for name in recipes.names([SHIPPED]) if "debian" in name])
def debian(request: pytest.FixtureRequest) -> InstallPlan:
    """The plan of each Debian recipe that the project ships."""
    return kickstart.read(request.param, version="1.0.0", mirror=MIRROR, folders=[SHIPPED], cache=None)[1]


@pytest.fixture
def enterprise() -> InstallPlan:
    """The plan of the Enterprise Linux recipe that the project ships."""
    return kickstart.read("flight-compute-el9", version="1.0.0", mirror=MIRROR, folders=[SHIPPED], cache=None)[1]


def test_an_independent_reader_finds_no_fault_in_what_is_shipped(
    shipped: tuple[str, InstallPlan], tmp_path: Path
) -> None:
    (tmp_path / "x.ks").write_text(shipped[0])
    validator = Path(sys.executable).parent / "ksvalidator"
    run([validator, "-v", "RHEL9", tmp_path / "x.ks"], why="validate a kickstart", env={"TMPDIR": str(tmp_path)})


def test_the_shipped_disk_boots_both_ways_and_holds_no_swap(shipped: tuple[str, InstallPlan]) -> None:
    plan = shipped[1]
    assert [(part.mount, part.fstype, part.grow) for part in plan.partitions] == [
        ("biosboot", "biosboot", False),
        ("/boot/efi", "vfat", False),
        ("/", "ext4", True),
    ]
    assert isinstance(plan.partitions[0], Partition)
    assert plan.disk_gib == 32


def test_the_shipped_kernel_arguments_are_azure_s(shipped: tuple[str, InstallPlan]) -> None:
    arguments, is_el = shipped[1].bootloader.append, shipped[1].family == "el"
    assert {"earlyprintk=ttyS0,115200", "net.ifnames=0", "nvme_core.io_timeout=240"} <= set(arguments)
    assert [each for each in arguments if each.startswith("console=")][-1] == "console=ttyS0,115200n8"
    assert ("rootdelay=300" in arguments) == is_el  # initramfs-tools would sleep through it at every boot
    assert not [each for each in arguments if each.startswith(("quiet", "rhgb"))]


def test_the_shipped_network_is_dhcp_on_eth0(shipped: tuple[str, InstallPlan]) -> None:
    network = shipped[1].network
    assert network == Network("eth0", "dhcp", hostname="localhost", where=network.where)


def test_the_shipped_images_hold_nobody_s_account(shipped: tuple[str, InstallPlan]) -> None:
    plan = shipped[1]
    assert plan.root_locked and not plan.users and not plan.keys and not plan.post_network


def test_the_enterprise_linux_is_signed_labelled_and_from_its_own_mirror(enterprise: InstallPlan) -> None:
    assert enterprise.selinux == "enforcing"
    assert enterprise.packages.groups == ("core",)
    assert enterprise.mirror.endswith("/9/BaseOS/x86_64/os/") and MIRROR not in enterprise.mirror
    listed = run(["gpg", "--show-keys", "--with-colons", enterprise.mirror_key], why="look at the shipped key").out
    assert "fpr:::::::::BF18AC2876178908D6E71267D36CB86CB86B3716:" in listed
    assert all(each.key == enterprise.mirror_key for each in enterprise.repositories)


def test_the_enterprise_linux_provisions_computes_and_has_no_rescue_kernel(enterprise: InstallPlan) -> None:
    wanted = {
        *("kernel", "grub2-pc", "grub2-efi-x64", "shim-x64", "cloud-init", "WALinuxAgent", "hyperv-daemons", "chrony"),
        *("gcc", "gcc-c++", "gcc-gfortran", "make", "environment-modules", "nfs-utils", "selinux-policy-targeted"),
    }
    assert wanted <= {*enterprise.packages.names}
    assert {"dracut-config-rescue", "*-firmware"} <= {*enterprise.packages.excluded}
    assert not enterprise.packages.recommends


def test_the_shipped_packages_provision_and_compute(debian: InstallPlan) -> None:
    plan = debian
    dhcp = "isc-dhcp-client" if plan.release == "bookworm" else "dhcpcd-base"
    wanted = {
        *("linux-image-cloud-amd64", "grub-cloud-amd64", "cloud-init", "waagent", "hyperv-daemons", "chrony", dhcp),
        *("openssh-server", "gdisk", "cloud-guest-utils", "e2fsprogs", "locales", "debian-archive-keyring"),
        *("gcc", "g++", "gfortran", "make", "environment-modules", "nfs-common", "slurmd", "slurm-client", "munge"),
    }
    assert wanted <= set(plan.packages.names)
    assert not plan.packages.recommends


def test_the_shipped_sources_are_azure_s_mirrors(debian: InstallPlan) -> None:
    plan = debian
    assert {repository.suite for repository in plan.repositories} == {
        f"{plan.release}-updates",
        f"{plan.release}-security",
    }
    assert all(" http://debian-archive.trafficmanager.net/debian" in line for line in plan.image_sources)
    assert len(plan.image_sources) == 3


def test_the_shipped_scripts_are_shell_and_stop_at_an_error(shipped: tuple[str, InstallPlan], tmp_path: Path) -> None:
    for script in shipped[1].scripts:
        assert script.error_on_fail and script.in_chroot
        assert script.text.startswith("set -eu\n")
        (tmp_path / "script").write_text(script.text)
        run([script.interpreter, "-n", tmp_path / "script"], why="read a script")
