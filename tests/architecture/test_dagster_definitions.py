"""What Dagster sees: keys, groups, checks, schedule. Loaded, not run."""

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

ASSETS = """\
consent/batches
consent/contact_points
consent/events
intermediate/int_buyers_recorded
intermediate/int_complaints_linked
intermediate/int_complaints_stacked
intermediate/int_complaints_unioned
intermediate/int_consent_blocks_matched
intermediate/int_consent_decisions
intermediate/int_consent_events_proposed
intermediate/int_consent_events_unioned
intermediate/int_consent_sales_dated
intermediate/int_consent_scopes
intermediate/int_consent_signals
intermediate/int_consent_states_versioned
intermediate/int_consent_texts_hashed
intermediate/int_contact_channels_exploded
intermediate/int_contact_history_unioned
intermediate/int_contacts_stacked
intermediate/int_contacts_unioned
intermediate/int_credit_notes_tied
intermediate/int_credit_ratings_dated
intermediate/int_crm_objections_versioned
intermediate/int_cross_table_findings
intermediate/int_customer_clues_unioned
intermediate/int_customer_fields_chosen
intermediate/int_customer_fields_stacked
intermediate/int_customer_permissions
intermediate/int_customers_classified
intermediate/int_customers_consented
intermediate/int_customers_described
intermediate/int_customers_purchased
intermediate/int_customers_scored
intermediate/int_customers_staged
intermediate/int_customers_tiered
intermediate/int_customers_valued
intermediate/int_datev_bookings_classified
intermediate/int_datev_invoice_lines_named
intermediate/int_deals_unioned
intermediate/int_document_terms_unioned
intermediate/int_documents_summed
intermediate/int_documents_undone
intermediate/int_documents_versioned
intermediate/int_exchange_rates_dated
intermediate/int_hubspot_associations_pivoted
intermediate/int_hubspot_records_merged
intermediate/int_invoice_lines_unioned
intermediate/int_invoices_unioned
intermediate/int_lexware_office_lines_named
intermediate/int_lexware_office_persons_exploded
intermediate/int_lexware_office_relations_exploded
intermediate/int_monthly_targets_unioned
intermediate/int_newsletter_activity_unioned
intermediate/int_newsletter_campaigns_unioned
intermediate/int_newsletter_interests_exploded
intermediate/int_newsletter_lists_dated
intermediate/int_newsletter_members_stacked
intermediate/int_newsletter_members_versioned
intermediate/int_newsletter_subscriptions_unioned
intermediate/int_organisations_stacked
intermediate/int_organisations_unioned
intermediate/int_payments_matched
intermediate/int_payments_unioned
intermediate/int_pipedrive_channels_exploded
intermediate/int_reviews_linked
intermediate/int_reviews_unioned
intermediate/int_sales_lines_current
intermediate/int_sales_lines_identified
intermediate/int_sales_lines_keyed
intermediate/int_sales_lines_returned
intermediate/int_sales_lines_stacked
intermediate/int_sales_lines_uncredited
intermediate/int_service_contracts_stated
intermediate/int_social_statistics_kept
marts/consent_events
marts/consent_funnel
marts/consent_rate
marts/consent_status
marts/consent_status_history
marts/consent_worklist
marts/contact_points
marts/cross_table_findings
marts/customer_360
marts/customer_identities
marts/fct_complaints
marts/fct_invoice_lines
marts/fct_invoices
marts/fct_reviews
marts/identity_changes
marts/identity_review
marts/load_reconciliation
marts/mailing_permission
marts/quarantined_rows
marts/source_scorecard
marts/unmatched_records
matching/changes
matching/contact_points
matching/identities
matching/linkage_model
matching/review
matching/shared
published/stammkunde
raw_blocking_lists/entries
raw_company/settings
raw_consent_forms/declarations
raw_credit_ratings/ratings
raw_datev/account_names
raw_datev/accounts
raw_datev/bookings
raw_google_business_profile/reviews
raw_hubspot/associations
raw_hubspot/companies
raw_hubspot/contacts
raw_hubspot/deals
raw_hubspot/notes
raw_hubspot/owners
raw_hubspot/tickets
raw_lexware_office/contacts
raw_lexware_office/payment_items
raw_lexware_office/payments
raw_lexware_office/voucher_details
raw_lexware_office/voucher_lines
raw_lexware_office/vouchers
raw_mailchimp/campaigns
raw_mailchimp/email_activity
raw_mailchimp/interests
raw_mailchimp/lists
raw_mailchimp/members
raw_mailchimp/unsubscribes
raw_monthly_targets/targets
raw_pipedrive/activities
raw_pipedrive/deals
raw_pipedrive/notes
raw_pipedrive/organizations
raw_pipedrive/persons
raw_pipedrive/users
raw_product_registrations/registrations
raw_quality/loads
raw_quality/quarantined_rows
raw_quality/source_answers
raw_rapidmail/recipients
raw_review_list/reviews
raw_sales_list/lines
raw_service_plan/contracts
raw_social_statistics/days
raw_ticket_list/tickets
raw_trustpilot/reviews
reports/data_quality
rules/abc_classes
rules/accounting_rules
rules/accounting_sources
rules/acquisition_spellings
rules/complaint_categories
rules/complaint_demands
rules/complaint_priorities
rules/complaint_stages
rules/consent_collections
rules/consent_controllers
rules/consent_jurisdictions
rules/consent_notices
rules/consent_purposes
rules/consent_rules
rules/consent_similar_goods
rules/consent_texts
rules/contact_rules
rules/country_spellings
rules/cross_table_rules
rules/datev_account_ranges
rules/datev_collective_accounts
rules/datev_tax_keys
rules/exchange_rates
rules/identity_keys
rules/identity_overrides
rules/identity_rules
rules/lifecycle_rules
rules/newsletter_statuses
rules/platforms
rules/target_measures
rules/tier_rules
rules/tiers
staging/stg_blocking_lists__entry_versions
staging/stg_company__settings
staging/stg_consent__batches
staging/stg_consent__contact_points
staging/stg_consent__events
staging/stg_consent_forms__declaration_versions
staging/stg_credit_ratings__ratings
staging/stg_datev__account_names
staging/stg_datev__bookings
staging/stg_datev__debtors
staging/stg_google_business_profile__reviews
staging/stg_hubspot__associations
staging/stg_hubspot__companies
staging/stg_hubspot__contact_versions
staging/stg_hubspot__contacts
staging/stg_hubspot__deals
staging/stg_hubspot__notes
staging/stg_hubspot__owners
staging/stg_hubspot__tickets
staging/stg_lexware_office__contacts
staging/stg_lexware_office__payment_items
staging/stg_lexware_office__payments
staging/stg_lexware_office__voucher_details
staging/stg_lexware_office__voucher_lines
staging/stg_lexware_office__vouchers
staging/stg_mailchimp__campaigns
staging/stg_mailchimp__email_activity
staging/stg_mailchimp__interests
staging/stg_mailchimp__list_versions
staging/stg_mailchimp__lists
staging/stg_mailchimp__member_versions
staging/stg_mailchimp__members
staging/stg_mailchimp__unsubscribes
staging/stg_matching__changes
staging/stg_matching__contact_points
staging/stg_matching__identities
staging/stg_matching__review
staging/stg_monthly_targets__targets
staging/stg_pipedrive__activities
staging/stg_pipedrive__deals
staging/stg_pipedrive__notes
staging/stg_pipedrive__organizations
staging/stg_pipedrive__person_versions
staging/stg_pipedrive__persons
staging/stg_pipedrive__users
staging/stg_product_registrations__registration_versions
staging/stg_product_registrations__registrations
staging/stg_quality__loads
staging/stg_quality__quarantined_rows
staging/stg_quality__source_answers
staging/stg_rapidmail__recipient_versions
staging/stg_rapidmail__recipients
staging/stg_review_list__reviews
staging/stg_sales_list__lines
staging/stg_service_plan__contracts
staging/stg_social_statistics__days
staging/stg_ticket_list__tickets
staging/stg_trustpilot__reviews
""".split()


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    from pipelines.definitions import stammkunde

    return stammkunde()


