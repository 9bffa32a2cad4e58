"""Which sources are on, how they are reached, and what the company's YAML must say for that."""

import json
from pathlib import Path

import pytest

from pipelines.settings import SettingsProblem, load_settings
from sources.access import Setup, is_demo, is_on, reached
from sources.contract import SourceProblem
from sources.landing import Lake
from sources.registry import SOURCES, source_named

SYSTEMS = [source for source in SOURCES if source.secrets]
DROPS = [source for source in SOURCES if not source.secrets]
KEY = "pat-na1-canary-secret"


def settings_of(home: Path, said: str = "", **environment: str):
    if said:
        (home / "stammkunde.yml").write_text(said)
    return load_settings({"STAMMKUNDE_HOME": str(home), **environment})


def setup_of(home: Path, said: str = "", **environment: str) -> tuple[Setup, Lake]:
    settings = settings_of(home, said, **environment)
    return settings.setup, Lake(settings.lake)


def reach(source: str, setup: Setup, lake: Lake):
    with reached(source_named(source), setup, lake, progress=print) as pull:
        return pull


def test_in_an_untouched_home_the_demo_company_is_on_with_every_source(home: Path):
    setup, lake = setup_of(home)
    assert is_demo(setup, lake)
    assert [source.name for source in SOURCES if not is_on(source, setup, lake)] == []


def test_a_dropped_file_of_any_source_ends_the_demo_and_no_system_is_asked(home: Path):
    setup, lake = setup_of(home)
    (setup.inbox("ticket_list") / "tickets.csv").write_text("ticket_id;opened_at\n")
    assert not is_demo(setup, lake)
    assert [source.name for source in SYSTEMS if is_on(source, setup, lake)] == []
    assert all(is_on(source, setup, lake) for source in DROPS)


def test_a_mapping_or_a_hidden_file_alone_is_no_data(home: Path):
    setup, lake = setup_of(home)
    (setup.inbox("sales_list") / "mapping.yml").write_text("columns: {date: Datum}\n")
    (setup.inbox("sales_list") / ".list.csv.part").write_text("")
    (setup.inbox("sales_list") / "~$list.xlsx").write_text("")
    assert is_demo(setup, lake)


def test_a_system_that_is_named_is_on_and_ends_the_demo(home: Path):
    said = "sources: {hubspot: {secrets: {access_token: HUBSPOT_TOKEN}}}"
    setup, lake = setup_of(home, said, HUBSPOT_TOKEN=KEY)
    assert not is_demo(setup, lake)
    assert [source.name for source in SYSTEMS if is_on(source, setup, lake)] == ["hubspot"]
    assert reach("hubspot", setup, lake).connection.secrets["access_token"] == KEY


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_source_can_be_switched_off_in_the_demo_too(home: Path, source):
    setup, lake = setup_of(home, f"sources: {{{source.name}: {{enabled: false}}}}")
    assert is_demo(setup, lake)
    assert not is_on(source, setup, lake)
    assert sum(is_on(other, setup, lake) for other in SOURCES) == len(SOURCES) - 1


def test_options_are_filled_with_their_defaults_and_the_companys_word_wins(home: Path):
    said = (
        "sources:\n  hubspot:\n    secrets: {access_token: HUBSPOT_TOKEN}\n"
        "    options: {overlap_minutes: 45}\n"
    )
    setup, lake = setup_of(home, said, HUBSPOT_TOKEN=KEY)
    options = reach("hubspot", setup, lake).connection.options
    assert options["base_url"] == "https://api.hubapi.com"
    assert options["overlap_minutes"] == "45"
    assert options["read_all_after_days"] == "7"


def test_a_variable_that_is_not_set_is_named(home: Path):
    setup, lake = setup_of(home, "sources: {hubspot: {secrets: {access_token: HUBSPOT_TOKEN}}}")
    with pytest.raises(SourceProblem, match="environment variable HUBSPOT_TOKEN is not set"):
        reach("hubspot", setup, lake)


def test_a_system_without_its_secret_is_told_what_to_write(home: Path):
    said = "sources: {hubspot: {enabled: true}, pipedrive: {secrets: {api_token: TOKEN}}}"
    setup, lake = setup_of(home, said, TOKEN=KEY)
    with pytest.raises(SourceProblem, match="names no environment variable for access_token"):
        reach("hubspot", setup, lake)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("sources: {hubspott: {}}", "did you mean 'hubspot'?"),
        ("sources: [hubspot]", "write entries such as"),
        ("sources: {hubspot: {secret: {}}}", "did you mean 'secrets'?"),
        ("sources: {hubspot: {enabled: maybe}}", "enabled must be true or false"),
        ("sources: {hubspot: {options: {bas_url: x}}}", "did you mean 'base_url'?"),
        ("sources: {hubspot: {secrets: {token: HUBSPOT_TOKEN}}}", "unknown entry 'token'"),
        ("sources: {sales_list: {secrets: {key: KEY}}}", "known are: none"),
    ],
)
def test_a_wrong_entry_is_named_with_its_remedy(home: Path, said: str, answer: str):
    with pytest.raises(SettingsProblem) as problem:
        settings_of(home, said)
    assert answer in str(problem.value)
    assert "stammkunde.yml" in str(problem.value)


def test_a_secret_in_the_yaml_is_refused_and_not_repeated(home: Path):
    with pytest.raises(SettingsProblem) as problem:
        settings_of(home, f"sources: {{hubspot: {{secrets: {{access_token: {KEY}}}}}}}")
    assert "HUBSPOT_ACCESS_TOKEN" in str(problem.value)
    assert KEY not in str(problem.value)


def test_a_secret_is_not_seen_where_settings_are_printed(home: Path):
    said = "sources: {hubspot: {secrets: {access_token: HUBSPOT_TOKEN}}}"
    settings = settings_of(home, said, HUBSPOT_TOKEN=KEY)
    pull = reach("hubspot", settings.setup, Lake(settings.lake))
    assert KEY not in f"{settings!r} {pull!r} {pull.connection}"


def test_real_loads_end_the_demo_even_when_the_inbox_is_empty_again(home: Path):
    setup, lake = setup_of(home)
    load = lake.folder("accepted", "sales_list", "lines") / "00000001-aaaaaaaaaaaa"
    load.mkdir(parents=True)
    (load / "load.json").write_text(json.dumps({"load_id": load.name, "is_demo": False}))
    assert not is_demo(setup, lake)
