"""The tuple of sources. Adding one ends with one line here."""

from sources.accounting import datev, lexware_office, sales_list
from sources.company import (
    blocking_lists,
    consent_forms,
    credit_ratings,
    monthly_targets,
    product_registrations,
    service_plan,
    social_statistics,
)
from sources.complaints import ticket_list
from sources.contract import Source
from sources.crm import hubspot, pipedrive
from sources.newsletter import mailchimp, rapidmail
from sources.reviews import google_business_profile, review_list, trustpilot

SOURCES: tuple[Source, ...] = (
    sales_list.SOURCE,
    lexware_office.SOURCE,
    datev.SOURCE,
    hubspot.SOURCE,
    pipedrive.SOURCE,
    mailchimp.SOURCE,
    rapidmail.SOURCE,
    trustpilot.SOURCE,
    google_business_profile.SOURCE,
    review_list.SOURCE,
    ticket_list.SOURCE,
    service_plan.SOURCE,
    product_registrations.SOURCE,
    credit_ratings.SOURCE,
    social_statistics.SOURCE,
    monthly_targets.SOURCE,
    consent_forms.SOURCE,
    blocking_lists.SOURCE,
)


def source_named(name: str) -> Source:
    """The source of that name. Raises KeyError, naming those there are."""
    for source in SOURCES:
        if source.name == name:
            return source
    known = ", ".join(source.name for source in SOURCES)
    raise KeyError(f"no source is called {name!r}; there are: {known}")
