"""What the demo company promises: the same bytes everywhere, and a truth a plain reader finds.

Read here with the csv module and plain Python only; nothing of the generator's own arithmetic.
"""

import csv
import dataclasses
import hashlib
import itertools
import os
import re
import signal
import statistics
import subprocess
import sys
import textwrap
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from sources.demo import company
from sources.demo.company import AS_OF, DEFECTS, HEADER, MAPPING, SALES_LIST, TRUTH

REPOSITORY = Path(__file__).parents[2]
SMALL = 300
# Whoever changes what a seed gives raises company.EDITION and writes the new checksum here.
KNOWN_SHA256 = {1: "1d8eee90d2d932a2926949811ae45c9b1a08f12d6bce8daf89996907ee699a54"}


@dataclasses.dataclass(frozen=True)
class Export:
    folder: Path
    truth: company.DemoTruth
    records: list[list[str]]

    @property
    def whole(self):
        """File row → fields by header, of the rows that have them all."""
        return {
            row: dict(zip(HEADER, fields, strict=True))
            for row, fields in enumerate(self.records, start=1)
            if row > 1 and len(fields) == len(HEADER)
        }

    @property
    def sound(self):
        """Fields by header with date and numbers read, of the rows without an injected defect."""
        spoilt = {row for rows in self.truth.defects.values() for row in rows}
        return [
            fields
            | {
                "day": day_of(fields["Belegdatum"]),
                "quantity": number(fields["Menge"]),
                "price": number(fields["Einzelpreis"]),
            }
            for row, fields in self.whole.items()
            if row not in spoilt
        ]


def number(text):
    return Decimal(text.replace(",", "."))


def day_of(text):
    return datetime.strptime(text, "%d.%m.%Y").date()


def visible(folder):
    return sorted(path.name for path in folder.glob("*") if not path.name.startswith("."))


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def records_of(folder):
    with (folder / SALES_LIST).open(encoding="cp1252", newline="") as file:
        return list(csv.reader(file, delimiter=";", strict=True))


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    truth = company.write_sales_list(folder)
    return Export(folder, truth, records_of(folder))


@pytest.fixture(scope="module")
def sound(export):
    return export.sound


@pytest.fixture(scope="module")
def named(sound):
    return [line for line in sound if line["Kundennummer"]]


@pytest.fixture(scope="module")
def purchase_days(named):
    days = defaultdict(list)
    seen = set()
    for line in named:
        if line["Belegart"] == "Rechnung" and line["Belegnummer"] not in seen:
            seen.add(line["Belegnummer"])
            days[line["Kundennummer"]].append(line["day"])
    return days


def test_the_same_seed_gives_the_same_bytes_in_every_folder(tmp_path):
    first = company.write_sales_list(tmp_path / "a", customers=SMALL, seed=7)
    second = company.write_sales_list(tmp_path / "b", customers=SMALL, seed=7)

    assert first == second
    for name in (SALES_LIST, MAPPING, TRUTH):
        assert sha256(tmp_path / "a" / name) == sha256(tmp_path / "b" / name)


def test_the_default_company_has_the_bytes_this_edition_is_known_for(export):
    assert sha256(export.folder / SALES_LIST) == KNOWN_SHA256[company.EDITION]
    assert export.truth.sha256 == KNOWN_SHA256[company.EDITION]


def test_another_seed_gives_another_company(tmp_path):
    company.write_sales_list(tmp_path / "a", customers=SMALL, seed=7)
    company.write_sales_list(tmp_path / "b", customers=SMALL, seed=8)

    assert sha256(tmp_path / "a" / SALES_LIST) != sha256(tmp_path / "b" / SALES_LIST)


def test_every_file_has_the_same_fixed_modification_time(export):
    written = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert {(export.folder / name).stat().st_mtime for name in (SALES_LIST, MAPPING, TRUTH)} == {
        written
    }


