"""The report: a short form of it is made in every run, and a part replaces only its own section."""

import pytest

from chaos import section
from chaos.report import main
from chaos.section import HEADING, Section, Verdict, bars, publish, put, render

PAGE = "# Resilience\n\nHow it works.\n"


def made(name: str, title: str) -> str:
    return render(name, Section(title, "What was done.", [Verdict("p", "b", "s", True)]), "by hand", None)


def test_a_part_replaces_its_own_section():
    """What stands before, and the other parts, stay; sections have a fixed order whatever ran first."""
    page = put(put(PAGE, "soak", made("soak", "Long")), "herd", made("herd", "First"))
    assert page.startswith(PAGE + "\n" + HEADING)
    assert page.index("### First") < page.index("### Long")
    again = put(page, "herd", made("herd", "Other"))
    assert "### First" not in again and "### Long" in again and again.count("### Other") == 1
    assert put(again, "herd", made("herd", "First")) == page


def test_a_heading_of_the_page_keeps_its_words():
    """An introduction under the heading is not lost when a part is written."""
    page = put(PAGE + "\n" + HEADING + "\n\nFigures of one machine.\n", "herd", made("herd", "First"))
    assert page.index("Figures of one machine.") < page.index("### First")
    assert put(page, "herd", made("herd", "First")) == page


def test_a_promise_that_does_not_hold_is_seen():
    """In bold, in its row."""
    text = render("herd", Section("T", "t", [Verdict("crowd", "1 read", "2 reads", False)]), "", None)
    assert "| crowd | 1 read | 2 reads | **no** |" in text
    assert "█" * 50 in bars({"a": 2.0, "b": 1.0})


def test_it_publishes_with_a_picture_where_there_is_matplotlib(tmp_path, monkeypatch):
    """And without one where there is not."""
    page = tmp_path / "resilience.md"
    monkeypatch.setattr(section, "draw", lambda name, each, path: f"resilience/{name}.png")
    publish("flap", Section("Flap", "t", []), "--parts flap", page)
    text = page.read_text()
    assert "![Flap](resilience/flap.png)" in text and "make chaos OPTIONS='--parts flap'" in text


@pytest.mark.slow
def test_the_short_form_of_the_report_is_made_and_its_promises_hold(tmp_path, capsys):
    """The parts that judge by counts and virtual time; CPU time is for a quiet machine."""
    page = tmp_path / "resilience.md"
    parts = ["herd", "attempts", "overload", "flap", "soak"]
    assert main(["--quick", "--check", "--parts", ",".join(parts), "--page", str(page)]) == 0, capsys.readouterr().err
    text = page.read_text()
    for part in parts:
        assert f"<!-- chaos: {part} -->" in text and f"<!-- end: {part} -->" in text


def test_an_unknown_part_is_an_error_that_says_which_there_are(capsys):
    """Before anything is run."""
    with pytest.raises(SystemExit):
        main(["--parts", "nonsense"])
    assert "expected some of herd, attempts" in capsys.readouterr().err
