"""From a recipe to a gallery and to Partner Center's URL, as a person types it; and the next version, of which little is new."""

from __future__ import annotations

import re
import urllib.request

from home import Home


def test_a_version_in_the_gallery_is_made_once(tiny: Home) -> None:
    ran = tiny.luigi("PublishImage", "--local-scheduler")
    assert ran.code == 0, ran.said
    assert ran.made[-1] == "PublishImage"
    receipt = tiny.receipt("gallery.json")
    assert receipt["digest"] == tiny.receipt("blob.json")["digest"]
    again = tiny.luigi("PublishImage", "--local-scheduler")
    assert (again.code, again.made) == (0, [])


def test_a_name_that_no_gallery_may_have_is_refused_before_anything_runs(tiny: Home) -> None:
    ran = tiny.luigi("PublishImage", "--local-scheduler", "--gallery", "no-hyphens", "--version", "9.9.9")
    assert ran.code == 35, ran.said
    assert "is no name for a gallery" in ran.said
    assert ran.made == []


def test_the_url_for_partner_center_reads_the_image_and_stands_in_no_file(tiny: Home) -> None:
    assert tiny.luigi("UploadBlob", "--local-scheduler").code == 0
    ran = tiny.flight("sas")
    assert ran.code == 0, ran.said
    url = re.search(r"^http://\S+\?\S*sig=\S+$", ran.said, re.MULTILINE)
    assert url, ran.said
    with urllib.request.urlopen(urllib.request.Request(url[0], method="HEAD"), timeout=30) as answer:
        assert int(answer.headers["Content-Length"]) == tiny.link("vhd").stat().st_size
    signature = re.search(r"sig=([^&\s]+)", url[0])
    assert signature
    kept = [path for path in tiny.work.rglob("*") if path.suffix in (".json", ".log", ".ledger") and path.is_file()]
    assert not [path for path in kept if signature[1].encode() in path.read_bytes()]


def test_a_disk_that_was_uploaded_by_hand_has_such_a_url_too(tiny: Home) -> None:
    assert tiny.luigi("UploadBlob", "--local-scheduler").code == 0
    to = "devstoreaccount1/images/by-hand-1.0.vhd"
    sent = tiny.flight("upload", str(tiny.link("vhd")), "--to", to)
    assert sent.code == 0, sent.said
    ran = tiny.flight("sas", "--blob", to)
    assert ran.code == 0, ran.said
    assert re.search(r"/release-by-hand-1-0-[0-9a-f]{8}/by-hand-1.0.vhd\?", ran.said)
    both = tiny.flight("sas", tiny.recipe, "--blob", to)
    assert (both.code, "asked for at once" in both.said) == (2, True)
    mistaken = tiny.flight("sas", to)
    assert (mistaken.code, f"flight sas --blob {to}" in mistaken.said) == (2, True)
    gone = tiny.flight("sas", "--blob", "devstoreaccount1/images/nothing.vhd")
    assert (gone.code, "holds no blob of this name" in gone.said) == (2, True)


def test_the_next_version_sends_only_what_is_new(tiny: Home) -> None:
    assert tiny.luigi("UploadBlob", "--local-scheduler").code == 0
    whole = tiny.link("vhd").stat().st_blocks * 512
    ran = tiny.luigi("UploadBlob", "--local-scheduler", "--version", "1.0.1")
    assert ran.code == 0, ran.said
    receipt = tiny.receipt("blob.json")
    assert receipt["base"]
    assert receipt["sent_bytes"] < whole / 20  # type: ignore[operator]
    verified = tiny.flight("verify", f"devstoreaccount1/images/{tiny.recipe}-1.0.1.vhd", "--deep")
    assert verified.code == 0, verified.said
    back = tiny.luigi("UploadBlob", "--local-scheduler")
    assert back.code == 0, back.said


def test_without_an_upload_there_is_no_url(tiny: Home) -> None:
    ran = tiny.flight("sas", "--version", "8.8.8")
    assert ran.code == 2
    assert "is not uploaded yet" in ran.said
