"""A company of a million customers and ten million invoices, drawn by DuckDB into the lake.

For benchmarks, and for whatever depends on size; `company.py` and `world.py` are the ones to look
at. Lost against them: rhythm (no seasons, no Sundays; nobody is drawn to stop), sizes (who came
earlier bought more often, that is all), segments, private persons, Austria and Switzerland,
payments, deals, tickets, reviews, campaigns, partial credit notes and most defects. Nothing is read
or judged here, and nothing is committed but by `Lake.land`.

    python -m sources.demo.at_scale --home HOME --customers 1000000 --invoices 10000000
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa

from sources.accounting.sales_list import LINES
from sources.contract import Batch, Table
from sources.crm.hubspot import COMPANIES, CONTACTS
from sources.demo.company import (
    AS_OF,
    DAYS,
    FIRST_DAY,
    FIRST_NAMES,
    SMALLEST_COMPANY,
    SURNAMES,
    TOWNS,
    draw_books,
    plain_letters,
)
from sources.landing import Lake
from sources.newsletter.mailchimp import LISTS, MEMBERS
from sources.single_writer import single_writer

# Raised whenever the same seed gives other rows.
EDITION = 1
SEED = 20_260_101
# A VAT id that begins with 99 has six digits left to tell customers apart.
MOST_CUSTOMERS = 1_000_000
INVOICES_PER_CHUNK, CUSTOMERS_PER_CHUNK = 50_000, 100_000

COMPANY_FILE = "stammkunde.yml"
# With two systems named the home is no longer the demo company's; without their secrets nobody is
# asked for anything.
SETTINGS = f"""\
# Written by `python -m sources.demo.at_scale`. The variable named here is not meant to be set:
# everything is in the lake already.
as_of: {AS_OF}
sources:
  hubspot:
    secrets: {{access_token: AT_SCALE_HAS_NO_SECRET}}
  mailchimp:
    options: {{data_centre: us0}}
    secrets: {{api_key: AT_SCALE_HAS_NO_SECRET}}
"""

# SQL over a landed table: the number of the customer that a record belongs to, whatever it says.
CUSTOMER_OF = {
    ("hubspot", "companies"): "(10000000 + id::bigint % 1000000000 // 10)::varchar",
    ("hubspot", "contacts"): "(10000000 + id::bigint % 1000000000 // 10)::varchar",
    ("mailchimp", "members"): "ltrim(contact_id, '0')",
}

_WORDS = {
    "surnames": SURNAMES,
    "first_names": FIRST_NAMES,
    "towns": [town for town, country in TOWNS if country == "DE"],
    "trades": "Hotel Gasthof Kantine Bäckerei Klinik Feinküche Konditorei Mensa Bistro "
    "Metzgerei".split(),
    "legal_forms": ("GmbH", "GmbH & Co. KG", "e. K.", "OHG"),
    # Kept free for films by the Bundesnetzagentur, see organisations.py.
    "exchanges": ("30 23125", "69 90009", "40 66969", "221 4710", "89 99998"),
}

# A customer is `i`, an invoice `j`, both from 0. What is drawn is a hash of the seed and of what it
# is for, so that every row can be made without the others. All amounts are in cents.
_COMPANY = """
create macro size(what) as getvariable(what)::bigint;
create macro draw(topic, n, below) as
    (hash(size('seed'), topic, n::bigint) % below::ubigint)::bigint;
create macro one_of(words, n) as getvariable(words)[1 + n % len(getvariable(words))];
create macro day_of(j) as j * size('days') // size('invoices');
-- All the time new customers join: so many there are with invoice j.
create macro joined(j) as
    ((j + 1) * size('customers') + size('invoices') - 1) // size('invoices');
-- Every tenth customer buys once and never again.
create macro buying_again(i) as i - (i % 10 = 9)::bigint;
-- ISO 7064, MOD 11,10, as in organisations.vat_id.
create macro check_digit(digits) as (11 - list_reduce(
    list_transform(string_split(digits, ''), lambda digit: digit::bigint),
    lambda product, digit: ((product + digit - 1) % 10 + 1) * 2 % 11,
    10
)) % 10;

