"""The demo company's systems by the name of the source: what files it drops, what server it runs.

How a system's records look is known in its own module.
"""

import contextlib
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

from starlette.types import ASGIApp

from sources.contract import Pull
from sources.demo.company import CURRENCY, CUSTOMERS, write_sales_list
from sources.demo.serving import Paced, serving

# A hundred times faster than the vendors, so that a first look does not take an hour.
REQUESTS_A_SECOND = 400

SERVERS = {
    "lexware_office": "sources.demo.lexware_office_server",
    "hubspot": "sources.demo.hubspot_server",
    "pipedrive": "sources.demo.pipedrive_server",
    "mailchimp": "sources.demo.mailchimp_server",
    "trustpilot": "sources.demo.trustpilot_server",
    "google_business_profile": "sources.demo.google_business_profile_server",
}


def _as_it_is(app: ASGIApp) -> ASGIApp:
    return app


@contextlib.contextmanager
def demo_pull(
    source: str,
    folder: Path,
    *,
    progress: Callable[[str], None],
    customers: int = CUSTOMERS,
    disturbed: Callable[[ASGIApp], ASGIApp] = _as_it_is,
) -> Iterator[Pull]:
    """What to pull a source of the demo company with; its server runs while the block lasts.

    disturbed may wrap the server's app, to see what becomes of a pull when it misbehaves.
    """
    inbox = folder / source
    if source == "sales_list":
        inbox.mkdir(parents=True, exist_ok=True)
        write_sales_list(inbox, customers=customers, progress=progress)
        yield Pull(inbox=inbox, reporting_currency=CURRENCY)
        return
    # Drawing all that is known of the company takes seconds: only where it is asked for.
    from sources.demo.relations import draw_relations
    from sources.demo.world import draw_world

    progress(f"Opening {source} of the demo company")
    world = draw_world(customers=customers)
    if source == "datev":
        from sources.demo.datev_files import write_datev_files

        write_datev_files(inbox, world)
        yield Pull(inbox=inbox, reporting_currency=CURRENCY)
        return
    relations = draw_relations(world)
    if source not in SERVERS:
        from sources.demo.dropped_files import write_dropped_file

        write_dropped_file(inbox, source, world, relations)
        yield Pull(inbox=inbox, reporting_currency=CURRENCY)
        return
    server = importlib.import_module(SERVERS[source])
    app = server.app(server.books(world, relations))
    with serving(disturbed(Paced(app, requests=REQUESTS_A_SECOND, seconds=1))) as base_url:
        yield Pull(inbox=inbox, reporting_currency=CURRENCY, connection=server.connection(base_url))