def test_a_finished_list_is_left_as_it_is(tmp_path):
    truth = company.write_sales_list(tmp_path, customers=SMALL)
    before = {path.name: (path.stat().st_ino, sha256(path)) for path in tmp_path.iterdir()}
    told = []

    assert company.write_sales_list(tmp_path, customers=SMALL, progress=told.append) == truth
    assert before == {path.name: (path.stat().st_ino, sha256(path)) for path in tmp_path.iterdir()}
    assert told == [f"{SALES_LIST} is there already ({truth.lines:,} lines)"]


@pytest.mark.parametrize("other", [{"seed": 8}, {"customers": SMALL + 1}])
def test_a_finished_list_of_another_company_is_replaced(tmp_path, other):
    company.write_sales_list(tmp_path, customers=SMALL, seed=7)

    truth = company.write_sales_list(tmp_path, **({"customers": SMALL, "seed": 7} | other))

    assert sha256(tmp_path / SALES_LIST) == truth.sha256
    assert visible(tmp_path) == sorted([SALES_LIST, MAPPING])


def test_a_list_of_an_older_edition_is_replaced(tmp_path, monkeypatch):
    company.write_sales_list(tmp_path, customers=SMALL)
    (tmp_path / SALES_LIST).write_bytes(b"what the older edition wrote")
    monkeypatch.setattr(company, "EDITION", company.EDITION + 1)

    truth = company.write_sales_list(tmp_path, customers=SMALL)

    assert sha256(tmp_path / SALES_LIST) == truth.sha256


@pytest.mark.parametrize("customers", [company.SMALLEST_COMPANY, 1_000])
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_other_sizes_and_seeds_have_all_defects_too(tmp_path, customers, seed):
    truth = company.write_sales_list(tmp_path, customers=customers, seed=seed)

    assert {defect: len(rows) for defect, rows in truth.defects.items()} == DEFECTS
    assert all(truth.lifecycle.values())


@pytest.mark.parametrize("customers", [-1, 0, 199, 20_001])
def test_a_size_the_demo_cannot_have_is_refused(tmp_path, customers):
    with pytest.raises(ValueError, match=rf"customers is {customers}: .* 200 to 20000"):
        company.write_sales_list(tmp_path, customers=customers)
    assert list(tmp_path.iterdir()) == []


def test_a_mapping_of_somebody_else_is_never_overwritten(tmp_path):
    (tmp_path / MAPPING).write_text("columns: {date: Datum}\n")

    with pytest.raises(FileExistsError, match="folder of its own"):
        company.write_sales_list(tmp_path, customers=SMALL)

    assert (tmp_path / MAPPING).read_text() == "columns: {date: Datum}\n"
    assert visible(tmp_path) == [MAPPING]


STEPS = 4


def test_the_generator_tells_its_steps_before_anything_is_to_be_seen(tmp_path):
    seen = []
    company.write_sales_list(
        tmp_path, customers=SMALL, progress=lambda text: seen.append(visible(tmp_path))
    )
    assert seen == [[]] * STEPS


@pytest.mark.parametrize("last_step", range(1, STEPS + 1))
def test_a_generator_stopped_at_any_step_leaves_no_visible_file(tmp_path, last_step):
    told = []

    def stop(text):
        told.append(text)
        if len(told) == last_step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        company.write_sales_list(tmp_path, customers=SMALL, progress=stop)
    assert visible(tmp_path) == []

    truth = company.write_sales_list(tmp_path, customers=SMALL)
    assert sha256(tmp_path / SALES_LIST) == truth.sha256
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([SALES_LIST, MAPPING, TRUTH])


