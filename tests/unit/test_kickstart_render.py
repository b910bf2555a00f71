from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight.workflows import kickstart
from flight.workflows import recipe as recipes
from flight.workflows.kickstart.mirrors import Mirrors
from flight.workflows.kickstart.render import Rendered, render
from flight.workflows.kit.errors import ConfigError, RecipeError
from flight.workflows.recipe import Recipe

SHIPPED = Path(__file__).parents[2] / "kickstarts"
MIRRORS = Mirrors("http://mirror.example/debian", "http://mirror.example/debian-security")


def recipe_of(folder: Path, files: dict[str, str], **variables: object) -> Recipe:
    """A recipe `r` whose kickstart is the file r.ks.j2 (or r.ks) among `files`."""
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)
    main = next(name for name in files if name.startswith("r.ks"))
    return Recipe("r", folder / "r.toml", "trixie", kickstart=main, variables=variables)


def places(rendered: Rendered) -> list[tuple[str, str, int]]:
    """Each line's text, the template's file and line."""
    lines = rendered.text.split("\n")
    assert len(lines) == len(rendered.places)
    return [(text, Path(where.file).name, where.line) for text, where in zip(lines, rendered.places, strict=True)]


def test_each_line_knows_the_template_line_it_comes_from(tmp_path: Path) -> None:
    recipe = recipe_of(
        tmp_path,
        {
            "r.ks.j2": """{# a comment
over two lines #}
{% from "partials/m.j2" import user %}
url {{ release }}
{% for x in xs %}
  part {{ x }}
  {% if x == "a" %}
{{ x }} is first
  {% endif %}
{% endfor %}
{% include "partials/p.j2" %}
{{ user("jo") }}
{{ several }}
after {{
  release
}} this
{% raw %}
{{ raw }}
{% endraw %}
    {{- " joined" }}
last""",
            "partials/m.j2": "{% macro user(name) %}\n# a user\nuser --name={{ name }}\n{% endmacro %}\n",
            "partials/p.j2": "p one\n{% if release %}\n   p {{ release }}\n{% endif %}\np end\n",
        },
        xs=["a", "b"],
        several="m1\nm2",
    )
    assert places(render(recipe, {"release": "trixie"})) == [
        ("url trixie", "r.ks.j2", 4),
        ("  part a", "r.ks.j2", 6),
        ("a is first", "r.ks.j2", 8),
        ("  part b", "r.ks.j2", 6),
        ("p one", "p.j2", 1),
        ("   p trixie", "p.j2", 3),
        ("p end", "p.j2", 5),
        ("# a user", "m.j2", 2),
        ("user --name=jo", "m.j2", 3),
        ("", "r.ks.j2", 12),
        ("m1", "r.ks.j2", 13),
        ("m2", "r.ks.j2", 13),
        ("after trixie this", "r.ks.j2", 14),
        ("", "r.ks.j2", 17),
        ("{{ raw }}", "r.ks.j2", 18),
        (" joined", "r.ks.j2", 20),
        ("last", "r.ks.j2", 21),
    ]


Piece = Callable[[int], tuple[str, int]]
"""Given the number of its first line: template text that says its own line numbers, and how many lines it has."""


def _block(opening: str, closing: str) -> Callable[[list[Piece]], Piece]:
    def block(inner: list[Piece]) -> Piece:
        def piece(line: int) -> tuple[str, int]:
            text, count = joined(inner, line + 1)
            return f"{opening}\n{text}{closing}\n", count + 2

        return piece

    return block


def joined(pieces: list[Piece], line: int) -> tuple[str, int]:
    text, count = "", 0
    for piece in pieces:
        more, lines = piece(line + count)
        text, count = text + more, count + lines
    return text, count


PIECES = st.recursive(
    st.sampled_from(
        [
            lambda line: (f"L{line}\n", 1),
            lambda line: (f"  L{line} {{{{ one }}}}\n", 1),
            lambda line: (f"{{{{ 'L' }}}}{line}\n", 1),
            lambda line: ("\n", 1),
            lambda line: ("{# a comment\nof two lines #}\n", 2),
            lambda line: ("{% set y =\n  3 %}\n", 2),
            lambda line: (f"{{{{ 'L{line}\\nL{line}' }}}}\n", 1),
            lambda line: (f"L{line} {{{{\n 'x'\n}}}}\n", 3),
        ]
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(_block("{% if one %}", "{% endif %}")),
        st.lists(inner, max_size=4).map(_block("  {% for i in [1, 2] %}", "  {% endfor %}")),
        st.lists(inner, max_size=4).map(_block("{% for i in [] %}never\n{% else %}", "{% endfor %}")).map(
            lambda piece: lambda line: (piece(line + 1)[0], piece(line + 1)[1] + 1)
        ),
    ),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None)
