from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from flight.workflows import recipe as recipes
from flight.workflows.install.el.sources import RELEASES
from flight.workflows.kit.errors import RecipeError
from flight.workflows.recipe import Azure, Disk, Repository, Sources, VendorFile
from flight.workflows.recipe.reading import AZURES_DEBIAN
from flight.workflows.recipe.values import EL_RELEASES

SHIPPED = Path(__file__).parents[2] / "kickstarts"
KEY = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQGN\n-----END PGP PUBLIC KEY BLOCK-----\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recipe folder in which `ours` has a kickstart, a file to ship and a key."""
    (tmp_path / "ours.ks.j2").write_text("text\n")
    (tmp_path / "motd").write_text("welcome\n")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "vendor.asc").write_bytes(KEY)
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "ours.toml"
    path.write_text(text)
    return path


def test_the_smallest_recipe_names_a_release(folder: Path) -> None:
    written(folder, 'release = "trixie"\n')
    recipe = recipes.load("ours", [folder])
    assert (recipe.name, recipe.family, recipe.release, recipe.kickstart) == ("ours", "debian", "trixie", "ours.ks.j2")
    azures = Sources(f"{AZURES_DEBIAN}/debian", f"{AZURES_DEBIAN}/debian-security")
    assert (recipe.disk, recipe.azure, recipe.sources) == (Disk(32), Azure("V2"), azures)
    assert not recipe.post_network


def test_a_recipe_says_it_all(folder: Path) -> None:
    written(
        folder,
        """
title = "Ours"
description = '''
release = "not a key, but text"
'''
release = "bookworm"
post_network = true

[disk]
size_gib = 64

[azure]
generation = "V1"

[sources]
archive = "https://mirror.example/debian"
components = ["main", "contrib"]

[variables]
packages = ["a", "b"]

[[files]]
source = "motd"
to = "/etc/motd"
mode = "0600"

