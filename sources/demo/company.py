"""Culinary Cooking GmbH, the made-up supplier of commercial kitchens: who buys what, and when.

One seed draws the whole company; this module also writes its sales list in the form German
accounting tools export. What else is known of the customers is `world.py`'s business. Nothing is
read or judged here, and no name belongs to anyone real.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np

FIRST_DAY = date(2021, 1, 1)
AS_OF = date(2026, 1, 1)
CURRENCY = "EUR"
CUSTOMERS = 2_000
SALES_LIST = "culinary_cooking_sales_list.csv"
MAPPING = "mapping.yml"
TRUTH = ".demo_truth.json"

# Raised whenever the same seed gives other bytes, so that a list of an older edition is replaced.
EDITION = 1

HEADER = (
    "Belegdatum",
    "Belegnummer",
    "Belegart",
    "Kundennummer",
    "Kundenname",
    "E-Mail",
    "Artikelnummer",
    "Artikel",
    "Menge",
    "Einzelpreis",
    "Währung",
)
_AT = {name: position for position, name in enumerate(HEADER)}

MAPPING_TEXT = """\
columns:            # left: our name, right: the header in your file
  date: Belegdatum
  invoice_number: Belegnummer
  customer_number: Kundennummer
  customer_name: Kundenname
  email: E-Mail
  product_code: Artikelnummer
  product: Artikel
  quantity: Menge
  unit_price: Einzelpreis
  currency: Währung