@pytest.fixture(scope="module")
def graph(definitions: dg.Definitions):
    return definitions.resolve_asset_graph()


def test_the_assets_are_exactly_these(graph):
    keys = sorted(key.to_user_string() for key in graph.get_all_asset_keys())
    assert keys == ASSETS


def test_every_asset_is_one_that_can_be_materialised(graph):
    assert set(graph.materializable_asset_keys) == set(graph.get_all_asset_keys())


def test_an_asset_key_is_schema_and_table_and_the_group_is_the_schema(graph):
    for key in graph.get_all_asset_keys():
        assert len(key.path) == 2, key
        assert graph.get(key).group_name == key.path[0], key


def test_every_asset_has_a_description_and_a_kind(graph):
    for key in graph.get_all_asset_keys():
        assert graph.get(key).description, key
        assert graph.get(key).kinds, key


def test_raw_and_marts_promise_freshness(graph):
    for key in graph.get_all_asset_keys():
        if key.path[0] == "marts" or key.path[0] == "raw_sales_list":
            assert graph.get(key).freshness_policy_or_from_metadata is not None, key


def test_what_is_published_waits_for_every_mart(graph):
    parents = graph.get(dg.AssetKey(["published", "stammkunde"])).parent_keys
    assert parents == {key for key in graph.get_all_asset_keys() if key.path[0] == "marts"}