[[repositories]]
name = "vendor"
url = "https://packages.example/debian"
suite = "bookworm"
key = "keys/vendor.asc"
user_from = "VENDOR_USER"
password_from = "VENDOR_PASSWORD"
stays = true
""",
    )
    recipe = recipes.load("ours", [folder])
    assert recipe.disk.size_gib == 64
    assert recipe.azure.generation == "V1"
    assert recipe.sources.archive == "https://mirror.example/debian"
    assert recipe.sources.security == f"{AZURES_DEBIAN}/debian-security"
    assert recipe.sources.components == ("main", "contrib")
    assert recipe.variables == {"packages": ["a", "b"]}
    assert recipe.where("release").line == 6
    motd = VendorFile(str(folder / "motd"), "/etc/motd", hashlib.sha256(b"welcome\n").hexdigest(), mode="0600")
    assert recipe.files == (motd,)
    (vendor,) = recipe.repositories
    assert vendor == Repository(
        "vendor",
        "https://packages.example/debian",
        suite="bookworm",
        components=("main",),
        key=str(folder / "keys" / "vendor.asc"),
        key_sha256=hashlib.sha256(KEY).hexdigest(),
        user_from="VENDOR_USER",
        password_from="VENDOR_PASSWORD",
        stays=True,
        where=recipe.where("repositories", 0),
    )
    assert vendor.where.line == 27


def test_a_plain_kickstart_will_do(folder: Path) -> None:
    (folder / "ours.ks.j2").rename(folder / "ours.ks")
    written(folder, 'release = "trixie"\n')
    assert recipes.load("ours", [folder]).kickstart == "ours.ks"


FILE = 'release = "trixie"\n[[files]]\nsource = "motd"\nto = "/etc/motd"\n'
EL = 'family = "el"\nrelease = "9"\n'
URL = 'url = "https://v.example"\nkey = "keys/vendor.asc"\n'
REPOSITORY = """release = "trixie"
[[repositories]]
name = "vendor"
url = "https://v.example"
suite = "x"
key = "keys/vendor.asc"
"""
FAULTS = {
    "release missing": ('title = "x"\n', 0, "'release' is missing"),
    "not toml": ('release = "trixie"\ntitle = \n', 2, "not TOML"),
    "unknown key": ('release = "trixie"\ntitel = "x"\n', 2, "unknown key 'titel' (did you mean 'title'?)"),
    "unknown table": ('release = "trixie"\n[dsik]\nsize_gib = 3\n', 2, "did you mean 'disk'?"),
    "unknown key in a table": ('release = "trixie"\n[disk]\nsize = 3\n', 3, "unknown key 'size'"),
    "not text": ("release = 13\n", 1, "release = 13 is not text in quotes"),
    "not a bool": ('release = "trixie"\npost_network = "yes"\n', 2, "give true or false"),
    "a bool is no number": ('release = "trixie"\n[disk]\nsize_gib = true\n', 3, "give a whole number"),
    "not a table": ('release = "trixie"\ndisk = 3\n', 2, "give a table"),
    "not a list": ('release = "trixie"\n[sources]\ncomponents = "main"\n', 3, "give a list"),
    "not a list of texts": ('release = "trixie"\n[sources]\ncomponents = [1]\n', 3, "a list of texts"),
    "gallery version": ('release = "trixie"\n[gallery]\nversion = "1.0"\n', 3, "three whole numbers with dots between"),
    "gallery number": ('release = "trixie"\n[gallery]\nversion = "1.0.2147483648"\n', 3, "has a number too large"),
    "no such day": ('release = "trixie"\n[gallery]\nend_of_life = "2027-02-30"\n', 3, "there is no such day"),
    "not a day": ('release = "trixie"\n[gallery]\nend_of_life = "soon"\n', 3, "it takes a date, like 2031-12-31"),
    "a day as toml has it": ('release = "trixie"\n[gallery]\nend_of_life = 2031-12-31\n', 3, "not text in quotes"),
    "region twice": (
        'release = "trixie"\n[gallery]\nregions = ["westeurope", "West Europe"]\n',
        3,
        "the region 'westeurope' is given twice",
    ),
    "not a region": ('release = "trixie"\n[gallery]\nregions = ["west-europe"]\n', 3, "names of regions"),
    "no replicas": ('release = "trixie"\n[gallery]\nreplicas = 0\n', 3, "it takes 1 to 100"),
    "storage": ('release = "trixie"\n[gallery]\nstorage = "tape"\n', 3, "it takes one of Standard_LRS"),
    "offer": ('release = "trixie"\n[gallery]\noffer = "linux."\n', 3, "no dot at its end"),
    "definition": ('release = "trixie"\n[gallery]\ndefinition = "-x"\n', 3, "a letter or digit at both ends"),
    "security not claimed": (
        'release = "trixie"\n[gallery]\nsecurity_type = "TrustedLaunchSupported"\n',
        3,
        "says what is not claimed (add trusted-launch to [certify] claims",
    ),
    "security of generation 1": (
        'release = "trixie"\n[azure]\ngeneration = "V1"\n[gallery]\nsecurity_type = "ConfidentialVMSupported"\n',
        5,
        "is for generation V2 only",
    ),
    "disk too small": ('release = "trixie"\n[disk]\nsize_gib = 0\n', 3, "it takes 1 to 1023"),
    "disk too large": ('release = "trixie"\n[disk]\nsize_gib = 1024\n', 3, "it takes 1 to 1023"),
    "family": ('release = "trixie"\nfamily = "arch"\n', 2, "it takes one of debian, el"),
    "generation": ('release = "trixie"\n[azure]\ngeneration = "V3"\n', 3, "it takes one of V1, V2"),
    "syntax": ('release = "trixie"\nsyntax = "EL9"\n', 2, "syntax = 'EL9' is refused"),
    "kickstart not there": ('release = "trixie"\nkickstart = "no.ks"\n', 2, "no kickstart no.ks beside the recipe"),
    "kickstart above": ('release = "trixie"\nkickstart = "../ours.ks.j2"\n', 2, "no kickstart"),
    "reserved variable": ('release = "trixie"\n[variables]\nmirror = "x"\n', 3, "'mirror' is given to every template"),
    "unnameable variable": ('release = "trixie"\n[variables]\na-b = 1\n', 3, "cannot name 'a-b'"),
    "variables no table": ('release = "trixie"\nvariables = 3\n', 2, "variables is not a table"),
    "sources no url": ('release = "trixie"\n[sources]\narchive = "mirror"\n', 3, "archive = 'mirror' is not a URL"),
    "sources with a key of Debian's": (
        'release = "trixie"\n[sources]\nkey = "keys/vendor.asc"\n', 3, "Debian's key comes in a package of this host"
    ),
    "sources nowhere": (
        'release = "9"\nfamily = "el"\n[sources]\nkey = "keys/vendor.asc"\n', 3, "'archive' is missing"
    ),
    "file above": (FILE.replace('"motd"', '"../motd"'), 3, "lies outside the recipe's folder"),
    "file elsewhere": (FILE.replace('"motd"', '"/etc/hostname"'), 3, "lies outside the recipe's folder"),
    "file not there": (FILE.replace('"motd"', '"mott"'), 3, "there is no such file"),
    "file a folder": (FILE.replace('"motd"', '"keys"'), 3, "there is no such file"),
    "file behind a link": (FILE.replace('"motd"', '"out"'), 3, "lies outside the recipe's folder"),
    "file to nowhere": (FILE.replace("/etc/motd", "etc/motd"), 4, "to = 'etc/motd' is refused"),
    "file to above": (FILE.replace("/etc/motd", "/etc/../motd"), 4, "is not the path of a file"),
    "file to a folder": (FILE.replace("/etc/motd", "/etc/"), 4, "is not the path of a file"),
    "file hidden": (FILE.replace("/etc/motd", "/run/motd"), 4, "would be hidden in the running system"),
    "file mode": (FILE + 'mode = "644x"\n', 5, "mode = '644x' is refused"),
    "file without a target": ('release = "trixie"\n[[files]]\nsource = "motd"\n', 2, "'to' is missing"),
    "file twice": (FILE + '[[files]]\nsource = "motd"\nto = "/etc/motd"\n', 7, "given twice"),
    "file with a null": (FILE.replace('"motd"', r'"mo\u0000td"'), 3, "a control character"),
    "file to a null": (FILE.replace("/etc/motd", r"/etc/mo\u0000td"), 4, "a control character"),
    "kickstart elsewhere": ('release = "trixie"\nkickstart = "/etc/hostname"\n', 2, "no kickstart /etc/hostname"),
    "line break": ('release = "trixie"\ntitle = "a\\nb"\n', 2, "a control character or a line break"),
    "sources broken": ('release = "trixie"\n[sources]\narchive = "http://["\n', 3, "is not a URL"),
    "sources with a line break": (
        'release = "trixie"\n[sources]\narchive = "http://x\\ndeb evil"\n', 3, "a line break stands in it"
    ),
    "sources with a space": ('release = "trixie"\n[sources]\narchive = "http://x y"\n', 3, "is not a URL"),
    "component with a line break": (
        'release = "trixie"\n[sources]\ncomponents = ["a", "main\\nx"]\n', 3, "a line break stands in it"
    ),
    "component with a space": ('release = "trixie"\n[sources]\ncomponents = ["a b"]\n', 3, "components = 'a b'"),
    "suite with a space": (REPOSITORY.replace('"x"', '"x main"'), 5, "suite = 'x main' is refused"),
    "variable with a null": (
        'release = "trixie"\n[variables]\na = [{b = "\\u0000"}]\n', 3, "a control character stands in 'a'"
    ),
    "nested too deep": (f"x = {'[' * 5000}\n", 0, "nested too deep"),
    "number too long": (f"x = {'9' * 5000}\n", 0, "a number too long"),
    "repository unsigned": (REPOSITORY.replace('key = "keys/vendor.asc"\n', ""), 2, "only under a signature"),
    "repository key not there": (REPOSITORY.replace("vendor.asc", "x.asc"), 6, "there is no such file"),
    "repository key no key": (REPOSITORY.replace("keys/vendor.asc", "motd"), 6, "is not an OpenPGP public key"),
    "repository without suite": (REPOSITORY.replace('suite = "x"\n', ""), 2, "'suite' is missing"),
    "repository url": (REPOSITORY.replace("https://v.example", "v.example"), 4, "is not a URL"),
    "repository url with a password": (REPOSITORY.replace("//v.", "//me:secret@v."), 4, "url holds credentials"),
    "repository user alone": (REPOSITORY + 'user_from = "U"\n', 2, "go together"),
    "repository in clear": (
        REPOSITORY.replace("https", "http") + 'user_from = "U"\npassword_from = "P"\n', 4, "would travel unencrypted"
    ),
    "repository variable": (REPOSITORY + 'user_from = "a b"\npassword_from = "P"\n', 7, "user_from = 'a b' is refused"),
    "repository twice": (REPOSITORY + REPOSITORY.partition("\n")[2], 8, "name = 'vendor' is given twice"),
    "el of another release": (EL.replace('"9"', '"7"'), 2, "release = '7' is not built for Enterprise Linux"),
    "el of a word": (EL.replace('"9"', '"9.x"'), 2, "release = '9.x' is not built for Enterprise Linux"),
    "suite for el": (f'{EL}[[repositories]]\nsuite = "x"\nname = "v"\n{URL}', 4, "suite is for Debian only"),
    "components for el": (f'{EL}[[repositories]]\nname = "v"\n{URL}components = []\n', 7, "components is for Debian only"),
    "components of el": (f'{EL}[sources]\ncomponents = ["main"]\n', 4, "components is for Debian only"),
    "security of el": (f'{EL}[sources]\nsecurity = "http://x"\n', 4, "security is for Debian only (leave it out)"),
    "index of Debian": ('release = "trixie"\n[sources]\nsigned_index = true\n', 3, "is for Enterprise Linux only"),
    "cost for Debian": (f"{REPOSITORY}cost = 5\n", 7, "cost is for Enterprise Linux only"),
    "packages for Debian": (f'{REPOSITORY}include = ["x"]\n', 7, "include is for Enterprise Linux only"),
    "no packages for Debian": (f'{REPOSITORY}exclude = ["x"]\n', 7, "exclude is for Enterprise Linux only"),
    "index for Debian": (f"{REPOSITORY}signed_index = false\n", 7, "signed_index is for Enterprise Linux only"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_told_with_its_line(folder: Path, text: str, line: int, said: str) -> None:
    (folder / "out").symlink_to("/etc/hostname")
    path = written(folder, text)
    findings = recipes.problems(path)
    assert [f.where.line for f in findings if said in str(f)] == [line], "\n".join(map(str, findings))
    with pytest.raises(RecipeError, match=re.escape(said)):
        recipes.load("ours", [folder])


def test_all_faults_are_told_at_once(folder: Path) -> None:
    written(folder, 'titel = 1\npost_network = 2\n[disk]\nsize_gib = "x"\n[[files]]\nsource = "motd"\nto = "etc"\n')
    with pytest.raises(RecipeError) as caught:
        recipes.load("ours", [folder])
    assert caught.value.what == "the recipe ours has 5 faults"
    for place in (":1: unknown key", ":2: post_network", ":4: size_gib", ":7: to =", "'release' is missing"):
        assert place in caught.value.why


def test_a_description_and_a_variable_may_have_several_lines(folder: Path) -> None:
    written(folder, 'release = "trixie"\ndescription = """a\nb"""\n[variables]\nx = "a\\n\\tb"\n')
    assert recipes.load("ours", [folder]).description == "a\nb"


def test_a_byte_order_mark_is_passed_over(folder: Path) -> None:
    written(folder, '\ufeffrelease = "trixie"\n')
    assert recipes.load("ours", [folder]).release == "trixie"


def test_a_long_value_is_not_repeated_at_length(folder: Path) -> None:
    found = recipes.problems(written(folder, f'release = "{"X" * 5000}"\n'))
    assert max(len(str(each)) for each in found) < 400


def test_a_recipe_is_text(folder: Path) -> None:
    (folder / "ours.toml").write_bytes(b'title = "x"\nrelease = "\xff"\n')
    assert "ours.toml:2: not text in UTF-8 (save it as UTF-8)" in str(recipes.problems(folder / "ours.toml")[0])


def test_a_secret_in_a_url_is_not_repeated(folder: Path) -> None:
    written(folder, REPOSITORY.replace("https://v.", "ftp://me:hunter2@v."))
    with pytest.raises(RecipeError) as caught:
        recipes.load("ours", [folder])
    assert "hunter2" not in str(caught.value)


def test_an_unknown_recipe_is_told_with_its_neighbours(folder: Path) -> None:
    written(folder, 'release = "trixie"\n')
    with pytest.raises(RecipeError, match="did you mean ours"):
        recipes.load("our", [folder])
    with pytest.raises(RecipeError, match="give one of ours"):
        recipes.load("something-else", [folder])
    with pytest.raises(RecipeError, match="these folders hold none"):
        recipes.load("ours", [folder / "keys"])


def test_a_name_leads_to_no_file_elsewhere(folder: Path) -> None:
    written(folder, 'release = "trixie"\n')
    with pytest.raises(RecipeError, match="there is no recipe"):
        recipes.find("../" + folder.name + "/ours", [folder])


def test_the_first_folder_wins(folder: Path) -> None:
    written(folder, 'release = "trixie"\n')
    theirs = folder / "theirs"
    theirs.mkdir()
    (theirs / "ours.ks").write_text("text\n")
    (theirs / "ours.toml").write_text('release = "bookworm"\n')
    assert recipes.load("ours", [theirs, folder]).release == "bookworm"
    assert recipes.load("ours", [folder, theirs]).release == "trixie"
    assert recipes.names([folder, theirs]) == ["ours"]


@pytest.mark.parametrize("name", recipes.names([SHIPPED]))
def test_what_the_project_ships_has_no_fault(name: str) -> None:
    assert recipes.problems(SHIPPED / f"{name}.toml") == []


def test_the_project_ships_three_recipes() -> None:
    assert recipes.names([SHIPPED]) == ["flight-compute-debian12", "flight-compute-debian13", "flight-compute-el9"]


def test_enterprise_linux_names_its_mirror_and_the_key_of_its_packages(folder: Path) -> None:
    given = f'{EL}[sources]\narchive = "https://mirror.example/el"\nkey = "keys/vendor.asc"\nsigned_index = true\n'
    (folder / "ours.toml").write_text(given)
    sources = recipes.load("ours", [folder]).sources
    assert (sources.archive, sources.security, sources.signed_index) == ("https://mirror.example/el", "", True)
    assert (sources.key, sources.key_sha256) == (str(folder / "keys/vendor.asc"), hashlib.sha256(KEY).hexdigest())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(f'{EL}[sources]\nkey = "keys/vendor.asc"\n', "'archive' is missing", id="no mirror"),
        pytest.param(f'{EL}[sources]\narchive = "https://mirror.example/el"\n', "'key' is missing", id="no key"),
        pytest.param('release = "trixie"\n[sources]\nkey = "keys/vendor.asc"\n', "Debian's key comes", id="Debian"),
    ],
)
def test_each_family_wants_its_own_of_its_sources(folder: Path, text: str, said: str) -> None:
    (folder / "ours.toml").write_text(text)
    assert [finding.what for finding in recipes.problems(folder / "ours.toml") if said in finding.what]


@pytest.mark.parametrize("release", ["8", "9", "10", "9.4", "10.0"])
def test_a_release_of_enterprise_linux_may_be_a_minor_one(folder: Path, release: str) -> None:
    given = (
        f'family = "el"\nrelease = "{release}"\n[sources]\narchive = "https://m.example/"\nkey = "keys/vendor.asc"\n'
    )
    assert recipes.problems(written(folder, given)) == []


def test_the_releases_are_those_that_the_installer_builds() -> None:
    assert tuple(map(str, RELEASES)) == EL_RELEASES


def test_nothing_is_said_of_a_family_s_keys_where_the_family_is_none(folder: Path) -> None:
    path = written(folder, REPOSITORY.replace("[[", 'family = "arch"\n[[') + "cost = 5\n")
    assert [finding.where.line for finding in recipes.problems(path)] == [2]


def test_a_gallery_is_told_what_the_recipe_says(folder: Path) -> None:
    said = """release = "trixie"
[certify]
claims = ["trusted-launch"]
[gallery]
publisher = "contoso"
sku = "trixie-gen2"
version = "2026.11.23"
regions = ["North Europe", "eastus2"]
replicas = 2
end_of_life = "2031-12-31"
security_type = "TrustedLaunch"
"""
    written(folder, said)
    gallery = recipes.load("ours", [folder]).gallery
    assert (gallery.publisher, gallery.offer, gallery.sku) == ("contoso", "linux", "trixie-gen2")
    assert (gallery.version, gallery.regions, gallery.replicas) == ("2026.11.23", ("North Europe", "eastus2"), 2)
    assert (gallery.end_of_life, gallery.security_type) == ("2031-12-31", "TrustedLaunch")