credit_note: {column: Belegart, values: [Gutschrift]}
decimal_mark: ","
encoding: windows-1252
delimiter: ";"
"""

# A different count for each class: two classes mixed up cannot cancel out.
DEFECTS = {
    "impossible date": 3,
    "date in the future": 4,
    "unreadable quantity": 5,
    "negative quantity on an invoice": 6,
    "zero price": 7,
    "missing price": 8,
    "too few fields": 9,
    "repeated line": 10,
    "missing customer": 11,
}
FIELDS_OF_A_SHORT_ROW = 8
# A leap year, so that the 29th of February stays a day.
FUTURE_YEAR = 2052

# Where private persons have their mailbox.
FREE_MAIL = "postfach.example"

SMALLEST_COMPANY = 200
# The word lists hold enough different names for this many, and invoice numbers enough digits.
LARGEST_COMPANY = 20_000

# How much of an invoice credit notes have undone.
_NOT, _PARTLY, _FULLY = range(3)

DAYS = (AS_OF - FIRST_DAY).days
_NEW_FOR_DAYS = 180
_SILENT_INTERVALS = 3


class Topic(IntEnum):
    """What has a random stream of its own: a topic appended later changes no draw of the others."""

    CUSTOMERS = 0
    PURCHASES = 1
    LINES = 2
    CREDIT_NOTES = 3
    COUNTER_SALES = 4
    DEFECTS = 5
    LEADS = 6
    ORGANISATIONS = 7
    PEOPLE = 8
    PAYMENTS = 9
    SERVICE_CONTRACTS = 10
    REGISTRATIONS = 11
    CREDIT_RATINGS = 12
    SOCIAL_STATISTICS = 13
    MONTHLY_TARGETS = 14
    CONSENT_FORMS = 15
    BLOCKING_LISTS = 16


# Segment: share of the customers, size against the average, what it buys more or less of.
SEGMENTS = {
    "hotel": (0.22, 1.3, {"KD": 1.4, "GN": 1.2}),
    "restaurant": (0.34, 0.7, {"HE": 1.5, "GN": 1.3}),
    "canteen": (0.12, 1.6, {"SP": 1.6, "VB": 1.5}),
    "bakery": (0.14, 0.8, {"KG": 2.0, "HE": 0.4, "KT": 1.5}),
    "hospital": (0.05, 2.8, {"SP": 1.8, "DL": 1.6, "KD": 1.3}),
    "caterer": (0.08, 1.0, {"KG": 1.5, "GN": 1.8, "LT": 0.3}),
    "private": (0.05, 0.08, {"DL": 0.2, "LT": 0.1, "VB": 0.4}),
}
_PRIVATE = list(SEGMENTS).index("private")


def _words(text: str) -> list[str]:
    return text.split()


_TOWN_STEMS = _words(
    "Kessel Löffel Pfannen Möhren Zwiebel Krümel Gabel Suppen Butter Dämpf Röst Mörser Kümmel "
    "Rühr Schöpf Knusper Sülz Pfeffer"
)
_TOWN_ENDINGS = {
    "DE": _words("brück hausen stätt bach rode"),
    "AT": _words("kirchen fing ötz"),
    "CH": _words("ikon wil"),
}
TOWNS = tuple(
    (stem + ending, country)
    for country, endings in _TOWN_ENDINGS.items()
    for ending in endings
    for stem in _TOWN_STEMS
)
_LEGAL_FORMS = {
    "DE": ("GmbH", "GmbH & Co. KG", "e. K.", "OHG"),
    "AT": ("GmbH", "KG", "OG"),
    "CH": ("AG", "GmbH", "KlG"),
}
SURNAMES = tuple(
    front + back
    for front in _words(
        "Dünkel Quast Löffel Zwirn Grütz Brätzen Knöpf Haferl Müffel Schnür Tröpfl Wackel Zöpfl "
        "Kringel Rübel Stöpsel Flößer Pröll Krähl Süß"
    )
    for back in _words(
        "hofinger moser brucker mannseder wiesner egger bühler städter kötter rieder bäumler "
        "meißl gräber zürrer höfer sänger"
    )
)
FIRST_NAMES = _words(
    "Jürgen Käthe Björn Zoë Anna Paul Mira René Günther Sören Lotte Emil Françoise Hürrem "
    "Vroni Urs Beat Renée Jörg Märit Theo Ida Oskar Frieda"
)
_ADJECTIVES = _words(
    "Goldenen Grünen Fröhlichen Müden Silbernen Blauen Süßen Flüsternden Schönen Alten Kühnen "
    "Dösenden Tanzenden Höflichen Bärtigen"
)
_CREATURES = _words(
    "Krebs Karpfen Dachs Löffel Hecht Igel Kürbis Kessel Rührbesen Pfau Biber Käuzchen Rettich "
    "Knödel Spargel"
)
_PLACES = _words(
    "Kräutergarten Mühlteich Rübenhang Quittenweg Hügel Fährhaus Nüßlibach Birnbaum Türmchen "
    "Gänsewinkel Schlösschen Dünenweg"
)
_WORKS = _words(
    "Zahnradwerke Schraubenfabrik Türenwerk Füllfederbau Möbelwerke Kühlerbau Drahtzieherei "
    "Glashütte Prüfmaschinenbau Räderwerk"
)

# Product group: weight among all sales, largest quantity in a line, and its articles as
# (name with {}, variants, cheapest and dearest price in EUR).
_CATALOGUE = {
    "HE": (  # Herde und Herdblöcke
        1.0,
        4,
        (
            ("Gasherd {}-flammig", "2 4 6 8", 890, 4_900),
            ("Induktionsherd {}", "3,5_kW 5_kW 7_kW 10_kW 14_kW", 640, 7_800),
            ("Kippbratpfanne {}", "50_l 80_l 100_l 150_l", 4_200, 14_500),
            ("Kochkessel {}", "60_l 100_l 150_l 200_l", 5_100, 17_900),
            ("Fritteuse {}", "8_l 2×8_l 12_l 2×12_l 20_l", 320, 5_400),
            ("Pizzaofen {}", '12" 14" 18" 2×18"', 780, 6_900),
            ("Herdblock „Maître“ {}", "2,0_m 2,8_m 3,6_m 4,8_m", 14_800, 48_000),
        ),
    ),
    "KD": (  # Kombidämpfer
        1.0,
        4,
        (
            ("Kombidämpfer „Dampfmeister“ {}", "6×2/3 6×1/1 10×1/1 20×1/1 20×2/1", 5_900, 27_500),
            ("Kombidämpfer Gas {}", "6×1/1 10×1/1 20×1/1 20×2/1", 8_400, 31_900),
            ("Tischdämpfer {}", "3×GN 5×GN 7×GN", 1_490, 4_300),
            ("Untergestell für Kombidämpfer {}", "offen geschlossen fahrbar", 390, 1_150),
            ("Einhängegestell {}", "6×1/1 10×1/1 20×1/1", 210, 980),
            ("Dampfhaube „Möwe“ {}", "60_cm 90_cm 120_cm", 1_150, 2_600),
        ),
    ),
    "SP": (  # Spültechnik
        1.0,
        4,
        (
            ("Gläserspülmaschine {}", "35er 40er 50er", 1_690, 4_100),
            ("Haubenspülmaschine {}", "500 600 800", 4_400, 10_900),
            ("Untertischspüler {}", "40er 50er 60er", 1_950, 4_700),
            ("Korbtransport-Spülanlage {}", "80_K/h 120_K/h 160_K/h", 19_500, 41_000),
            ("Spülkorb {}", "Teller Gläser Besteck Tablett", 19, 64),
            ("Wasserenthärter {}", "8_l 12_l 16_l 20_l", 119, 690),
            ("Spültisch {}", "1,2_m 1,6_m 2,0_m", 540, 1_480),
            ("Geschirrbrause {}", "Wand Tisch Zweiloch", 149, 420),
        ),
    ),
    "KT": (  # Kühltechnik
        1.0,
        5,
        (
            ("Kühlschrank GN 2/1 {}", "400_l 600_l 700_l 1400_l", 1_190, 4_600),
            ("Tiefkühlschrank {}", "400_l 600_l 700_l 1400_l", 1_390, 5_200),
            ("Kühltisch, +2 °C bis +8 °C, {}", "2-türig 3-türig 4-türig", 1_290, 3_400),
            ("Kühlzelle {}", "4_m³ 6_m³ 9_m³ 14_m³", 3_900, 12_800),
            ("Schockfroster {}", "3×GN 5×GN 10×GN 15×GN", 2_100, 11_500),
            ("Getränkekühler {}", "1-türig 2-türig 3-türig", 490, 1_680),
            ("Eiswürfelbereiter {}", "20_kg 40_kg 80_kg 150_kg", 690, 4_900),
            ("Weinklimaschrank {}", "24_Fl. 48_Fl. 110_Fl.", 640, 2_700),
            ("Saladette {}", "90_cm 140_cm", 890, 1_590),
        ),
    ),
    "LT": (  # Lüftung
        0.7,
        4,
        (
            ("Wandhaube {}", "1,2_m 1,6_m 2,0_m 2,4_m", 890, 2_900),
            ("Deckenhaube {}", "2,0_m 2,8_m 3,6_m", 2_300, 7_400),
            ("Lüftungsdecke {}", "12_m² 24_m² 40_m²", 9_800, 36_000),
            ("Abluftventilator {}", "1500_m³/h 3000_m³/h 6000_m³/h", 490, 2_800),
            ("Fettfilter {}", "400×400 500×500 400×600", 29, 84),
            ("Flammschutzfilter {}", "400×400 500×500", 79, 139),
            ("Drehzahlregler {}", "5_A 8_A 12_A", 119, 340),
        ),
    ),
    "KG": (  # Kleingeräte
        1.4,
        8,
        (
            ("Stabmixer {}", "250_W 400_W 600_W", 129, 560),
            ("Rührmaschine „Teigfee“ {}", "7_l 10_l 20_l 40_l 60_l", 590, 6_400),
            ("Aufschnittmaschine Ø {}", "220_mm 250_mm 300_mm", 390, 2_300),
            ("Vakuumierer {}", "Tisch Kammer Standgerät", 420, 4_800),
            ("Mikrowelle {}", "1000_W 1400_W 1800_W", 290, 1_490),
            ("Kaffeemühle {}", "klein mittel groß", 340, 1_290),
            ("Waffeleisen {}", "rund eckig doppelt", 210, 690),
            ("Küchenwaage bis {}", "5_kg 15_kg 30_kg", 49, 260),
            ("Gemüseschneider {}", "100 200 400", 690, 3_200),
            ("Suppentopf elektrisch {}", "5_l 8_l 10_l", 89, 198),
            ("Crêpeseisen {}", "Ø_35_cm Ø_40_cm doppelt", 240, 890),
            ("Überbackgerät {}", "S M L", 480, 1_950),
        ),
    ),
    "GN": (  # Töpfe, Pfannen, Behälter
        2.0,
        60,
        (
            ("GN-Behälter 1/1; Tiefe {}", "20_mm 40_mm 65_mm 100_mm 150_mm 200_mm", 9, 39),
            ("GN-Behälter ½; Tiefe {}", "40_mm 65_mm 100_mm 150_mm", 7, 26),
            ("GN-Deckel {}", "1/1 ½ 1/3", 6, 17),
            ("Fleischtopf {}", "20_cm 28_cm 36_cm 45_cm", 59, 289),
            ("Bratpfanne {}", "20_cm 24_cm 28_cm 32_cm", 29, 98),
            ("Pizzablech {}", '10" 12" 14"', 6, 14),
            ("Kochmesser „Schärfe“ {}", "16_cm 21_cm 26_cm", 39, 129),
            ("Besteckset „Alpenglühen“, {}", "24-tlg. 60-tlg. 120-tlg.", 79, 349),
            ("Speiseteller Ø {}", "16_cm 21_cm 27_cm 31_cm", 4, 19),
            ("Schneidbrett {}", "rot grün blau gelb braun weiß", 19, 19),
            ("Schneebesen {}", "25_cm 35_cm 50_cm", 9, 31),
        ),
    ),
    "VB": (  # Verbrauchsmaterial
        2.6,
        120,
        (
            ("Spülschwamm {}", "5er 10er 50er", 2.49, 19),
            ("Maschinenspülmittel {}", "5_l 10_l 25_l 200_l", 24, 690),
            ("Klarspüler {}", "5_l 10_l 25_l", 29, 119),
            ("Regeneriersalz {}", "10_kg 25_kg", 9, 19),
            ("Backpapier {}", "500_Bl. 1000_Bl.", 19, 34),
            ("Einweghandschuhe {}", "S M L XL", 6, 8),
            ("Vakuumbeutel {}", "20×30 30×40 40×60", 14, 59),
            ("Frittieröl „Knusprig & Süß“ {}", "10_l 20_l", 29, 54),
            ("Thermorolle für Kassenbon, {}", "20er 50er", 14, 29),
            ("Reiniger für Dämpfer {}", "Tabs_50 Tabs_150", 39, 98),
            ("Gutscheinkarten bis 50 €, {}", "100_St. 250_St.", 19, 39),
            ("Servietten „Größe L“ {}", "250_St. 1000_St.", 9, 29),
            ("Ärmelschoner, {}", "25_St. 100_St.", 4, 12),
            ("Alufolie {}", "150_m 300_m", 12, 29),
        ),
    ),
    "ET": (  # Ersatzteile
        1.6,
        12,
        (
            ("Türdichtung {}", "6×1/1 10×1/1 20×1/1", 49, 164),
            ("Heizkörper {}", "3_kW 6_kW 9_kW 18_kW", 69, 480),
            ("Spülarm {}", "oben unten", 59, 119),
            ("Temperaturfühler {}", "Typ_K PT100 PT1000", 24, 89),
            ("Ölfilter für Fritteuse {}", "8_l 12_l 20_l", 19, 58),
            ("Laugenpumpe {}", "50_W 100_W 250_W", 98, 390),
            ("Magnetventil {}", "1-fach 2-fach 3-fach", 39, 129),
            ("Thermostat {}", "90_°C 190_°C 300_°C", 34, 98),
            ("Steuerplatine {}", "A B C D", 190, 890),
            ("Zündelektrode {}", "kurz lang", 14, 29),
            ("Lüftermotor {}", "25_W 60_W 180_W", 64, 310),
            ("Verdichter {}", "¼_PS ½_PS 1_PS", 290, 1_190),
        ),
    ),
    "DL": (  # Dienstleistungen
        1.2,
        60,
        (
            ("Kundendienst {} je Stunde", "Werktag Samstag Notdienst", 89, 168),
            ("Anfahrt Zone {}", "1 2 3", 39, 129),
            ("Montage {} je Stunde", "Küche Kühlung Lüftung", 79, 98),
            ("Wartung {}", "Dämpfer Spülmaschine Kühlzelle Lüftung", 190, 690),
            ("Prüfung DGUV {}", "Einzelgerät bis_10_Geräte bis_50_Geräte", 19, 490),
            ("Küchenplanung {}", "Skizze Grundriss 3D-Ansicht", 290, 3_900),
            ("Einweisung „Kochen mit Dampf“ {}", "½_Tag 1_Tag", 390, 690),
        ),
    ),
}
_CHEAPEST, _DEAREST = 249, 4_800_000
# List prices against 2021, in thousandths: two steep years, then calmer ones.
_PRICE_LEVEL = {2021: 1_000, 2022: 1_045, 2023: 1_110, 2024: 1_135, 2025: 1_160}
_MONTH_WEIGHT = (0.9, 1.0, 1.15, 1.1, 1.1, 1.0, 0.9, 0.55, 1.1, 1.15, 1.1, 0.7)


@dataclass(frozen=True)
class DemoTruth:
    """What is known about a written sales list, whatever a reader makes of it.

    lifecycle: state → customer numbers, from the purchases that no credit note undid. prospect:
    none is left; new: one, in the last 180 days; dormant: one, longer ago; former: several, but
    the customer was drawn to stop and did so at least three of its intervals ago; existing: the
    others. defects: class → rows in the file (the header is row 1); of a repeated line, the
    repetition. net_revenue: the lines without a defect, counter sales included. counter_lines:
    sales that never had a customer, so the missing customers among the defects are not in it.
    """

    edition: int
    seed: int
    customers: int
    lines: int
    invoices: int
    credit_notes: int
    fully_credited_invoices: int
    counter_lines: int
    net_revenue: Decimal
    lifecycle: dict[str, tuple[str, ...]]
    defects: dict[str, tuple[int, ...]]
    sha256: str


@dataclass(frozen=True)
class Products:
    """The price list, cheapest first."""

    codes: list[str]
    names: list[str]
    groups: list[str]
    cents: np.ndarray
    most: np.ndarray
    step: np.ndarray


class Firm(NamedTuple):
    """A name, and what goes with it; `email` is empty for some, `town` says nothing of persons."""

    name: str
    email: str
    domain: str
    town: str
    country: str


@dataclass(frozen=True)
class Customers:
    """Who buys; times are days of the business clock, stops may lie beyond the last day."""

    numbers: list[str]
    firms: list[Firm]
    segment: np.ndarray
    yearly: np.ndarray
    interval: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    is_prospect: np.ndarray


@dataclass(frozen=True)
class _Invoices:
    """Who bought on which day for about how much; customer −1 is a counter sale."""

    customer: np.ndarray
    day: np.ndarray
    value: np.ndarray
    fully_credited: np.ndarray


@dataclass(frozen=True)
class Lines:
    """The lines of documents; quantities in hundredths, prices in cents."""

    document: np.ndarray
    product: np.ndarray
    hundredths: np.ndarray
    cents: np.ndarray

    def take(self, positions: np.ndarray) -> "Lines":
        """The lines at these positions, in their order."""
        return Lines(
            self.document[positions],
            self.product[positions],
            self.hundredths[positions],
            self.cents[positions],
        )


@dataclass(frozen=True)
class Ledger:
    """All documents in the order of the export, and their lines in the same order.

    Customer −1 is a counter sale; `credits` is the place of the invoice a credit note undoes, −1
    for invoices.
    """

    customer: np.ndarray
    day: np.ndarray
    is_credit_note: np.ndarray
    credits: np.ndarray
    undone: np.ndarray
    numbers: list[str]
    lines: Lines


@dataclass(frozen=True)
class Books:
    """The company's customers, its price list and all that it ever invoiced, without defects."""

    customers: Customers
    products: Products
    ledger: Ledger