@given(pieces=st.lists(PIECES, min_size=1, max_size=6))
def test_the_way_back_holds_for_any_nesting(pieces: list[Piece], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("nesting")
    text, _ = joined(pieces, 1)
    rendered = render(recipe_of(folder, {"r.ks.j2": text}), {"one": 1})
    for said, _, line in places(rendered):
        number = re.search(r"L(\d+)", said)
        assert number is None or int(number[1]) == line, text


def test_a_template_that_measures_itself_is_not_disturbed(tmp_path: Path) -> None:
    text = (
        "{% set kept %}\nkept\n{% endset %}\nfirst\n{{ kept | length }}\n{% if kept == 'kept\n' %}\nlast\n{% endif %}\n"
    )
    rendered = render(recipe_of(tmp_path, {"r.ks.j2": text}), {})
    assert rendered.text == "first\n5\nlast\n"
    assert rendered.places[0].line == 4


def test_a_plain_kickstart_is_taken_literally(tmp_path: Path) -> None:
    rendered = render(recipe_of(tmp_path, {"r.ks": "a {{ b }}\n{% c %}\n"}), {})
    assert places(rendered) == [("a {{ b }}", "r.ks", 1), ("{% c %}", "r.ks", 2), ("", "r.ks", 3)]


def test_a_line_past_the_end_is_the_last_one(tmp_path: Path) -> None:
    rendered = render(recipe_of(tmp_path, {"r.ks": "a\nb"}), {})
    assert rendered.where(2).line == rendered.where(7).line == 2


def faults_of(recipe: Recipe, **values: object) -> str:
    with pytest.raises(RecipeError) as caught:
        render(recipe, values)
    return caught.value.why


def test_everything_undefined_is_told_at_once(tmp_path: Path) -> None:
    why = faults_of(
        recipe_of(
            tmp_path,
            {
                "r.ks.j2": "{{ foo }}\nok {{ bar.baz }} {% for i in nope %}x{% endfor %}\n"
                '{% include "p.j2" %}\n{% if flag %}{% endif %}\n{{ sum + 1 }}{{ call() }}{{ text.nope }}\n'
                "{{ fine | default('x') }}{% if z is defined %}{% endif %}{% if same == 3 %}{% endif %}",
                "p.j2": "x\n\n{{ undef }}\n{% macro m(n) %}\n {{ n }} {{ inner }}\n{% endmacro %}{{ m(1) }}",
            },
        ),
        text="x",
    )
    found = re.findall(r"([\w.]+:\d+): '(\w+(?: \w+)?)' (?:is undefined|has no attribute)", why)
    assert found == [
        ("p.j2:3", "undef"),
        ("p.j2:5", "inner"),
        ("r.ks.j2:1", "foo"),
        ("r.ks.j2:2", "bar"),
        ("r.ks.j2:2", "nope"),
        ("r.ks.j2:4", "flag"),
        ("r.ks.j2:5", "call"),
        ("r.ks.j2:5", "str object"),
        ("r.ks.j2:5", "sum"),
        ("r.ks.j2:6", "same"),
    ]


def test_bad_templates_are_told_at_once(tmp_path: Path) -> None:
    why = faults_of(
        recipe_of(
            tmp_path,
            {
                "r.ks.j2": '{{ foo | nofilter }}\n{% include "u.j2" %}{% include "v.j2" %}\n{% include "nowhere.j2" %}\n',
                "u.j2": "\n{{ x } }}\n",
                "v.j2": "x\n\n{% endif %}",
            },
        )
    )
    for said in ("r.ks.j2:1: No filter named", "r.ks.j2:3: there is no 'nowhere.j2'", "u.j2:2: ", "v.j2:3: "):
        assert said in why
    assert len(why.splitlines()) == 4


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("{{ 1 / zero }}", "ZeroDivisionError"),
        ("{{ zero | join }}", "TypeError"),
        ("{% include chosen %}", "TemplateNotFound: 'nowhere.j2'"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "RecursionError"),
    ],
    ids=["division", "wrong type", "chosen include", "without end"],
)
def test_an_expression_that_fails_is_told_with_its_line(tmp_path: Path, expression: str, said: str) -> None:
    recipe = recipe_of(tmp_path, {"r.ks.j2": '\n{% include "p.j2" %}', "p.j2": f"x\n\n{expression}"})
    assert re.search(rf"p\.j2:3: {said}", faults_of(recipe, zero=0, chosen="nowhere.j2"))


@pytest.mark.parametrize(
    ("name", "said"), [("r.ks", "r.ks:2: not text in UTF-8"), ("r.ks.j2", "line 2 of 'r.ks.j2' is not text in UTF-8")]
)
def test_a_kickstart_is_text(tmp_path: Path, name: str, said: str) -> None:
    recipe = recipe_of(tmp_path, {name: ""})
    (tmp_path / name).write_bytes(b"text\n\xff\n")
    assert said in faults_of(recipe)


