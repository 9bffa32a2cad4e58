"""The data quality report, made of hand-made runs: what stands in it, and what never may."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipelines.findings import Standing
from pipelines.publishing import quality_report as module
from pipelines.publishing.quality_report import verdict, write_quality_report
from pipelines.scoring import ScoredRun
from pipelines.settings import Settings
from quality.history import FamilyResult, Fault, SourceRun, TableRun
from quality.rules import FAMILIES
from quality.scorecard import QUESTIONS, Answer, Scores
from sources.access import Configured
from sources.contract import Column, Source, Table

NOW = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
HARMFUL = "<script>"
VOID = {"meta", "wbr", "br", "link", "img", "input"}


class Page(HTMLParser):
    """What a browser would make of the report: elements, texts and tables."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.text = self.style = ""
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            self.style += data
            return
        self.text += data
        if {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] += data

    def rows_of(self, table: int) -> list[list[str]]:
        return [[" ".join(cell.split()) for cell in row] for row in self.tables[table]]

    def values_of(self, attribute: str) -> list[str]:
        return [given[attribute] or "" for _, given in self.elements if attribute in given]


def source(name: str, *tables: str, **about: object) -> Source:
    columns = (
        Column("number", "The number."),
        Column(HARMFUL, "A header that somebody wrote.", required=True),
    )
    return Source(
        **{
            "name": name,
            "title": f"The {name}",
            "area": "company",
            "tables": tuple(Table(one, "One row each.", columns, ("number",)) for one in tables),
            "owner": f"owner of {name}",
            "access": f"access to {name}",
            "promised_age_hours": 36,
            "pull": lambda pull: iter(()),
            "check": lambda pull: [],
            **about,
        }
    )


def fault_of(sentence: str) -> Fault:
    return Fault(sentence.split(":", 1)[0], sentence)


def families(**sentences: str) -> dict[str, FamilyResult]:
    return {
        family: FamilyResult((fault_of(sentences[family]),) if family in sentences else ())
        for family in FAMILIES
    }


def run(name: str, nights_ago: int = 0, **about: object) -> SourceRun:
    return SourceRun(
        **{
            "source": name,
            "run_id": f"run-{nights_ago}",
            "started_at": NOW - timedelta(days=nights_ago, minutes=9),
            "is_on": True,
            "tables": {"days": TableRun(True, 10, 10, families=families())},
            **about,
        }
    )


def scored(
    of: Source, one: SourceRun, total: float | None = 80.0, trend: float | None = None, rank=None
) -> ScoredRun:
    answers = tuple(
        Answer(question, None if question == "A7" else 10.0 * at + 9.96, f"{of.name} {question}", 1)
        for at, question in enumerate(QUESTIONS)
    )
    return ScoredRun(of, one, Scores(of.name, answers, total), trend, rank)


SHOP, FAIR, CLUB = source("shop", "orders", "items"), source("fair", "days"), source("club", "days")
RULE = f"{HARMFUL}_is_filled"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    orders = TableRun(
        True, 1_200, 1_150, 50, to_correct=41, broken={RULE: 41, "an_old_rule": 3},
        landed_in_force=5_000, rows_in_force=4_950,
        families=families(errors=f"{RULE}: 41 rows kept out. Fill in.", reliability="Doubled."),
    )  # fmt: skip
    items = TableRun(
        True, 300, 0, 0, refused=("items.csv: <b>bold</b> header",), rows_in_force=900,
        landed_in_force=900, families=families(),
    )  # fmt: skip
    fair = run("fair", problems=("fair.xlsx cannot be opened.",), left_alone=("late.csv grows.",))
    runs = [scored(CLUB, run("club", night), 60.0 + night) for night in range(39, 0, -1)]
    runs += [
        scored(CLUB, run("club"), 99.99, -0.04, 3),
        scored(SHOP, run("shop", tables={"orders": orders, "items": items}), 71.2, -8.25, 1),
        scored(FAIR, fair, None, 4.04, 2),
    ]
    sample = ({"place": "orders.csv, row 7", "rule": RULE, "value": "•••<i>"},)
    off = {"rapidmail": Configured(is_enabled=False)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "standing", lambda *_: Standing(41, {RULE: 41}, sample))
        write_quality_report(Settings(home, configured=off), runs, run_id="run-0", now=NOW)
    return home


@pytest.fixture(scope="module")
def page(home: Path) -> Page:
    return Page((home / "reports" / "data_quality.html").read_text(encoding="utf-8"))