def test_every_raw_table_has_the_same_checks_which_are_sentences_that_say_the_harm(graph):
    tables = {key for key in graph.get_all_asset_keys() if key.path[0].startswith("raw_")}
    registered = {key for key in tables if key.path[0] in ("raw_company", "raw_quality")}
    for asset in tables - registered:
        checks = [graph.get(key) for key in graph.asset_check_keys if key.asset_key == asset]
        assert {check.key.name: bool(check.description) for check in checks} == {
            "everything_could_be_read": True,
            "every_load_was_let_in": True,
            "landed_rows_are_accepted_or_quarantined": True,
            "it_arrived_on_time": True,
            "it_is_as_much_and_as_composed_as_usual": True,
            "its_columns_and_forms_are_as_agreed": True,
            "its_rows_are_valid": True,
        }, asset
        blocking = {check.key.name for check in checks if check.blocking}
        everywhere = {"landed_rows_are_accepted_or_quarantined"}
        required = {"everything_could_be_read", "every_load_was_let_in"}
        accounting = {"raw_sales_list", "raw_lexware_office", "raw_datev"}
        assert blocking == everywhere | (required if asset.path[0] in accounting else set()), asset


def test_the_night_begins_at_two_in_berlin(definitions: dg.Definitions):
    nightly = definitions.resolve_schedule_def("nightly")
    assert nightly.cron_schedule == "0 2 * * *"
    assert nightly.execution_timezone == "Europe/Berlin"
    assert nightly.default_status is dg.DefaultScheduleStatus.RUNNING
    assert nightly.job_name == "refresh_customer_360"


def test_failed_checks_are_watched_for_from_the_start(definitions: dg.Definitions):
    sensor = definitions.resolve_sensor_def("alert_on_failed_checks")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 60


def test_loading_the_definitions_is_cheap_and_needs_no_secret(tmp_path: Path):
    script = (
        "import sys, json; from pipelines.definitions import stammkunde; stammkunde(); "
        "print(json.dumps([name for name in ('great_expectations', 'splink', 'pandas') "
        "if name in sys.modules]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(run.stdout.splitlines()[-1]) == []