def test_a_generator_killed_before_its_commit_leaves_the_old_list_in_force(tmp_path):
    old = company.write_sales_list(tmp_path, customers=SMALL, seed=7)
    script = textwrap.dedent(f"""
        import os, signal, sys
        from pathlib import Path
        from sources.demo.company import write_sales_list

        def die(text):
            if "in place" in text:
                os.kill(os.getpid(), signal.SIGKILL)

        write_sales_list(Path(sys.argv[1]), customers={SMALL}, seed=8, progress=die)
    """)
    killed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=REPOSITORY, timeout=300, check=False
    )

    assert killed.returncode == -signal.SIGKILL
    assert visible(tmp_path) == sorted([SALES_LIST, MAPPING])
    assert sha256(tmp_path / SALES_LIST) == old.sha256
    assert company.write_sales_list(tmp_path, customers=SMALL, seed=7) == old


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_generator_killed_between_its_renames_is_not_taken_for_finished(
    tmp_path, monkeypatch, renames
):
    company.write_sales_list(tmp_path, customers=SMALL, seed=7)
    done = []
    rename = Path.replace

    def fail_after(self, target):
        if len(done) == renames:
            raise OSError("the power is gone")
        done.append(target)
        return rename(self, target)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="power"):
        patch.setattr(Path, "replace", fail_after)
        company.write_sales_list(tmp_path, customers=SMALL, seed=8)

    truth = company.write_sales_list(tmp_path, customers=SMALL, seed=7)
    assert truth.seed == 7
    assert sha256(tmp_path / SALES_LIST) == truth.sha256


def test_the_text_is_windows_1252_and_would_not_be_read_right_as_anything_else(export):
    content = (export.folder / SALES_LIST).read_bytes()
    text = content.decode("cp1252")

    assert text.encode("cp1252") == content
    for character in "äöüÄÖÜßéç„“–€½×°²³Ø":
        assert character in text
    with pytest.raises(UnicodeDecodeError):
        content.decode("utf-8")
    assert content.decode("latin-1") != text


def test_every_line_ends_as_on_windows_and_none_is_longer_than_sensible(export):
    content = (export.folder / SALES_LIST).read_bytes()
    lines = content.split(b"\r\n")

    assert lines.pop() == b""
    assert len(lines) == len(export.records)
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    assert max(map(len, lines)) <= 220


def test_some_articles_hold_the_delimiter_and_the_quote(named):
    articles = {line["Artikel"] for line in named}
    assert any(";" in article for article in articles)
    assert any('"' in article for article in articles)


def test_the_mapping_names_each_column_by_its_header(export):
    mapping = yaml.safe_load((export.folder / MAPPING).read_text(encoding="utf-8"))

    assert mapping == {
        "columns": {
            "date": "Belegdatum",
            "invoice_number": "Belegnummer",
            "customer_number": "Kundennummer",
            "customer_name": "Kundenname",
            "email": "E-Mail",
            "product_code": "Artikelnummer",
            "product": "Artikel",
            "quantity": "Menge",
            "unit_price": "Einzelpreis",
            "currency": "Währung",
        },
        "credit_note": {"column": "Belegart", "values": ["Gutschrift"]},
        "decimal_mark": ",",
        "encoding": "windows-1252",
        "delimiter": ";",
    }
    assert set(export.records[0]) == {*mapping["columns"].values(), "Belegart"}


def test_the_truth_counts_what_a_plain_reader_counts(export):
    truth = export.truth
    lines = list(export.whole.values())
    documents = {line["Belegnummer"] for line in lines}

    assert truth.lines == len(export.records) - 1
    assert 60_000 <= truth.lines <= 90_000
    assert truth.customers == 2_000
    assert truth.customers == len({line["Kundennummer"] for line in lines} - {""})
    assert truth.invoices == sum(number.startswith("RE-") for number in documents)
    assert truth.credit_notes == sum(number.startswith("GS-") for number in documents)
    nobody = sum(line["Kundennummer"] == "" for line in lines)
    assert truth.counter_lines == nobody - DEFECTS["missing customer"]
    assert 0.005 < truth.counter_lines / truth.lines < 0.05


def test_the_net_revenue_is_the_sum_over_the_sound_lines(export, sound):
    assert export.truth.net_revenue == sum(line["quantity"] * line["price"] for line in sound)


def test_counter_sales_name_nobody_at_all_and_are_whole_invoices(export, sound):
    nobody = {line["Belegnummer"] for line in sound if not line["Kundennummer"]}

    assert nobody
    for line in sound:
        if line["Belegnummer"] in nobody:
            assert (line["Kundennummer"], line["Kundenname"], line["E-Mail"]) == ("", "", "")