def test_the_verdict_names_who_is_needed_and_why() -> None:
    late = TableRun(True, families=families(freshness="It is late."), to_correct=2)
    changed = TableRun(True, families=families(format="No longer sent: day."), gone=("day",))
    fair = run("fair", tables={"days": late})
    assert verdict([run("club"), fair, run("shop", tables={"orders": changed})]) == (
        "1 of 3 sources is fine; 2 need somebody: fair (late), shop (its columns changed). "
        "2 rows were kept out and are to be corrected, in 1 source."
    )


def test_the_verdict_is_short_where_all_is_well() -> None:
    assert verdict([run("club"), run("fair")]) == "All 2 sources are fine."
    assert verdict([]) == "No source has run yet."


def test_a_bad_row_is_to_be_corrected_but_calls_nobody() -> None:
    doubtful = TableRun(True, to_correct=1, broken={RULE: 1}, families=families(errors="One."))
    assert verdict([run("fair", tables={"days": doubtful})]) == (
        "The one source is fine. 1 row was kept out and is to be corrected, in 1 source."
    )


def test_the_verdict_names_a_few_and_counts_the_rest() -> None:
    said = verdict([run(f"source{number}", problems=("Gone.",)) for number in range(9)])
    assert said.startswith("0 of 9 sources are fine; 9 need somebody: source0 (could not be read),")
    assert said.endswith("source5 (could not be read) and 3 more.")


def test_head_says_when_which_run_and_how_it_stands(page: Page) -> None:
    assert "2026-03-02 02:30 CET · run run-0" in page.text
    assert (
        "1 of 3 sources is fine; 2 need somebody: shop (a load was refused, unusual)" in page.text
    )


def test_totals_are_those_of_the_newest_runs(page: Page) -> None:
    text = " ".join(page.text.split())
    assert "5,900 landed = 5,850 accepted + 50 quarantined" in text
    assert "1,520 landed = 1,170 accepted + 50 quarantined + 300 in refused loads" in text
    assert "41 kept out until the source corrects them" in text
    assert "unaccounted" not in text


def test_matrix_holds_every_score_rounded_down_with_trend_and_priority(page: Page) -> None:
    matrix = page.rows_of(0)
    scores = ["9", "19", "29", "39", "49", "59", "–", "79", "89", "99"]
    assert [re.split(r"\W", cell)[0] for cell in matrix[0][1:11]] == [
        f"A{number}{short}"
        for number, short in enumerate((module.ASKED[one][0].split()[0] for one in QUESTIONS), 1)
    ]
    assert matrix[1] == ["✓club, fine", *scores, "99", "= 0.0", "3"]
    assert matrix[3] == ["✗shop, needs somebody", *scores, "71", "▼ −8.2", "1"]
    assert matrix[5] == ["✗fair, needs somebody", *scores, "–", "▲ +4.0", "2"]


def test_the_figure_behind_every_score_is_text(page: Page) -> None:
    for name in ("club", "shop", "fair"):
        for question in QUESTIONS:
            assert f"{name} {question}" in page.text


def test_every_table_shows_its_four_families(page: Page) -> None:
    head, orders, items = page.rows_of(2)
    assert head[:5] == ["Table", "Fresh", "Plausible", "Form", "Valid"]
    assert orders == [
        "orders", "✓ yes", "✗ no", "✓ yes", "✗ no", "1,200", "50", "4,950", "41", "first run",
    ]  # fmt: skip
    assert items[:6] == ["items", "✓ yes", "✓ yes", "✓ yes", "✓ yes", "300"]


def test_what_went_wrong_is_told_in_its_own_words(page: Page) -> None:
    text = " ".join(page.text.split())
    for said in (
        "fair.xlsx cannot be opened.", "late.csv grows.", "items: items.csv: <b>bold</b> header",
        "orders, plausible ✗: Doubled.", "owner of fair", "access to shop", "36 hours",
    ):  # fmt: skip
        assert said in text


def test_rules_are_listed_once_with_harm_remedy_and_sample(page: Page) -> None:
    _, known, old = page.rows_of(3)
    assert known[:4] == ["orders", RULE, "41", "kept out"]
    assert all(known[4:])
    # A rule that an earlier version knew has lost its words, but not its rows.
    assert old == ["orders", "an_old_rule", "3", "", "", ""]
    assert page.rows_of(4)[1] == ["orders", "orders.csv, row 7", RULE, "•••<i>"]
    assert "41 rows kept out. Fill in." not in page.text