def _silent(message: str) -> None:
    """Takes the progress nobody asked for."""


def write_sales_list(
    folder: Path,
    *,
    customers: int = CUSTOMERS,
    seed: int = 20_260_101,
    progress: Callable[[str], None] = _silent,
) -> DemoTruth:
    """Writes the sales list and its mapping into the folder and tells what is true about them.

    A finished list of the same seed and size is left as it is. Raises ValueError for a size the
    demo cannot have, FileExistsError where the folder holds a mapping of somebody else.
    """
    known = _finished(folder, customers, seed)
    if known is not None:
        progress(f"{SALES_LIST} is there already ({known.lines:,} lines)")
        return known
    _refuse_foreign_mapping(folder)

    books = draw_books(customers, seed, progress)
    progress(f"writing {len(books.ledger.lines.document):,} lines")
    text, truth = _render(books, seed)
    _commit(folder, text, truth, progress)
    return truth


def draw_books(customers: int, seed: int, progress: Callable[[str], None] = _silent) -> Books:
    """What the sales list tells, before its defects.

    Raises ValueError for a size the demo cannot have.
    """
    if not SMALLEST_COMPANY <= customers <= LARGEST_COMPANY:
        raise ValueError(
            f"customers is {customers}: the demo company has {SMALLEST_COMPANY} to "
            f"{LARGEST_COMPANY} customers"
        )
    progress(f"drawing {customers:,} customers")
    products = _price_list()
    company = _draw_customers(customers, seed)
    progress("drawing five years of purchases")
    invoices = _draw_purchases(company, seed)
    return Books(company, products, _keep_books(company, invoices, products, seed))