def test_every_defect_is_where_the_truth_says_and_nowhere_else(export):
    found = defaultdict(list)
    previous = None
    for row, fields in enumerate(export.records, start=1):
        if row == 1:
            continue
        if len(fields) < len(HEADER):
            found["too few fields"].append(row)
            previous = fields
            continue
        line = dict(zip(HEADER, fields, strict=True))
        try:
            if day_of(line["Belegdatum"]) >= AS_OF:
                found["date in the future"].append(row)
        except ValueError:
            assert line["Belegdatum"] == "31.02.2023"
            found["impossible date"].append(row)
        if not re.fullmatch(r"-?\d+(,\d+)?", line["Menge"]):
            assert line["Menge"] == "zwei"
            found["unreadable quantity"].append(row)
        elif line["Menge"].startswith("-") and line["Belegart"] == "Rechnung":
            found["negative quantity on an invoice"].append(row)
        if line["Einzelpreis"] == "0,00":
            found["zero price"].append(row)
        if line["Einzelpreis"] == "":
            found["missing price"].append(row)
        if fields == previous:
            found["repeated line"].append(row)
        previous = fields
    customers = defaultdict(set)
    for line in export.whole.values():
        customers[line["Belegnummer"]].add(line["Kundennummer"])
    found["missing customer"] = [
        row
        for row, line in export.whole.items()
        if line["Kundennummer"] == "" and len(customers[line["Belegnummer"]]) > 1
    ]

    assert {defect: tuple(rows) for defect, rows in found.items()} == export.truth.defects
    assert {defect: len(rows) for defect, rows in found.items()} == DEFECTS


def test_no_document_holds_two_defects(export):
    documents = Counter(
        export.records[row - 1][HEADER.index("Belegnummer")]
        for rows in export.truth.defects.values()
        for row in rows
    )
    assert documents.total() == sum(DEFECTS.values())
    assert set(documents.values()) == {1}


def test_no_other_line_repeats_an_article_inside_one_document(sound):
    lines = Counter((line["Belegnummer"], line["Artikelnummer"]) for line in sound)
    assert lines.most_common(1)[0][1] == 1


def test_documents_are_numbered_without_gaps_in_the_order_of_their_days(export):
    days = {}
    spoilt = export.truth.defects
    for row, line in export.whole.items():
        if row not in spoilt["impossible date"] + spoilt["date in the future"]:
            days.setdefault(line["Belegnummer"], day_of(line["Belegdatum"]))
    ranges = defaultdict(list)
    for document, day in days.items():
        kind, year, count = re.fullmatch(r"(RE|GS)-(\d{4})-(\d{6})", document).groups()
        assert int(year) == day.year
        ranges[kind, year].append((int(count), day))

    assert len(ranges) == 10
    for counted in ranges.values():
        counted.sort()
        assert [count for count, _ in counted] == list(range(1, len(counted) + 1))
        assert [day for _, day in counted] == sorted(day for _, day in counted)


def test_the_data_cover_five_years_and_end_before_the_as_of_day(sound):
    days = [line["day"] for line in sound]
    assert date(2021, 1, 1) <= min(days) < date(2021, 1, 8)
    assert date(2025, 12, 28) <= max(days) < AS_OF
    assert days == sorted(days)


def test_credit_notes_undo_lines_of_an_invoice_of_the_days_before(named):
    bought = defaultdict(list)
    for line in named:
        key = (line["Kundennummer"], line["Artikelnummer"], line["price"])
        if line["Belegart"] == "Rechnung":
            assert line["quantity"] > 0
            bought[key].append((line["day"], line["quantity"]))
            continue
        assert line["quantity"] < 0
        assert any(
            timedelta(days=1) <= line["day"] - day <= timedelta(days=16)
            and quantity >= -line["quantity"]
            for day, quantity in bought[key]
        ), line


