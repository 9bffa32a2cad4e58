"""The sentences people at and around the demo company write, by language. Who writes what, about
which purchase and how often, is drawn elsewhere.
"""

from collections.abc import Sequence
from datetime import date
from random import Random

_MONTHS = {
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre "
    "dicembre",
    "en": "January February March April May June July August September October November December",
}


def written_day(day: date, language: str) -> str:
    """The day as letters have it: 3. März 2024."""
    dot = "." if language == "de" else ""
    return f"{day.day}{dot} {_MONTHS[language].split()[day.month - 1]} {day.year}"


def composed(rng: Random, pools: Sequence[Sequence[str]], **facts: str) -> str:
    """One sentence of each pool, filled with the facts."""
    return " ".join(rng.choice(pool).format(**facts) for pool in pools)


# Facts: person, house, town, product, day.
NOTES = {
    "de": (
        (
            "Telefonat mit {person} am {day}.",
            "{person} hat am {day} zurückgerufen.",
            "Besuch bei {house} in {town} am {day}, Gespräch mit {person}.",
            "Am Messestand getroffen: {person}, {house}.",
            "E-Mail von {person} vom {day}, danach kurz telefoniert.",
            "{person} kam am {day} ohne Termin in den Ausstellungsraum.",
            "Jahresgespräch mit {person} am {day}, Stimmung freundlich.",
            "Rückfrage von {house} zum letzten Angebot, am Apparat war {person}.",
        ),
        (
            "Die Küche in {town} wird im Sommer umgebaut, es geht vor allem um: {product}.",
            "Interesse an {product}, bisher steht dort ein Gerät eines Mitbewerbers.",
            "Zufrieden mit {product}; die Einweisung der neuen Leute wäre aber fällig.",
            "Der Preis für {product} ist zu hoch, es liegt ein günstigeres Vergleichsangebot vor.",
            "Wartung für {product} steht an, ein Vertrag wäre ihnen lieber als Einzelaufträge.",
            "Möchte {product} vor dem Kauf eine Woche zur Probe haben.",
            "Die Lieferzeit für {product} ist das Problem: gebraucht wird vor der Saison.",
            "Hat {product} bei einem Kollegen gesehen und will Unterlagen mit Maßen und Anschluss.",
            "Budget für {product} ist beantragt, die Geschäftsleitung entscheidet im Quartal.",
            "Strom reicht für {product} nicht aus, der Elektriker prüft den Anschluss.",
        ),
        (
            "Angebot bis Ende der Woche schicken.",
            "Wiedervorlage in vier Wochen.",
            "Bitte nicht vor 14 Uhr anrufen, vorher läuft der Mittagsservice.",
            "Kollege aus der Planung soll die Skizze dazu legen.",
            "Nächster Termin vor Ort, Maße nehmen wir selbst.",
            "Entscheidung fällt gemeinsam mit der Haustechnik, beide einladen.",
            "Wünscht künftig Post statt E-Mail.",
            "Empfiehlt uns nach eigenem Bekunden weiter, für die Referenzliste vormerken.",
        ),
    ),
    "fr": (
        (
            "Entretien téléphonique avec {person} le {day}.",
            "Visite chez {house} à {town} le {day}, reçu par {person}.",
            "{person} a écrit le {day} et demande un rappel.",
        ),
        (
            "Intérêt pour {product}, mais le délai de livraison doit être confirmé.",
            "Trouve le prix de {product} trop élevé par rapport à l'offre d'un concurrent.",
            "Souhaite un contrat d'entretien pour {product}.",
        ),
        (
            "Envoyer l'offre en français.",
            "Rappeler dans un mois, le matin de préférence.",
            "La décision sera prise avec la direction.",
        ),
    ),
    "it": (
        (
            "Telefonata con {person} il {day}.",
            "Visita presso {house} a {town} il {day}, colloquio con {person}.",
            "{person} ha scritto il {day} e chiede di essere richiamato.",
        ),
        (
            "Interesse per {product}, serve una scheda tecnica in italiano.",
            "Per {product} il prezzo sembra alto, attende un'altra offerta.",
            "Contento di {product}, vorrebbe una manutenzione annuale.",
        ),
        (
            "Mandare l'offerta entro venerdì.",
            "Richiamare dopo la stagione.",
            "Decide insieme al titolare.",
        ),
    ),
    "en": (
        (
            "Call with {person} on {day}.",
            "Visit to {house} in {town} on {day}, met {person}.",
            "{person} wrote on {day} asking to be called back.",
        ),
        (
            "Interested in {product}, needs the data sheet in English.",
            "Finds {product} too expensive compared with another quote.",
            "Happy with {product}, would like a yearly service visit.",
        ),
        (
            "Send the quote by Friday.",
            "Follow up in a month.",
            "They decide together with the head chef.",
        ),
    ),
}