def test_fix_lists_are_linked_where_rows_are_to_be_corrected(home: Path, page: Page) -> None:
    def links(of: Page) -> list[str]:
        return [link for link in of.values_of("href") if "fix_lists" in link]

    (copy,) = (home / "reports" / "runs").iterdir()
    assert copy.name == "data_quality-20260302T013000Z.html"
    assert links(page) == ["fix_lists/shop.xlsx", "fix_lists/shop.csv"]
    assert links(Page(copy.read_text(encoding="utf-8"))) == [
        "../fix_lists/shop.xlsx",
        "../fix_lists/shop.csv",
    ]


def test_curves_are_drawn_and_said(page: Page) -> None:
    curves = [given["aria-label"] for _, given in page.elements if given.get("class") == "curve"]
    assert curves == [
        "Total score of club: 61 to 99 over 40 runs, 99 at the end",
        "Rows of days: 10 to 10",
    ]
    # What has run once or twice is said and not drawn.
    for said in ("71 in 1 run", "no score is known yet"):
        assert said in page.text
    assert sum(tag == "svg" for tag, _ in page.elements) == len(curves)


def test_sources_that_are_off_or_silent_are_named(page: Page) -> None:
    assert "rapidmail: switched off or not set up" in page.text
    silent = page.text.split("without a run yet: ")[1]
    assert "hubspot" in silent and "rapidmail" not in silent


def test_what_a_file_says_is_never_markup(page: Page) -> None:
    assert HARMFUL in page.text
    assert not {"script", "b", "i"} & {tag for tag, _ in page.elements}


def test_page_asks_nothing_of_the_network(page: Page) -> None:
    named = [tag for tag, _ in page.elements]
    assert not {"script", "link", "img", "iframe", "object", "embed", "use", "image"} & set(named)
    for tag, given in page.elements:
        for attribute, value in given.items():
            if attribute.startswith("xmlns"):
                continue
            assert not attribute.startswith("on"), (tag, attribute)
            assert "//" not in (value or ""), (tag, attribute, value)
            assert "url(" not in (value or ""), (tag, attribute, value)
            if attribute in ("src", "href", "xlink:href", "action", "poster", "srcset", "data"):
                assert not re.match(r"\s*[a-z][a-z0-9+.-]*:", value or "", re.IGNORECASE), value
    assert page.style and "url(" not in page.style and "@import" not in page.style
    assert "default-src 'none'; style-src 'unsafe-inline'" in page.values_of("content")


def test_page_can_be_read_by_a_screen_reader(page: Page) -> None:
    assert page.values_of("lang") == ["en"]
    assert all(given.get("scope") for tag, given in page.elements if tag == "th")
    ids = page.values_of("id")
    assert len(ids) == len(set(ids))
    local = {link[1:] for link in page.values_of("href") if link.startswith("#")}
    assert local <= set(ids) and local


def test_rows_that_are_nowhere_are_shouted(tmp_path: Path) -> None:
    lost = run("fair", tables={"days": TableRun(True, 10, 7, 1, families=families())})
    path = write_quality_report(Settings(tmp_path), [scored(FAIR, lost)], run_id=None, now=NOW)
    assert "✗ 2 unaccounted for" in Page(path.read_text(encoding="utf-8")).text


def test_last_thirty_copies_are_kept(tmp_path: Path) -> None:
    (copies := tmp_path / "reports" / "runs").mkdir(parents=True)
    for day in range(1, 32):
        (copies / f"data_quality-202601{day:02}T013000Z.html").touch()
    (copies / "notes.html").touch()
    write_quality_report(Settings(tmp_path), [], run_id=None, now=NOW)
    kept = sorted(path.name for path in copies.glob("data_quality-*"))
    assert len(kept) == 30
    assert kept[0] == "data_quality-20260103T013000Z.html"
    assert kept[-1] == "data_quality-20260302T013000Z.html"
    assert (copies / "notes.html").exists()


def test_same_runs_give_the_same_file(tmp_path: Path) -> None:
    runs = [scored(FAIR, run("fair", night)) for night in (1, 0)]
    first, second = (
        write_quality_report(Settings(tmp_path), runs, run_id="x", now=NOW).read_bytes()
        for _ in range(2)
    )
    assert first == second
    assert len(list((tmp_path / "reports").rglob("*.html"))) == 2


def test_a_disk_that_fails_leaves_the_report_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latest = write_quality_report(Settings(tmp_path), [], run_id="before", now=NOW)
    before = latest.read_bytes()

    def fails(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "sync", fails)
    with pytest.raises(OSError, match="No space left"):
        write_quality_report(Settings(tmp_path), [], run_id="after", now=NOW + timedelta(days=1))
    assert latest.read_bytes() == before
    files = sorted(path.name for path in (tmp_path / "reports").rglob("*") if path.is_file())
    assert files == ["data_quality-20260302T013000Z.html", "data_quality.html"]