def stream(seed: int, topic: Topic) -> np.random.Generator:
    """The random numbers of one topic: the same on every machine, whatever other topics drew."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(topic,))))


def _price_list() -> Products:
    entries = []
    for code, (_, most, articles) in _CATALOGUE.items():
        number = 1000
        for template, variants, cheapest, dearest in articles:
            steps = variants.split()
            for position, variant in enumerate(steps):
                number += 1
                price = cheapest * (dearest / cheapest) ** (position / max(1, len(steps) - 1))
                name = template.format(variant.replace("_", " "))
                step = 50 if name.endswith("je Stunde") else 100
                entries.append((_rounded(price), f"{code}-{number}", name, code, most, step))
    entries.sort(key=lambda entry: entry[:2])
    cents, codes, names, groups, most, step = zip(*entries, strict=True)
    return Products(
        list(codes), list(names), list(groups), np.array(cents), np.array(most), np.array(step)
    )


def _rounded(price: float) -> int:
    """The price in cents as price lists print it: whole tens of euros, whole euros, or …9."""
    if price >= 1_000:
        return round(price / 10) * 1_000
    if price >= 100:
        return round(price) * 100
    return max(_CHEAPEST, round(price * 10) * 10 - 1)


def _business_clock(saturday: float) -> np.ndarray:
    """How much business time has passed at the end of each day, scaled to the calendar's total.

    Purchases keep their rhythm in business time, so that August and the turn of the year thin out
    and no purchase falls on a closed day.
    """
    days = np.datetime64(FIRST_DAY) + np.arange(DAYS)
    month = days.astype("datetime64[M]").astype(int) % 12
    in_month = (days - days.astype("datetime64[M]")).astype(int) + 1
    weekday = (np.arange(DAYS) + FIRST_DAY.weekday()) % 7
    weight = np.array(_MONTH_WEIGHT)[month]
    weight[(month == 11) & (in_month >= 23)] *= 0.3
    for closed_month, closed_day in ((0, 1), (4, 1), (11, 25), (11, 26)):
        weight[(month == closed_month) & (in_month == closed_day)] = 0
    weight[weekday == 5] *= saturday
    weight[weekday == 6] = 0
    passed = np.cumsum(weight)
    clock = passed * (DAYS / passed[-1])
    # Rounded down, the last moments would belong to no day.
    clock[-1] = DAYS
    return clock


def _draw_customers(count: int, seed: int) -> Customers:
    rng = stream(seed, Topic.CUSTOMERS)
    shares = np.array([share for share, _, _ in SEGMENTS.values()])
    sizes = np.array([size for _, size, _ in SEGMENTS.values()])
    segment = rng.choice(len(shares), size=count, p=shares / shares.sum())

    # 400,000 keeps the log-normal tail below the key accounts, whose number is thus known.
    yearly = np.minimum(8_000 * sizes[segment] * rng.lognormal(0, 1.45, count), 400_000)
    key_accounts = max(2, round(count * 0.0035))
    companies = rng.permutation(np.flatnonzero(segment != _PRIVATE))
    keys, lost_key = companies[:key_accounts], companies[key_accounts]
    yearly[keys] = 650_000 * rng.lognormal(0.25, 0.3, key_accounts)
    yearly[lost_key] = 700_000

    orders_a_year = np.clip(3.1 * (yearly / 8_000) ** 0.6, 0.5, 75)
    interval = 365 / orders_a_year
    joined_before = rng.random(count) < 0.45
    joined_before[companies[: key_accounts + 1]] = True
    start = np.where(
        joined_before,
        np.minimum(rng.random(count) * interval, 300),
        rng.random(count) ** 0.9 * (DAYS - 3),
    )
    start[keys] = np.minimum(start[keys], 30)

    stop = start + rng.exponential(365 / rng.gamma(2, 0.06, count))
    one_purchase_only = rng.random(count) < 0.1
    stop = np.where(one_purchase_only, start + 1e-6, stop)
    # Nobody can tell a customer who stopped last week from one who will be back: those go on.
    silent_for = np.maximum(_SILENT_INTERVALS * interval, _NEW_FOR_DAYS)
    stop[stop + silent_for > DAYS - 30] = np.inf
    stop[keys] = np.inf
    stop[lost_key] = 1_200.0

    small = np.flatnonzero((yearly < 30_000) & (start < DAYS - 90))
    is_prospect = np.zeros(count, dtype=bool)
    is_prospect[rng.permutation(small)[: max(3, round(count * 0.006))]] = True
    stop[is_prospect] = start[is_prospect] + 1e-6

    rank = np.empty(count, dtype=int)
    rank[np.argsort(start, kind="stable")] = np.arange(count)
    firms = draw_firms(segment, rng)
    return Customers(
        numbers=[str(10_001 + position) for position in rank.tolist()],
        firms=firms,
        segment=segment,
        yearly=yearly,
        interval=interval,
        start=start,
        stop=stop,
        is_prospect=is_prospect,
    )


def draw_firms(segment: np.ndarray, rng: np.random.Generator) -> list[Firm]:
    """A name of its own for everyone, and for most an e-mail address that goes with it.

    segment holds positions in SEGMENTS, one for each firm wanted.
    """
    firms = {}
    for position, kind in enumerate(SEGMENTS):
        members = np.flatnonzero(segment == position)
        first, second = _name_words(kind)
        towns = 1 if kind == "private" else len(TOWNS)
        drawn = rng.permutation(len(first) * len(second) * towns)[: len(members)]
        rest = rng.integers(0, 60, size=(len(members), 2)).tolist()
        for member, name_code, (form, mail) in zip(
            members.tolist(), drawn.tolist(), rest, strict=True
        ):
            town, country = TOWNS[name_code % towns]
            word_code = name_code // towns
            a, b = first[word_code % len(first)], second[word_code // len(first)]
            name = _name(kind, a, b, town, country, form)
            domain = _domain(kind, a, b, town)
            email = _email(kind, a, b, domain, mail) if mail < 57 else ""
            firms[member] = Firm(name, email, domain, town, country)
    return [firms[member] for member in range(len(segment))]


def _name_words(kind: str) -> tuple[Sequence[str], Sequence[str]]:
    if kind in ("hotel", "restaurant"):
        return _ADJECTIVES, _CREATURES
    if kind == "canteen":
        return _WORKS, ("Kantine", "Betriebsrestaurant", "Werksküche", "Kasino")
    if kind == "bakery":
        return ("Bäckerei", "Konditorei", "Backhaus"), SURNAMES
    if kind == "hospital":
        return ("Klinik", "Krankenhaus", "Pflegeheim", "Kurhaus"), _PLACES
    if kind == "caterer":
        return ("Catering", "Partyservice", "Büfett & Co."), SURNAMES
    return FIRST_NAMES, SURNAMES


def _name(kind: str, a: str, b: str, town: str, country: str, form: int) -> str:
    forms = _LEGAL_FORMS[country]
    legal = forms[form % len(forms)]
    if kind == "hotel":
        house = ("Hotel", "Gasthof", "Pension")[form % 3]
        return f"{house} „Zum {a} {b}“ {town}"
    if kind == "restaurant":
        return f"Zum {a} {b}, {town}" if form % 2 else f"Café „Zum {a} {b}“ – {town} {legal}"
    if kind == "canteen":
        return f"{b} {a} {town} {legal}"
    if kind == "bakery":
        return f"{a} {b} {town} {legal}"
    if kind == "hospital":
        return f"{a} am {b} {town}"
    if kind == "caterer":
        return f"{b} {a} {town}"
    return f"{a} {b}"


def _domain(kind: str, a: str, b: str, town: str) -> str:
    if kind == "private":
        return FREE_MAIL
    house = "hotel-" if kind == "hotel" else ""
    return f"{house}{plain_letters(a)}-{plain_letters(b)}-{plain_letters(town)}.example"


def _email(kind: str, a: str, b: str, domain: str, mail: int) -> str:
    if kind == "private":
        return f"{plain_letters(a)}.{plain_letters(b)}@{domain}"
    role = ("info", "einkauf", "kueche", "buchhaltung", "office")[mail % 5]
    return f"{role}@{domain}"


def plain_letters(text: str) -> str:
    """The text in lower case and a to z as addresses write it: "Süße Möwe" is "suesse-moewe"."""
    for letter, plain in zip("äöüßéëç", ("ae", "oe", "ue", "ss", "e", "e", "c"), strict=True):
        text = text.lower().replace(letter, plain)
    return "-".join("".join(c if c.isalnum() else " " for c in text).split())


def _draw_purchases(company: Customers, seed: int) -> _Invoices:
    rng = stream(seed, Topic.PURCHASES)
    expected = (DAYS - company.start) / company.interval
    draws = np.ceil(expected + 5 * np.sqrt(expected) + 5).astype(int)
    owner = np.repeat(np.arange(len(draws)), draws)
    ends = np.cumsum(draws)
    is_first = np.zeros(len(owner), dtype=bool)
    is_first[ends - draws] = True

    # Orders of companies are regular: gamma gaps of shape 2 where chance alone would have 1.
    gaps = rng.gamma(2.0, 0.5, len(owner)) * company.interval[owner]
    gaps[is_first] = 0
    passed = np.cumsum(gaps)
    time = company.start[owner] + passed - passed[ends - draws][owner]
    value = (company.yearly * company.interval / 365)[owner] * rng.lognormal(
        -0.245, 0.7, len(owner)
    )
    value[is_first] *= 1.5
    kept = time < np.minimum(company.stop, DAYS)[owner]
    owner, time, value = owner[kept], time[kept], value[kept]
    day = np.searchsorted(_business_clock(saturday=0), time, side="right")

    # Some customers end with the purchase that is fully credited, so that a reader who counts
    # invoices instead of purchases takes a prospect or a one-time buyer for an existing customer.
    rank = np.arange(len(owner)) - np.searchsorted(owner, owner)
    seconds = np.flatnonzero((rank == 1) & (day < DAYS - 60) & (company.yearly[owner] < 30_000))
    undone = rng.permutation(seconds)[: max(3, round(len(draws) * 0.004))]
    is_undone_customer = np.zeros(len(draws), dtype=bool)
    is_undone_customer[owner[undone]] = True
    fully_credited = company.is_prospect[owner]
    fully_credited[undone] = True
    kept = ~(is_undone_customer[owner] & (rank > 1))

    counter_day, counter_value = _draw_counter_sales(int(kept.sum()), seed)
    return _Invoices(
        customer=np.append(owner[kept], np.full(len(counter_day), -1)),
        day=np.append(day[kept], counter_day),
        value=np.append(value[kept], counter_value),
        fully_credited=np.append(fully_credited[kept], np.zeros(len(counter_day), dtype=bool)),
    )


def _draw_counter_sales(invoices: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = stream(seed, Topic.COUNTER_SALES)
    count = invoices // 30
    time = rng.random(count) * DAYS
    day = np.searchsorted(_business_clock(saturday=0.6), time, side="right")
    return day, rng.lognormal(4.0, 0.8, count)


def _keep_books(company: Customers, invoices: _Invoices, products: Products, seed: int) -> Ledger:
    """Lines for the invoices, credit notes for some, and numbers in the order of the days."""
    lines = _draw_lines(company, invoices, products, seed)
    origin, credit_day, credited, is_full = _draw_credit_notes(invoices, lines, seed)

    count = len(invoices.day)
    customer = np.append(invoices.customer, invoices.customer[origin])
    day = np.append(invoices.day, credit_day)
    is_credit_note = np.arange(count + len(origin)) >= count
    undone = np.full(len(day), _NOT)
    undone[origin] = np.where(is_full, _FULLY, _PARTLY)
    invoice = np.append(np.full(count, -1), origin)

    order = np.lexsort((np.arange(len(day)), is_credit_note, day))
    place = np.empty(len(day), dtype=int)
    place[order] = np.arange(len(day))
    all_lines = Lines(
        document=place[np.append(lines.document, credited.document + count)],
        product=np.append(lines.product, credited.product),
        hundredths=np.append(lines.hundredths, credited.hundredths),
        cents=np.append(lines.cents, credited.cents),
    )
    return Ledger(
        customer=customer[order],
        day=day[order],
        is_credit_note=is_credit_note[order],
        credits=np.where(is_credit_note, place[invoice], -1)[order],
        undone=undone[order],
        numbers=_number(day[order], is_credit_note[order]),
        lines=all_lines.take(np.argsort(all_lines.document, kind="stable")),
    )


def _draw_lines(company: Customers, invoices: _Invoices, products: Products, seed: int) -> Lines:
    rng = stream(seed, Topic.LINES)
    count = 1 + np.minimum(
        rng.poisson(np.clip(0.5 * np.log(np.maximum(invoices.value, 1) / 80), 0.3, 4)), 11
    )
    document = np.repeat(np.arange(len(count)), count)
    part = rng.exponential(1, len(document)) + 0.05
    whole = np.bincount(document, weights=part)
    wanted = np.maximum(invoices.value[document] * part / whole[document] * 100, 500)

    product = np.empty(len(document), dtype=int)
    luck = rng.random(len(document))
    # Counter sales, customer −1, find the last entry: they buy as private persons do.
    segment = np.append(company.segment, _PRIVATE)[invoices.customer[document]]
    for position in range(len(SEGMENTS)):
        mine = np.flatnonzero(segment == position)
        product[mine] = _pick(wanted[mine], luck[mine], position, products)

    year = _years(invoices.day)[document]
    level = np.array(list(_PRICE_LEVEL.values()))[year - FIRST_DAY.year]
    cents = np.clip((products.cents[product] * level + 500) // 1_000, _CHEAPEST, _DEAREST)
    step = products.step[product]
    pieces = np.rint(wanted / cents * 100 / step).astype(int)
    hundredths = np.clip(pieces * step, step, products.most[product] * 100)

    # One article stands once in an invoice: what repeats is an injected defect and nothing else.
    _, once = np.unique(document * len(products.codes) + product, return_index=True)
    return Lines(document, product, hundredths, cents).take(np.sort(once))


def _pick(wanted: np.ndarray, luck: np.ndarray, segment: int, products: Products) -> np.ndarray:
    """An article whose price suits the sum wanted, by the taste of the segment."""
    taste = list(SEGMENTS.values())[segment][2]
    weight = np.array([_CATALOGUE[group][0] * taste.get(group, 1.0) for group in products.groups])
    below = np.append(0, np.cumsum(weight))
    low = np.searchsorted(products.cents, wanted / 15)
    high = np.searchsorted(products.cents, wanted * 1.1)
    low = np.minimum(low, len(weight) - 12)
    high = np.maximum(high, low + 1)
    aim = below[low] + luck * (below[high] - below[low])
    return np.clip(np.searchsorted(below, aim, side="right") - 1, low, high - 1)


def _draw_credit_notes(
    invoices: _Invoices, lines: Lines, seed: int
) -> tuple[np.ndarray, np.ndarray, Lines, np.ndarray]:
    """Credit notes: the invoice of each, its day, its lines, and whether it undoes all of it."""
    rng = stream(seed, Topic.CREDIT_NOTES)
    count = len(invoices.day)
    size = np.bincount(lines.document, minlength=count)
    luck = rng.random(count)
    can = (invoices.customer >= 0) & (invoices.day < DAYS - 25)
    full = invoices.fully_credited | (can & (luck < 0.008))
    partial = can & ~full & (luck < 0.03) & (size > 1)
    origin = np.flatnonzero(full | partial)
    is_full = full[origin]

    day = invoices.day[origin] + rng.integers(1, 15, len(origin))
    weekday = (day + FIRST_DAY.weekday()) % 7
    day = day + np.where(weekday >= 5, 7 - weekday, 0)

    note = np.full(count, -1)
    note[origin] = np.arange(len(origin))
    first = np.searchsorted(lines.document, np.arange(count))
    chosen = first + (rng.random(count) * size).astype(int)
    is_chosen = np.zeros(len(lines.document), dtype=bool)
    is_chosen[chosen] = True
    positions = np.flatnonzero(full[lines.document] | (partial[lines.document] & is_chosen))
    taken = lines.take(positions)
    share = np.where(full[taken.document], 1.0, rng.random(len(positions)))
    pieces = np.maximum(np.ceil(taken.hundredths * share / 100).astype(int) * 100, 100)
    back = np.where(full[taken.document], taken.hundredths, np.minimum(pieces, taken.hundredths))
    credited = Lines(note[taken.document], taken.product, -back, taken.cents)
    return origin, day, credited, is_full


def _years(day: np.ndarray) -> np.ndarray:
    days = np.datetime64(FIRST_DAY) + day
    return days.astype("datetime64[Y]").astype(int) + 1970


def _number(day: np.ndarray, is_credit_note: np.ndarray) -> list[str]:
    """RE- and GS-numbers, each counted from one in every year."""
    last: dict[tuple[str, int], int] = {}
    numbers = []
    for year, is_credit in zip(_years(day).tolist(), is_credit_note.tolist(), strict=True):
        range_ = ("GS" if is_credit else "RE", year)
        last[range_] = last.get(range_, 0) + 1
        numbers.append(f"{range_[0]}-{year}-{last[range_]:06d}")
    return numbers


def _render(books: Books, seed: int) -> tuple[bytes, DemoTruth]:
    """The text of the sales list with its defects, and the truth about it."""
    company, ledger = books.customers, books.ledger
    lines = ledger.lines
    chosen = _choose_defects(company, ledger, seed)
    copies = np.ones(len(lines.document), dtype=int)
    copies[chosen["repeated line"]] = 2
    place = np.cumsum(copies) - copies
    place_of_defects = {
        defect: place[at] + (1 if defect == "repeated line" else 0) for defect, at in chosen.items()
    }
    rows = _rows(books, np.repeat(np.arange(len(copies)), copies))
    for defect, at in place_of_defects.items():
        for position in at.tolist():
            rows[position] = _spoilt(rows[position], defect)

    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(HEADER)
    writer.writerows(rows)
    content = text.getvalue().encode("cp1252")

    amount = lines.hundredths * lines.cents
    sound = np.ones(len(amount), dtype=bool)
    for defect, at in chosen.items():
        sound[at] = defect == "repeated line"
    truth = DemoTruth(
        edition=EDITION,
        seed=seed,
        customers=len(company.numbers),
        lines=len(rows),
        invoices=int((~ledger.is_credit_note).sum()),
        credit_notes=int(ledger.is_credit_note.sum()),
        fully_credited_invoices=int((ledger.undone == _FULLY).sum()),
        counter_lines=int((ledger.customer[lines.document] < 0).sum()),
        net_revenue=Decimal(int(amount[sound].sum())).scaleb(-4),
        lifecycle=_lifecycle(company, ledger),
        defects={
            defect: tuple(sorted((at + 2).tolist())) for defect, at in place_of_defects.items()
        },
        sha256=hashlib.sha256(content).hexdigest(),
    )
    return content, truth


def _rows(books: Books, order: np.ndarray) -> list[list[str]]:
    company, ledger, products = books.customers, books.ledger, books.products
    dates = [f"{FIRST_DAY + timedelta(days=day):%d.%m.%Y}" for day in range(DAYS)]
    # The last entry, nobody, is for counter sales: customer −1.
    customers = [
        *(
            (number, firm.name, firm.email)
            for number, firm in zip(company.numbers, company.firms, strict=True)
        ),
        ("", "", ""),
    ]
    heads = [
        (dates[day], number, "Gutschrift" if is_credit else "Rechnung", *customers[customer])
        for day, number, is_credit, customer in zip(
            ledger.day.tolist(),
            ledger.numbers,
            ledger.is_credit_note.tolist(),
            ledger.customer.tolist(),
            strict=True,
        )
    ]
    articles = list(zip(products.codes, products.names, strict=True))
    lines = ledger.lines.take(order)
    return [
        [*heads[document], *articles[product], _decimal(hundredths, True), _decimal(cents), "EUR"]
        for document, product, hundredths, cents in zip(
            lines.document.tolist(),
            lines.product.tolist(),
            lines.hundredths.tolist(),
            lines.cents.tolist(),
            strict=True,
        )
    ]


def _decimal(hundredths: int, short: bool = False) -> str:
    """The number with a decimal comma; short: without decimals that say nothing."""
    sign = "-" if hundredths < 0 else ""
    whole, rest = divmod(abs(hundredths), 100)
    if not short:
        return f"{sign}{whole},{rest:02d}"
    return f"{sign}{whole},{rest:02d}".rstrip("0") if rest else f"{sign}{whole}"


def _choose_defects(company: Customers, ledger: Ledger, seed: int) -> dict[str, np.ndarray]:
    """The line of each defect, one in a document at most.

    Only lines of regular customers in invoices of three lines or more that no credit note touches:
    a reader who leaves the line out still sees the invoice, and no lifecycle changes.
    """
    rng = stream(seed, Topic.DEFECTS)
    lines = ledger.lines
    size = np.bincount(lines.document)
    purchases = np.bincount(
        ledger.customer[(ledger.customer >= 0) & ~ledger.is_credit_note],
        minlength=len(company.numbers),
    )
    fits = (ledger.customer >= 0) & ~ledger.is_credit_note & (ledger.undone == _NOT)
    fits &= (size >= 3) & (purchases[ledger.customer] >= 4)
    day = np.datetime64(FIRST_DAY) + ledger.day
    early_2023 = (day >= np.datetime64("2023-02-01")) & (day < np.datetime64("2023-04-01"))

    chosen = {}
    free = fits.copy()
    for defect, count in DEFECTS.items():
        where = free[lines.document]
        if defect == "impossible date":
            where &= early_2023[lines.document]
        if defect == "unreadable quantity":
            where &= lines.hundredths == 200
        candidates = rng.permutation(np.flatnonzero(where))
        _, first = np.unique(lines.document[candidates], return_index=True)
        chosen[defect] = np.sort(candidates[np.sort(first)[:count]])
        if len(chosen[defect]) < count:
            raise ValueError(f"too few customers: no {count} lines that suit a {defect}")
        free[lines.document[chosen[defect]]] = False
    return chosen


def _spoilt(row: list[str], defect: str) -> list[str]:
    row = list(row)
    if defect == "impossible date":
        row[_AT["Belegdatum"]] = "31.02.2023"
    elif defect == "date in the future":
        row[_AT["Belegdatum"]] = f"{row[_AT['Belegdatum']][:6]}{FUTURE_YEAR}"
    elif defect == "unreadable quantity":
        row[_AT["Menge"]] = "zwei"
    elif defect == "negative quantity on an invoice":
        row[_AT["Menge"]] = "-" + row[_AT["Menge"]]
    elif defect == "zero price":
        row[_AT["Einzelpreis"]] = "0,00"
    elif defect == "missing price":
        row[_AT["Einzelpreis"]] = ""
    elif defect == "too few fields":
        row = row[:FIELDS_OF_A_SHORT_ROW]
    elif defect == "missing customer":
        for name in ("Kundennummer", "Kundenname", "E-Mail"):
            row[_AT[name]] = ""
    return row


def _lifecycle(company: Customers, ledger: Ledger) -> dict[str, tuple[str, ...]]:
    stands = (ledger.customer >= 0) & ~ledger.is_credit_note & (ledger.undone != _FULLY)
    purchases = np.bincount(ledger.customer[stands], minlength=len(company.numbers))
    last = np.full(len(company.numbers), -1)
    np.maximum.at(last, ledger.customer[stands], ledger.day[stands])
    states: dict[str, list[str]] = {
        state: [] for state in ("prospect", "new", "existing", "dormant", "former")
    }
    for number, count, day, stop in zip(
        company.numbers, purchases.tolist(), last.tolist(), company.stop.tolist(), strict=True
    ):
        if count == 0:
            state = "prospect"
        elif count == 1:
            state = "new" if day >= DAYS - _NEW_FOR_DAYS else "dormant"
        else:
            state = "former" if stop < DAYS else "existing"
        states[state].append(number)
    return {state: tuple(sorted(numbers)) for state, numbers in states.items()}


def _finished(folder: Path, customers: int, seed: int) -> DemoTruth | None:
    """The truth about the list in the folder, if it is finished and the one asked for."""
    if not all((folder / name).is_file() for name in (SALES_LIST, MAPPING, TRUTH)):
        return None
    known = json.loads((folder / TRUTH).read_text(encoding="utf-8"))
    if (known["edition"], known["customers"], known["seed"]) != (EDITION, customers, seed):
        return None
    known["net_revenue"] = Decimal(known["net_revenue"])
    for name in ("lifecycle", "defects"):
        known[name] = {key: tuple(values) for key, values in known[name].items()}
    return DemoTruth(**known)


def _refuse_foreign_mapping(folder: Path) -> None:
    mapping = folder / MAPPING
    if not mapping.exists() or (folder / TRUTH).exists():
        return
    if mapping.read_bytes() != MAPPING_TEXT.encode("utf-8"):
        raise FileExistsError(
            f"{mapping} is not the demo company's: give the demo a folder of its own"
        )


def _commit(
    folder: Path, content: bytes, truth: DemoTruth, progress: Callable[[str], None]
) -> None:
    """Puts the three files in place; until the first rename nothing of them is to be seen."""
    folder.mkdir(parents=True, exist_ok=True)
    known = json.dumps(asdict(truth), default=str, ensure_ascii=False, indent=1)
    files = {
        MAPPING: MAPPING_TEXT.encode("utf-8"),
        SALES_LIST: content,
        TRUTH: known.encode("utf-8"),
    }
    written = datetime(AS_OF.year, AS_OF.month, AS_OF.day, tzinfo=UTC).timestamp()
    for name, data in files.items():
        part = _part(folder, name)
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.utime(part, (written, written))
    progress(f"putting {SALES_LIST} in place")
    # The truth vouches for the list: the old one goes before, the new one comes after it.
    (folder / TRUTH).unlink(missing_ok=True)
    for name in files:
        _part(folder, name).replace(folder / name)


def _part(folder: Path, name: str) -> Path:
    return folder / f".{name.lstrip('.')}.part"