def purchases_left(named):
    """Per customer the invoices of which something is left after matching returns last in first."""
    stacks = defaultdict(list)
    customers = defaultdict(set)
    for line in named:
        customers[line["Kundennummer"]]
        stack = stacks[line["Kundennummer"], line["Artikelnummer"], line["price"]]
        if line["quantity"] > 0:
            stack.append([line["Belegnummer"], line["quantity"]])
            continue
        back = -line["quantity"]
        while back and stack:
            taken = min(back, stack[-1][1])
            back -= taken
            stack[-1][1] -= taken
            if not stack[-1][1]:
                stack.pop()
    for (customer, _, _), stack in stacks.items():
        customers[customer].update(document for document, _ in stack)
    return customers


def test_matching_the_credit_notes_leaves_the_purchases_the_lifecycle_tells(export, named):
    left = {customer: len(documents) for customer, documents in purchases_left(named).items()}
    states = export.truth.lifecycle
    state_of = {customer: state for state, customers in states.items() for customer in customers}

    assert sum(map(len, states.values())) == len(state_of) == len(left) == 2_000
    for customer, count in left.items():
        expected = {0: {"prospect"}, 1: {"new", "dormant"}}.get(count, {"existing", "former"})
        assert state_of[customer] in expected, customer


def test_every_lifecycle_state_has_its_customers(export):
    counts = {state: len(customers) for state, customers in export.truth.lifecycle.items()}
    assert 8 <= counts["prospect"] <= 25
    assert 30 <= counts["new"] <= 150
    assert 100 <= counts["dormant"] <= 400
    assert 150 <= counts["former"] <= 500
    assert counts["existing"] > 1_000


def test_some_customers_had_their_second_purchase_undone(export, named, purchase_days):
    left = purchases_left(named)
    once = [
        customer
        for customer, documents in left.items()
        if len(documents) == 1 and len(purchase_days[customer]) == 2
    ]
    assert len(once) >= 5


def test_new_customers_bought_lately_and_dormant_ones_long_ago(export, purchase_days):
    recent = AS_OF - timedelta(days=180)
    for customer in export.truth.lifecycle["new"]:
        assert max(purchase_days[customer]) >= recent
    for customer in export.truth.lifecycle["dormant"]:
        assert min(purchase_days[customer]) < recent


def silence_in_intervals(days):
    interval = (max(days) - min(days)).days / (len(days) - 1)
    return (AS_OF - max(days)).days / max(interval, 1)


def test_former_customers_are_silent_for_long_and_existing_ones_are_not(export, purchase_days):
    former = [purchase_days[customer] for customer in export.truth.lifecycle["former"]]
    existing = [purchase_days[customer] for customer in export.truth.lifecycle["existing"]]

    assert all((AS_OF - max(days)).days >= 180 for days in former)
    silent = [silence_in_intervals(days) > 3 for days in former]
    assert sum(silent) / len(silent) > 0.9
    silent = [silence_in_intervals(days) > 3 for days in existing]
    assert sum(silent) / len(silent) < 0.05


def test_customers_join_and_stop_in_every_year(export, purchase_days):
    joined = Counter(min(days).year for days in purchase_days.values())
    stopped = Counter(max(purchase_days[c]).year for c in export.truth.lifecycle["former"])

    assert all(joined[year] > 100 for year in range(2021, 2026))
    assert all(stopped[year] > 20 for year in range(2021, 2025))


def test_every_tier_occurs_over_the_last_twelve_months(sound):
    revenue = defaultdict(Decimal)
    for line in sound:
        if line["Kundennummer"] and date(2025, 1, 1) <= line["day"] < AS_OF:
            revenue[line["Kundennummer"]] += line["quantity"] * line["price"]
    tiers = Counter(
        "Strategic partner"
        if amount >= 500_000
        else "Premium"
        if amount >= 150_000
        else "Business"
        if amount >= 50_000
        else "No tier"
        for amount in revenue.values()
    )

    assert 5 <= tiers["Strategic partner"] <= 10
    assert 20 <= tiers["Premium"] <= 40
    assert 80 <= tiers["Business"] <= 150
    assert tiers["No tier"] > 800


