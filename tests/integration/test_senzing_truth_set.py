"""Who is who on Senzing's truth set: 159 records of persons and companies made to be mistaken.

Customers, a reference list and a watch list of American persons and firms with a key of who is one.
So few records teach no model: keys alone are asked, which is what a company has in its first weeks.
"""

import math
from collections import Counter

import duckdb
import pytest

from pipelines.identity.resolution import Inputs, resolve
from tests.conftest import REPOSITORY, SHARED_DATA

SEEDS = REPOSITORY / "dbt_project" / "seeds"
FILES = ("customers", "reference", "watchlist")


@pytest.fixture(scope="module")
def resolved_set(tmp_path_factory: pytest.TempPathFactory):
    """The identities that were found, and record → cluster of the key."""
    folder = SHARED_DATA / "senzing"
    if not folder.is_dir():
        pytest.skip(f"needs the truth set of Senzing in {folder}")
    with duckdb.connect() as db:
        files = [str(folder / f"{name}.csv") for name in FILES]
        db.read_csv(files, all_varchar=True, union_by_name=True).create_view("told")
        db.execute(_VIEWS)
        for seed in ("rules", "keys", "overrides"):
            db.read_csv(str(SEEDS / f"identity_{seed}.csv")).create_view(seed)
        inputs = Inputs("organisations", "persons", "points", "rules", "keys", "overrides")
        resolve(db, inputs, {}, lambda kind: None, night=1)
        found = db.sql("select source, record_id, entity_id from matching.identities").fetchall()
        key = db.read_csv(str(folder / "actual_truthset_key.csv"), all_varchar=True).fetchall()
    return found, {(source, record): cluster for _, cluster, source, record in key}


_NAME = "coalesce(PRIMARY_NAME_ORG, PRIMARY_NAME_FULL)"
_VIEWS = f"""
create view organisations as
select DATA_SOURCE as source, RECORD_ID as record_id, null::varchar as customer_number,
    {_NAME} as name, false as is_natural_person, coalesce(ADDR_LINE1, ADDR_FULL) as street,
    ADDR_POSTAL_CODE as postcode, ADDR_CITY as city, 'US' as country, null::varchar as vat_id,
    null::varchar as domain, EMAIL_ADDRESS as email, PHONE_NUMBER as phone,
    null::varchar as merged_into_record_id
from told where RECORD_TYPE = 'ORGANIZATION';
create view persons as
select DATA_SOURCE as source, RECORD_ID as record_id, null::varchar as organisation_record_id,
    coalesce(SSN_NUMBER, PASSPORT_NUMBER) as customer_number, EMPLOYER as organisation_name,
    PRIMARY_NAME_FIRST as first_name, PRIMARY_NAME_LAST as last_name,
    coalesce(PRIMARY_NAME_FULL, concat_ws(' ', PRIMARY_NAME_FIRST, PRIMARY_NAME_LAST)) as full_name,
    EMAIL_ADDRESS as email, PHONE_NUMBER as phone, null::varchar as mobile,
    DATE_OF_BIRTH as birthday, 'US' as country, null::varchar as merged_into_record_id
from told where RECORD_TYPE = 'PERSON';
create view points as
select if(RECORD_TYPE = 'PERSON', 'person', 'organisation') as record_kind,
    DATA_SOURCE as source, RECORD_ID as record_id, channel, value, 'US' as country
from told, unnest([('email', EMAIL_ADDRESS), ('phone', PHONE_NUMBER)]) as t(point),
    lateral (select point[1] as channel, point[2] as value) where value is not null;
"""


def test_keys_alone_make_no_wrong_merge(resolved_set):
    found, key = resolved_set
    assert len(found) > 150
    together = Counter(entity for _, _, entity in found)
    true = Counter(key[source, record] for source, record, _ in found)
    both = Counter((entity, key[source, record]) for source, record, entity in found)
    right, claimed, real = (_pairs(sizes) for sizes in (both, together, true))
    print(f"Senzing: precision {right / claimed:.4f}, recall {right / real:.4f} of {real} pairs")
    assert right == claimed
    assert right > 5


def _pairs(sizes: Counter) -> int:
    return sum(math.comb(size, 2) for size in sizes.values())
