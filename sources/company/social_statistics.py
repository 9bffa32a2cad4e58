"""Social media statistics: followers, interactions and mentions per platform and day.

Nothing in them is about a single customer; single posts and reviews are not read here.
"""

from sources.contract import Column, Source, Table
from sources.dropped_lists import DroppedList

DAYS = Table(
    name="days",
    grain="One row per platform and day.",
    key=("platform", "day"),
    dated_by="day",
    columns=(
        Column("platform", "Platform the figures come from.", required=True),
        Column("day", "Day the figures are about.", kind="date", required=True),
        Column("followers", "Followers at the end of the day.", kind="integer"),
        Column("interactions", "Likes, comments and shares of the day.", kind="integer"),
        Column("mentions", "Mentions of the company on the day.", kind="integer"),
        Column("own_posts", "What the company itself posted on the day.", kind="integer"),
    ),
)

LIST = DroppedList(
    table=DAYS,
    spellings={
        "platform": ("Plattform", "Netzwerk", "Kanal", "channel", "network"),
        "day": ("Tag", "Datum", "date"),
        "followers": ("Follower", "Abonnenten", "Fans", "subscribers"),
        "interactions": ("Interaktionen", "Reaktionen", "engagements", "reactions"),
        "mentions": ("Erwähnungen", "Nennungen"),
        "own_posts": ("Eigene Beiträge", "Beiträge", "posts"),
    },
)

SOURCE = Source(
    name="social_statistics",
    title="Social media statistics (CSV, TSV, XLSX, Parquet)",
    area="company",
    tables=(DAYS,),
    owner="marketing",
    access="File drop by hand from the platforms' statistics pages, which forget old days.",
    promised_age_hours=7 * 24,
    pull=LIST.pull,
    check=LIST.check,
)