create table customers as
with names as (
    select
        i,
        len(getvariable('surnames')) as surnames,
        -- This factor and the number of names have no divisor in common: no name comes twice.
        (i * 611953 + draw('first of all', 0, 1000000))
            % (surnames * surnames * len(getvariable('trades'))) as k,
        one_of('trades', k // surnames // surnames) as trade,
        one_of('surnames', k) as owner,
        one_of('surnames', k // surnames) as partner,
        draw('first name', i, 1000) as first_place,
        one_of('first_names', first_place) as owner_first,
        one_of('first_names', first_place + 1) as partner_first,
        day_of(i * size('invoices') // size('customers')) as since
    from range(size('customers')) as t(i)
)
select
    i,
    (10000000 + i)::varchar as number,
    trade.word as trade,
    trade.word || ' ' || owner.word || ' & ' || partner.word as short_name,
    short_name || ' ' || one_of('legal_forms', draw('legal form', i, 100)).word as name,
    concat_ws('-', trade.plain, owner.plain, partner.plain) || '.example' as domain,
    'info@' || domain as shared_mailbox,
    owner_first.word as owner_first,
    partner_first.word as partner_first,
    owner.word as owner,
    partner.word as partner,
    owner_first.plain || '.' || owner.plain || '@' || domain as owner_mailbox,
    partner_first.plain || '.' || partner.plain || '@' || domain as partner_mailbox,
    getvariable('first_day') + since::int
        + to_seconds(28800 + draw('time of day', i, 36000)) as created,
    created + to_days(draw('changed', i, size('days') - since)::int) as changed
from names;
"""

_SALES = """
create macro sold(first, beyond) as table
with invoices as (
    select
        j,
        joined(j) > joined(j - 1) as is_first,
        case
            when is_first then joined(j) - 1 else buying_again(draw('customer', j, joined(j)))
        end as i,
        not is_first and draw('credited', j, 40) = 0 and day_of(j) + 10 < size('days')
            as is_credited,
        not is_first and not is_credited and draw('bad', j, 500) = 0 as is_spoilt,
    from range(first, beyond) as t(j)
),
documents as (
    select *, unnest(case when is_credited then [1, -1] else [1] end) as sign from invoices
),
lines as (
    select *, unnest(range(1 + draw('lines', j, 3))) as line from documents
)
select
    *,
    3 * j + line as line_key,
    -- Cheap articles come first and are sold most; a third of them for each line of an invoice, so
    -- that none stands there twice.
    3 * (draw('article', line_key, 1000) * draw('dearer', line_key, 1000)
        * (len(getvariable('articles')) // 3) // 1000000) + line as place,
    one_of('articles', place) as article,
    -- Without the parentheses DuckDB looks for a table of that name.
    sign * (1 + draw('quantity', line_key, (article).most)) as quantity,
    getvariable('first_day') + (day_of(j) + case sign when 1 then 0 else 10 end)::int as day,
    case when is_spoilt and line = 1 then 1 + j % 2 end as defect
from lines;

create macro landed_lines(first, beyond) as table
select
    row_number() over (order by j, sign desc, line) as _row,
    case when defect = 1 then '31.02.2025' else strftime(day, '%d.%m.%Y') end as date,
    case when sign = 1 then 'RE-' else 'GS-' end || lpad((j + 1)::varchar, 8, '0')
        as invoice_number,
    number as customer_number,
    name as customer_name,
    case i % 5 when 0 then owner_mailbox when 4 then null else shared_mailbox end as email,
    article.code as product_code,
    article.name as product,
    case when defect = 2 then 'zwei' else quantity::varchar end as quantity,
    (article.cents // 100)::varchar || ',' || lpad((article.cents % 100)::varchar, 2, '0')
        as unit_price,
    'EUR' as currency,
    case when sign = 1 then 'invoice' else 'credit_note' end as document_kind,
    'negative' as credit_note_amounts,
    ',' as _decimal_mark
from sold(first, beyond)
inner join customers using (i);
"""

_RELATIONS = """
create macro written_by_hubspot(moment) as strftime(moment, '%Y-%m-%dT%H:%M:%S.000Z');
create macro written_by_mailchimp(moment) as strftime(moment, '%Y-%m-%dT%H:%M:%S+00:00');
create macro long_letters(text) as replace(replace(replace(replace(replace(replace(replace(
    text, 'ä', 'ae'), 'ö', 'oe'), 'ü', 'ue'), 'Ä', 'Ae'), 'Ö', 'Oe'), 'Ü', 'Ue'), 'ß', 'ss');
create macro short_letters(text) as translate(replace(text, 'ß', 'ss'), 'äöüÄÖÜ', 'aouAOU');
create macro without_letter(text, n) as left(text, 2 + n) || substr(text, 4 + n);
-- As somebody in sales wrote it down: of ten names six are right.
create macro misspelt(name, short_name, n) as case draw('spelling', n, 10)
    when 0 then long_letters(name)
    when 1 then short_letters(name)
    when 2 then short_name
    when 3 then without_letter(name, draw('slip', n, length(short_name) - 4))
    else name
end;

-- Six customers in ten; one in a hundred of all a second time, without any number.
create macro landed_companies(first, beyond) as table
with records as (
    select
        *,
        unnest(case when i % 100 = 0 then [0, 1] else [0] end) as copy,
        1000000000 + 10 * i + copy as record,
        '99' || lpad(i::varchar, 6, '0') as digits,
        draw('town', i, 1000) as place,
    from customers
    where i >= first and i < beyond and i % 10 < 6
)
select
    row_number() over (order by record) as _row,
    record::varchar as id,
    misspelt(name, short_name, record) as name,
    domain,
    'https://www.' || domain as website,
    case when i % 2 = 0 then '+49 ' else '0' end || one_of('exchanges', i).word
        || lpad((i // 5 % 1000)::varchar, 3, '0') || (i // 5000)::varchar as phone,
    partner || 'straße ' || (1 + draw('house', i, 97)) as address,
    lpad((1067 + 1087 * (place % len(getvariable('towns'))))::varchar, 5, '0') as zip,
    one_of('towns', place).word as city,
    'Germany' as country,
    trade as industry,
    'customer' as lifecyclestage,
    case when copy = 0 and i % 3 = 0 then number end as customer_number,
    case when copy = 0 and i % 3 = 1 then 'DE' || digits || check_digit(digits) end as vat_id,
    'ORGANIC_SEARCH' as hs_analytics_source,
    written_by_hubspot(created) as createdate,
    written_by_hubspot(changed) as hs_lastmodifieddate,
    '.' as _decimal_mark
from records;

-- The owner of each of these customers, and of every third the partner, too.
create macro landed_contacts(first, beyond) as table
with records as (
    select
        *,
        unnest(case when i % 3 = 0 then [0, 1] else [0] end) as place,
        2000000000 + 10 * i + place as record,
        case place when 0 then owner else partner end as last_name,
    from customers
    where i >= first and i < beyond and i % 10 < 6
)
select
    row_number() over (order by record) as _row,
    record::varchar as id,
    case place when 0 then owner_mailbox else partner_mailbox end as email,
    case place when 0 then owner_first else partner_first end as firstname,
    misspelt(last_name, last_name, record) as lastname,
    case place when 0 then 'Inhaber' else 'Einkauf' end as jobtitle,
    'de' as hs_language,
    misspelt(name, short_name, record) as company,
    (1000000000 + 10 * i)::varchar as associatedcompanyid,
    'customer' as lifecyclestage,
    (draw('objection', record, 20) = 0)::varchar as hs_email_optout,
    written_by_hubspot(created) as createdate,
    written_by_hubspot(changed) as lastmodifieddate,
    '.' as _decimal_mark
from records;

create macro landed_lists(first, beyond) as table
select
    1 as _row,
    'c0ffee0001' as id,
    'Newsletter Culinary Cooking' as name,
    written_by_mailchimp(getvariable('first_day')) as date_created,
    'true' as double_optin,
    '.' as _decimal_mark;

-- Four customers in ten, half of whom HubSpot knows.
create macro landed_members(first, beyond) as table
with records as (
    select
        *,
        case when i % 3 = 0 then owner_mailbox else shared_mailbox end as mailbox,
        draw('standing', i, 20) as standing,
        created + to_minutes(1 + draw('confirmed', i, 240)) as confirmed,
    from customers
    where i >= first and i < beyond and i % 10 between 4 and 7
)
select
    row_number() over (order by i) as _row,
    'c0ffee0001' as list_id,
    md5(mailbox) as id,
    lpad(number, 32, '0') as contact_id,
    case when draw('typed', i, 20) = 0 then upper(mailbox) else mailbox end as email_address,
    case
        when standing < 14 then 'subscribed'
        when standing < 16 then 'unsubscribed'
        when standing < 18 then 'pending'
        when standing = 18 then 'cleaned'
        else 'archived'
    end as status,
    -- An address that was imported has no form behind it.
    case when standing < 2 then '' else written_by_mailchimp(created) end as timestamp_signup,
    case when status = 'pending' then '' else written_by_mailchimp(confirmed) end as timestamp_opt,
    case when standing < 2 then '' else '192.0.2.' || i % 255 end as ip_signup,
    case when status = 'pending' then '' else '192.0.2.' || i % 255 end as ip_opt,
    written_by_mailchimp(greatest(confirmed, changed)) as last_changed,
    '{}' as interests,
    json_object('FNAME', owner_first, 'LNAME', owner, 'COMPANY', name)::varchar as merge_fields,
    'de' as language,
    'false' as vip,
    '.' as _decimal_mark
from records;
"""


@dataclass(frozen=True)
class ScaleTruth:
    """What is known of a landed company, whatever a reader makes of it.

    Every customer has one invoice at least. lines counts those of the credit notes (`credit_notes`
    of them, each undoing one invoice as a whole) and the bad ones, which the gate must stop;
    net_revenue (EUR) leaves the bad ones out. companies includes duplicates, records of a customer
    who has another one, too. `CUSTOMER_OF` tells whose record it is.
    """

    customers: int
    invoices: int
    credit_notes: int
    lines: int
    bad_lines: int
    net_revenue: Decimal
    companies: int
    duplicates: int
    contacts: int
    members: int


@dataclass(frozen=True)
class _Load:
    """Customers or invoices first to beyond, and how many of them make a chunk."""

    source: str
    table: Table
    first: int
    beyond: int
    step: int
    file: str | None = None


def write_landed(
    lake: Lake,
    *,
    customers: int = 1_000_000,
    invoices: int = 10_000_000,
    seed: int = SEED,
    progress: Callable[[str], None],
) -> ScaleTruth:
    """Land the company: five yearly sales lists, HubSpot's and Mailchimp's records; tell the truth.

    The same numbers give the same rows (with one version of DuckDB, whose hash draws them), and
    what lies in the lake already is not landed again. The caller holds the writer's lock. Raises
    ValueError for a size that cannot be, OSError where the lake cannot be written.
    """
    if not 1 <= customers <= min(MOST_CUSTOMERS, invoices):
        raise ValueError(
            f"{customers:,} customers with {invoices:,} invoices cannot be: each has one at least, "
            f"and there are {MOST_CUSTOMERS:,} customers at most"
        )
    with duckdb.connect() as db:
        progress(f"drawing {customers:,} customers")
        _draw(db, customers, invoices, seed)
        for load in _loads(customers, invoices):
            name = f"{load.source}.{load.table.name} {load.file or ''}".rstrip()
            identity = [EDITION, seed, customers, invoices, name]
            checksum = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
            if checksum in lake.checksums(load.source, load.table.name):
                progress(f"{name} is there already")
                continue
            progress(f"landing {name}")
            batch = Batch(load.table, checksum, _chunks(db, load), _about(load))
            lake.land(load.source, batch, pulled_at=datetime(*AS_OF.timetuple()[:3], tzinfo=UTC))
        progress("counting")
        return _truth(db, customers, invoices)


def _draw(db: duckdb.DuckDBPyConnection, customers: int, invoices: int, seed: int) -> None:
    products = draw_books(SMALLEST_COMPANY, seed).products
    articles = zip(
        products.codes,
        products.names,
        products.cents.tolist(),
        products.most.tolist(),
        strict=True,
    )
    variables = {
        "customers": customers,
        "invoices": invoices,
        "seed": seed,
        "days": DAYS,
        "first_day": FIRST_DAY,
        "articles": [
            dict(zip(("code", "name", "cents", "most"), each, strict=True)) for each in articles
        ],
        **{
            name: [{"word": word, "plain": plain_letters(word)} for word in words]
            for name, words in _WORDS.items()
        },
    }
    for name, value in variables.items():
        db.execute(f"set variable {name} = ?", [value])
    for script in (_COMPANY, _SALES, _RELATIONS):
        db.execute(script)


def _loads(customers: int, invoices: int) -> Iterator[_Load]:
    years = range(FIRST_DAY.year, AS_OF.year + 1)
    # The first invoice of each year: its day, counted from the first, is j * DAYS // invoices.
    firsts = [-(-(date(year, 1, 1) - FIRST_DAY).days * invoices // DAYS) for year in years]
    for year, first, beyond in zip(years, firsts, firsts[1:], strict=False):
        file = f"verkaufsliste_{year}.csv"
        yield _Load("sales_list", LINES, first, beyond, INVOICES_PER_CHUNK, file)
    for table in (COMPANIES, CONTACTS):
        yield _Load("hubspot", table, 0, customers, CUSTOMERS_PER_CHUNK)
    yield _Load("mailchimp", LISTS, 0, 1, 1)
    yield _Load("mailchimp", MEMBERS, 0, customers, CUSTOMERS_PER_CHUNK)


def _about(load: _Load) -> dict:
    return {"file": load.file} if load.file else {"covers": "everything"}


def _chunks(db: duckdb.DuckDBPyConnection, load: _Load) -> Iterator[pa.Table]:
    # The header is row 1 of a file.
    rows = 1 if load.file else 0
    for first in range(load.first, load.beyond, load.step):
        chunk = db.execute(
            "select * replace (_row + ? as _row), ? as _file "
            f"from landed_{load.table.name}(?, ?) order by _row",
            [rows, load.file, first, min(first + load.step, load.beyond)],
        ).to_arrow_table()
        rows += chunk.num_rows
        yield chunk


def _truth(db: duckdb.DuckDBPyConnection, customers: int, invoices: int) -> ScaleTruth:
    ((lines, credit_notes, bad_lines, cents),) = db.execute(
        "select count(*), count(*) filter (sign = -1 and line = 0), count(defect), "
        "sum(quantity * article.cents) filter (defect is null) from sold(0, ?)",
        [invoices],
    ).fetchall()
    records = {
        name: db.execute(f"select count(*) from landed_{name}(0, ?)", [customers]).fetchall()[0][0]
        for name in ("companies", "contacts", "members")
    }
    return ScaleTruth(
        customers=customers,
        invoices=invoices,
        credit_notes=credit_notes,
        lines=lines,
        bad_lines=bad_lines,
        net_revenue=Decimal(cents).scaleb(-2),
        duplicates=-(-customers // 100),
        **records,
    )


def main(arguments: list[str] | None = None) -> None:
    """Fill a home, and print the truth as JSON; progress goes to stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m sources.demo.at_scale", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--home", type=Path, required=True, help="made where it is not there")
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--invoices", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args(arguments)
    given.home.mkdir(parents=True, exist_ok=True)
    settings = given.home / COMPANY_FILE
    if not settings.exists():
        settings.write_text(SETTINGS)
    with single_writer(given.home, parser.prog):
        truth = write_landed(
            Lake(given.home / "lake"),
            customers=given.customers,
            invoices=given.invoices,
            seed=given.seed,
            progress=lambda message: print(message, file=sys.stderr, flush=True),
        )
    print(json.dumps(asdict(truth), default=str, indent=2))


if __name__ == "__main__":
    main()