def test_nothing_in_a_template_changes_from_time_to_time(tmp_path: Path) -> None:
    assert "No filter named 'random'" in faults_of(recipe_of(tmp_path, {"r.ks.j2": "{{ [1, 2] | random }}"}))


def test_a_vendors_partial_shadows_the_projects(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    theirs.mkdir()
    recipe_of(ours, {"r.ks.j2": "", "p.j2": "ours\n", "q.j2": "shared\n"})
    recipe = recipe_of(theirs, {"r.ks.j2": '{% include "p.j2" %}\n{% include "q.j2" %}', "p.j2": "theirs\n"})
    assert render(recipe, {}, [ours, theirs]).text == "theirs\nshared\n"


def test_what_a_template_is_given_is_what_the_recipe_reserves(tmp_path: Path) -> None:
    text = "\n".join(f"{{{{ {name} }}}}" for name in recipes.RESERVED)
    recipe = recipe_of(tmp_path, {"r.ks.j2": text})
    rendered = kickstart.render_recipe(recipe, version="1.2.3", mirrors=MIRRORS, folders=[])
    assert rendered.text.split("\n") == ["r", "1.2.3", "debian", "trixie", MIRRORS.archive, MIRRORS.security, "32"]


@pytest.mark.parametrize("name", recipes.names([SHIPPED]))
def test_the_shipped_kickstarts_are_as_they_were(name: str, golden: Callable[[str, str], None]) -> None:
    recipe = recipes.load(name, [SHIPPED])
    rendered = kickstart.render_recipe(recipe, version="1.0.0", mirrors=MIRRORS, folders=[SHIPPED])
    golden(f"{name}.ks", rendered.text)


@pytest.mark.parametrize("name", recipes.names([SHIPPED]))
def test_the_shipped_kickstarts_do_without_a_security_archive(name: str) -> None:
    recipe = recipes.load(name, [SHIPPED])
    rendered = kickstart.render_recipe(recipe, version="1.0.0", mirrors=Mirrors(MIRRORS.archive), folders=[SHIPPED])
    assert "security" not in rendered.text


def test_the_time_of_files_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert kickstart.source_date_epoch() == 0
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert kickstart.source_date_epoch() == 1_700_000_000
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(Exception, match="SOURCE_DATE_EPOCH = 'yesterday' is not a number"):
        kickstart.source_date_epoch()


ENDLESS = {
    "range": ("a\n{% for i in range(10**12) %}x\n{% endfor %}", "Range too big"),
    "loops": ("a\n{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}", "rounds of loops"),
    "calls": ("{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}\n{{ f(40) }}", "rounds"),
    "lines": ("a\n{% for i in range(90000) %}\nx\n{% endfor %}", "grows beyond 20000 lines"),
    "signs": ("a\n{% for i in range(90000) %}{{ 'x' * 1000 }}{% endfor %}", "grows beyond 20000 lines or 1000000"),
    "text": ('a\n{{ "x" * 10**10 }}', "a multiplication makes more than"),
    "list": ("a\n{{ 10**10 * [1] }}", "a multiplication makes more than"),
    "power": ("a\n{{ 10**(10**10) }}", "a power of more than"),
    "memory": ('a\n{{ "x"|center(10**17) }}', "MemoryError"),
}


@pytest.mark.parametrize(("text", "said"), ENDLESS.values(), ids=ENDLESS)
def test_a_template_that_does_too_much_is_stopped_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said) as caught:
        render(recipe_of(tmp_path, {"r.ks.j2": text}), {})
    assert re.search(r"r\.ks\.j2:[12]: ", caught.value.why)


def test_loops_keep_their_words_when_they_are_counted(tmp_path: Path) -> None:
    text = "{% for x in xs %}{{ loop.index }}/{{ loop.length }} {{ x }}{{ '' if loop.last else ',' }}{% else %}none{% endfor %}"
    assert render(recipe_of(tmp_path, {"r.ks.j2": text}, xs=["a", "b"]), {}).text == "1/2 a,2/2 b"
    assert render(recipe_of(tmp_path, {"r.ks.j2": text}, xs=[]), {}).text == "none"


@pytest.mark.parametrize("name", ["r.ks", "r.ks.j2"])
def test_a_byte_order_mark_is_passed_over(tmp_path: Path, name: str) -> None:
    assert render(recipe_of(tmp_path, {name: "\ufefftext"}), {}).text == "text"


def test_a_version_that_would_be_a_line_of_its_own_never_reaches_a_template(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="version = "):
        kickstart.read("r", version='x"\n%end', mirror="", folders=[tmp_path], cache=None)