ACTIVITY_SUBJECTS = {
    "call": (
        "Rückruf wegen {product}",
        "Angebot nachfassen: {product}",
        "Zufriedenheit nach Lieferung von {product} erfragen",
        "Wartungstermin abstimmen: {product}",
    ),
    "meeting": (
        "Besuch in {town}: Aufmaß für {product}",
        "Jahresgespräch mit {house}",
        "Vorführung im Ausstellungsraum: {product}",
    ),
    "task": (
        "Angebot schreiben: {product}",
        "Datenblatt zusenden: {product}",
        "Liefertermin klären für {house}",
        "Adresse von {house} prüfen",
    ),
    "email": (
        "Ihre Anfrage zu {product}",
        "Auftragsbestätigung {product}",
        "Terminvorschlag für {house}",
    ),
}

LOST_REASONS = (
    "Preis zu hoch",
    "Mitbewerber gewählt",
    "Projekt verschoben",
    "Kein Budget",
    "Keine Rückmeldung",
    "Lieferzeit zu lang",
)

# Language → category → how a letter begins, and subject and matter of the complaint.
# Facts: product, order, day (of the invoice).
COMPLAINTS = {
    "de": {
        "delivery": (
            (
                "Guten Tag, zu unserer Bestellung {order} vom {day} müssen wir etwas melden.",
                "Sehr geehrte Damen und Herren, es geht um die Lieferung zu {order}.",
                "Hallo, leider gibt es Ärger mit unserer Bestellung vom {day}.",
            ),
            (
                (
                    "Lieferung zu {order} unvollständig",
                    "{product} fehlt, auf dem Lieferschein steht der Artikel aber als geliefert.",
                ),
                (
                    "Falscher Artikel statt {product}",
                    "Statt {product} lag etwas ganz anderes auf der Palette.",
                ),
                (
                    "Transportschaden: {product}",
                    "{product} kam beschädigt an, die Verpackung war schon vorher aufgerissen.",
                ),
                (
                    "{product}: Lieferung verspätet",
                    "Der zugesagte Termin ist verstrichen, und ohne {product} steht der Betrieb.",
                ),
            ),
        ),
        "defect": (
            (
                "Guten Tag, wir haben am {day} bei Ihnen gekauft: {product}.",
                "Sehr geehrte Damen und Herren, mit {product} sind wir leider nicht zufrieden.",
                "Hallo Team, es geht um {product} aus der Rechnung {order}.",
            ),
            (
                (
                    "{product} ohne Funktion",
                    "Nach kurzer Zeit im Einsatz geht nichts mehr, auch ein Neustart hilft nicht.",
                ),
                (
                    "Mangel an {product}",
                    "Die Verarbeitung ist schlecht, an den Kanten löst sich bereits das Material.",
                ),
                (
                    "{product} schon wieder ausgefallen",
                    "Im Dauerbetrieb fällt es jeden Mittag aus, mitten im Service.",
                ),
                (
                    "Gewährleistung zu {order}",
                    "Es wird undicht, wir wischen mehrmals am Tag auf und fürchten Folgeschäden.",
                ),
            ),
        ),
        "invoice": (
            (
                "Guten Tag, in Ihrer Rechnung {order} vom {day} ist uns etwas aufgefallen.",
                "Sehr geehrte Damen und Herren, wir können {order} so nicht freigeben.",
            ),
            (
                (
                    "Abweichender Preis auf {order}",
                    "Für {product} war ein anderer Preis vereinbart, das Angebot liegt uns vor.",
                ),
                (
                    "Fehler in Rechnung {order}",
                    "{product} wurde in einer anderen Menge berechnet, als bei uns angekommen ist.",
                ),
                ("Rabatt fehlt auf {order}", "Der vereinbarte Nachlass auf {product} fehlt."),
            ),
        ),
        "service": (
            (
                "Guten Tag, wir haben Ihren Kundendienst bestellt: {product} ({order}).",
                "Hallo, so haben wir uns den Service vom {day} nicht vorgestellt ({product}).",
            ),
            (
                (
                    "Monteur nicht erschienen",
                    "Der zugesagte Termin ist ohne Absage verstrichen, die Küche stand still.",
                ),
                (
                    "Seit Tagen kein Rückruf",
                    "Dreimal angerufen, dreimal Rückruf versprochen, gemeldet hat sich niemand.",
                ),
                (
                    "Arbeit nicht zu Ende gebracht ({order})",
                    "Der Techniker hatte das Ersatzteil nicht dabei und kam nicht wieder.",
                ),
            ),
        ),
        "advice": (
            (
                "Guten Tag, zu {product} wurden wir vor dem Kauf am {day} leider falsch beraten.",
                "Sehr geehrte Damen und Herren, {order} beruht auf Ihrer Empfehlung.",
            ),
            (
                (
                    "Falsch beraten: {product}",
                    "Der Anschluss ist bei uns nicht vorhanden, darauf hätte man hinweisen müssen.",
                ),
                (
                    "{product} zu schwach",
                    "Die Leistung reicht für unsere Essenszahlen nicht aus.",
                ),
                (
                    "{product} passt nicht in unsere Küche",
                    "Es passt nicht an seinen Platz, obwohl wir die Maße durchgegeben hatten.",
                ),
            ),
        ),
    },
}
_BRIEF = {
    "fr": (
        (
            "Bonjour, je vous écris au sujet de la facture {order} du {day}.",
            "Madame, Monsieur, nous avons un souci avec {product}.",
        ),
        (
            (
                "Réclamation concernant {order}",
                "Ce n'est pas ce qui avait été convenu, et notre service en souffre.",
            ),
            (
                "Sans réponse : {product}",
                "Depuis une semaine personne ne nous répond, et la cuisine attend.",
            ),
        ),
    ),
    "it": (
        (
            "Buongiorno, scrivo a proposito della fattura {order} del {day}.",
            "Gentili signori, abbiamo un problema con {product}.",
        ),
        (
            (
                "Reclamo per {order}",
                "Non è quello che avevamo concordato e il nostro servizio ne risente.",
            ),
            ("Nessuna risposta: {product}", "Da una settimana nessuno risponde."),
        ),
    ),
    "en": (
        (
            "Hello, I am writing about invoice {order} of {day}.",
            "Dear Sir or Madam, we are having trouble with {product}.",
        ),
        (
            (
                "Complaint about {order}",
                "It is not what we agreed on, and our service suffers from it.",
            ),
            (
                "No answer: {product}",
                "Nobody has answered us for a week while the kitchen stands still.",
            ),
        ),
    ),
}
COMPLAINTS |= {
    language: dict.fromkeys(COMPLAINTS["de"], letters) for language, letters in _BRIEF.items()
}
DEMANDS = {
    "de": {
        "refund": (
            "Wir bitten um Erstattung des Betrags.",
            "Bitte schreiben Sie uns den Artikel gut.",
        ),
        "replacement": (
            "Wir erwarten kostenlosen Ersatz innerhalb einer Woche.",
            "Bitte tauschen Sie das umgehend aus.",
        ),
        "repair": (
            "Schicken Sie bitte kurzfristig einen Monteur.",
            "Wir bitten um Reparatur im Rahmen der Gewährleistung.",
        ),
        "apology": (
            "Ein Wort der Entschuldigung wäre angebracht.",
            "So geht man mit Kunden nicht um.",
        ),
        "none": (
            "Das nur zu Ihrer Kenntnis.",
            "Bitte geben Sie das intern weiter.",
        ),
    },
    "fr": {
        "refund": ("Nous demandons le remboursement.",),
        "replacement": ("Merci de nous envoyer un remplacement.",),
        "repair": ("Merci d'envoyer un technicien.",),
        "apology": ("Nous attendons au moins des excuses.",),
        "none": ("Ceci pour votre information.",),
    },
    "it": {
        "refund": ("Chiediamo il rimborso.",),
        "replacement": ("Chiediamo la sostituzione.",),
        "repair": ("Mandate per favore un tecnico.",),
        "apology": ("Ci aspettiamo almeno delle scuse.",),
        "none": ("Questo solo per informazione.",),
    },
    "en": {
        "refund": ("We ask for a refund.",),
        "replacement": ("Please send a replacement.",),
        "repair": ("Please send an engineer.",),
        "apology": ("An apology would be in order.",),
        "none": ("This is just to let you know.",),
    },
}