def test_every_abc_class_occurs_and_few_customers_make_most_of_the_revenue(named):
    revenue = defaultdict(Decimal)
    for line in named:
        revenue[line["Kundennummer"]] += line["quantity"] * line["price"]
    total = sum(amount for amount in revenue.values() if amount > 0)
    classes = Counter()
    before = Decimal(0)
    for amount in sorted(revenue.values(), reverse=True):
        share = before / total
        classes["A" if share < Decimal("0.8") else "B" if share < Decimal("0.95") else "C"] += 1
        before += max(amount, 0)

    assert classes["A"] < 0.35 * len(revenue)
    assert classes["B"] > 100
    assert classes["C"] > 500


def test_customers_buy_in_a_rhythm_of_their_own(purchase_days):
    intervals, variations = [], []
    for days in purchase_days.values():
        if len(days) >= 25:
            gaps = [(b - a).days for a, b in itertools.pairwise(days)]
            intervals.append(statistics.mean(gaps))
            variations.append(statistics.pstdev(gaps) / statistics.mean(gaps))

    # Purchases by mere chance vary by 1.0 of their interval; a gamma rhythm of shape 2 by 0.71.
    assert 0.6 < statistics.median(variations) < 0.9
    assert max(intervals) > 3 * min(intervals)


def test_august_and_the_turn_of_the_year_are_quiet_and_sundays_closed(sound):
    months = Counter(line["day"].month for line in sound)
    mean = sum(months.values()) / 12

    assert min(months, key=months.get) in (8, 12)
    assert months[8] < 0.7 * mean
    assert months[12] < 0.75 * mean
    assert not any(line["day"].isoweekday() == 7 for line in sound)


def test_the_price_list_has_some_300_articles_from_cents_to_an_equipped_kitchen(sound):
    articles = {line["Artikelnummer"]: line["Artikel"] for line in sound}

    assert 280 <= len(articles) <= 320
    assert len(set(articles.values())) == len(articles)
    assert len({code[:2] for code in articles}) == 10
    assert min(line["price"] for line in sound) == Decimal("2.49")
    assert max(line["price"] for line in sound) == Decimal("48000.00")
    assert any(line["quantity"] % 1 for line in sound)


def test_every_customer_has_one_name_and_at_most_one_address_of_a_reserved_domain(named):
    names, emails = defaultdict(set), defaultdict(set)
    for line in named:
        names[line["Kundennummer"]].add(line["Kundenname"])
        emails[line["Kundennummer"]].add(line["E-Mail"])
    addresses = [email for (email,) in emails.values() if email]

    assert all(len(name) == 1 for name in names.values())
    assert len({name for (name,) in names.values()}) == len(names)
    assert len(set(addresses)) == len(addresses)
    assert 0.02 < 1 - len(addresses) / len(emails) < 0.1
    for address in addresses:
        assert re.fullmatch(r"[a-z.-]+@[a-z-]+\.example", address), address


def test_the_sample_row_of_the_readme_is_in_the_list(export):
    readme = (REPOSITORY / "sources" / "demo" / "README.md").read_text(encoding="utf-8")
    header, sample = re.search(r"```csv\n(.+)\n(.+)\n```", readme).groups()

    lines = (export.folder / SALES_LIST).read_bytes().decode("cp1252").split("\r\n")
    assert lines[0] == header
    assert sample in lines


def test_the_readme_counts_every_defect(export):
    readme = (REPOSITORY / "sources" / "demo" / "README.md").read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| ([a-z ]+) \| (\d+) \|", readme, flags=re.MULTILINE))
    assert {defect: int(count) for defect, count in table.items()} == DEFECTS


def test_the_list_does_not_depend_on_hash_order_locale_or_zone(tmp_path, export):
    script = (
        "import sys; from pathlib import Path; from sources.demo.company import write_sales_list; "
        "write_sales_list(Path(sys.argv[1]))"
    )
    odd = {"PYTHONHASHSEED": "4711", "LC_ALL": "C", "TZ": "Pacific/Kiritimati", "PYTHONUTF8": "0"}
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=REPOSITORY,
        env=os.environ | odd,
        timeout=300,
        check=True,
    )

    for name in (SALES_LIST, MAPPING, TRUTH):
        assert sha256(tmp_path / name) == sha256(export.folder / name)