# Language → mood → titles, then the sentences in their order. Fact: product.
REVIEWS = {
    "de": {
        "good": (
            ("Sehr empfehlenswert", "Verlässlicher Partner", "Alles bestens", "Gerne wieder"),
            (
                "Wir haben {product} bestellt und sind rundum zufrieden.",
                "Seit Jahren kaufen wir hier für unsere Küche, zuletzt {product}.",
                "Für {product} bekamen wir eine ehrliche Beratung statt eines Verkaufsgesprächs.",
            ),
            (
                "Die Lieferung kam pünktlich vor dem Mittagsservice.",
                "Der Monteur hat alles erklärt und den Platz sauber hinterlassen.",
                "Im täglichen Betrieb läuft bisher alles, wie es soll.",
                "Eine kleine Rückfrage war am selben Tag geklärt.",
            ),
            (
                "Klare Empfehlung an alle Kollegen!",
                "So stellt man sich einen Lieferanten vor.",
                "Die nächste Bestellung ist schon unterwegs.",
            ),
        ),
        "fair": (
            ("Solide", "Gute Ware, lange Wartezeit", "Mit Luft nach oben"),
            (
                "{product} tut, was es soll.",
                "An {product} ist nichts auszusetzen, am Ablauf schon.",
            ),
            (
                "Die Lieferung kam einige Tage später als zugesagt.",
                "Am Telefon musste ich mich zweimal durchfragen.",
                "Die Rechnung musste einmal korrigiert werden.",
            ),
            ("Insgesamt in Ordnung.", "Beim nächsten Mal vergleiche ich vorher die Preise."),
        ),
        "bad": (
            ("Enttäuschend", "Nie wieder", "Kundendienst? Fehlanzeige", "Leider kein guter Kauf"),
            (
                "Mit {product} gab es von Anfang an nur Ärger.",
                "Auf {product} haben wir wochenlang gewartet.",
                "Bei {product} stimmte am Ende weder der Preis noch die Lieferung.",
            ),
            (
                "Auf Anrufe und E-Mails kam tagelang keine Antwort.",
                "Man fühlt sich nach dem Kauf allein gelassen.",
                "Den verlorenen Umsatz ersetzt uns niemand.",
            ),
            ("Beim nächsten Mal fragen wir woanders.", "Von uns keine Empfehlung."),
        ),
    },
    "fr": {
        "good": (
            ("Très bon fournisseur", "Parfait"),
            ("Nous avons acheté {product} et tout s'est bien passé.",),
            ("Livraison à l'heure, montage soigné.", "Le conseil était compétent et honnête."),
            ("Je recommande.",),
        ),
        "fair": (
            ("Correct",),
            ("{product} fait son travail.",),
            ("La livraison a pris plus de temps que prévu.",),
            ("Dans l'ensemble correct.",),
        ),
        "bad": (
            ("Décevant",),
            ("Rien que des ennuis avec {product}.",),
            ("Personne ne répond au téléphone.", "Le service après-vente ne suit pas."),
            ("Je ne recommande pas.",),
        ),
    },
    "it": {
        "good": (
            ("Ottimo fornitore", "Consigliato"),
            ("Abbiamo comprato {product} e siamo molto contenti.",),
            ("Consegna puntuale, montaggio preciso.", "Consulenza seria e gentile."),
            ("Da consigliare.",),
        ),
        "fair": (
            ("Nella media",),
            ("{product} fa il suo lavoro.",),
            ("La consegna è arrivata in ritardo.",),
            ("Tutto sommato va bene.",),
        ),
        "bad": (
            ("Delusione",),
            ("Solo problemi con {product}.",),
            ("L'assistenza non risponde.", "Abbiamo aspettato settimane."),
            ("Non lo consiglio.",),
        ),
    },
    "en": {
        "good": (
            ("Great supplier", "Highly recommended"),
            ("We bought {product} and could not be happier.",),
            ("Delivered on time and installed with care.", "Honest advice from people who cook."),
            ("Would buy again.",),
        ),
        "fair": (
            ("Decent",),
            ("{product} does the job.",),
            ("Delivery took longer than promised.",),
            ("All in all acceptable.",),
        ),
        "bad": (
            ("Disappointing",),
            ("Nothing but trouble with {product}.",),
            ("Nobody answers the phone.", "After-sales service is missing in action."),
            ("Cannot recommend.",),
        ),
    },
}
REPLIES = {
    "good": (
        "Vielen Dank für die freundlichen Worte, wir geben sie an das Team weiter!",
        "Danke für Ihr Vertrauen und weiterhin guten Service in Ihrer Küche.",
    ),
    "fair": (
        "Danke für die offene Rückmeldung. An der Lieferzeit arbeiten wir.",
        "Vielen Dank, Ihr Hinweis hilft uns. Melden Sie sich gern direkt bei uns.",
    ),
    "bad": (
        "Das tut uns leid. Bitte nennen Sie uns Ihre Rechnungsnummer, wir kümmern uns sofort.",
        "Das entspricht nicht unserem Anspruch. Unser Kundendienst meldet sich bei Ihnen.",
    ),
}
