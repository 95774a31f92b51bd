"""Make one clean customer: the tables that names, numbers and notes are drawn from, and the random source.

Belongs here: the contents of a record without a fault. Does not belong here: the faults (``customer_faults``) and
writing files (``make_customers``).

All random numbers come from ``random.Random.random``, the one method whose sequence is the same in every version of
Python (those of ``choice``, ``shuffle`` and ``randrange`` may change); every date lies before the reference date, never
the clock's date.
"""

# ruff: noqa: RUF001 (names in many scripts are the point of these tables)
from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple, TypeVar

T = TypeVar("T")
Row = dict[str, str]

CITIES_PER_COUNTRY = 40


class Country(NamedTuple):
    """The templates of a customer of one country; ``#`` is any digit and ``@`` a letter that every code allows."""

    weight: int
    languages: str
    postal: str
    phone: str


# Several templates are separated by "|". Where a regulator sets numbers aside for fiction (US, CA, GB, FR, DE, AU,
# SE), only those are used; elsewhere the last digits of the mobile number that handbooks print are varied.
COUNTRIES = {
    "US": Country(13, "en en en es zh", "#####|#####-####", "+1 212-555-01##|+1 415-555-01##|+1 312-555-01##"),
    "GB": Country(10, "en en en in", "SW#@ #@@|M## #@@|EH# #@@", "+44 20 7946 0###|+44 161 496 0###|+44 131 496 0###"),
    "DE": Country(10, "de de de tr", "#####", "+49 30 23125 ###|+49 40 66969 ###|+49 171 39200 ##"),
    "FR": Country(8, "fr", "7####|6####|3####", "+33 1 99 00 ## ##|+33 4 65 71 ## ##"),
    "CA": Country(6, "en en fr", "M#@ #@#|H#@ #@#", "+1 416-555-01##|+1 514-555-01##|+1 604-555-01##"),
    "ES": Country(6, "es", "28###|08###|41###", "+34 612 34 ## ##"),
    "IT": Country(6, "it", "#####", "+39 312 345 ####"),
    "BR": Country(5, "pt", "#####-###", "+55 11 96123-####"),
    "IN": Country(5, "in", "######", "+91 81234 5####"),
    "JP": Country(4, "ja", "###-####", "+81 90-1234-####"),
    "PL": Country(4, "pl", "##-###", "+48 512 345 ###"),
    "NL": Country(4, "nl", "#### @@", "+31 6 1234 ####"),
    "GR": Country(4, "el", "1####|5####", "+30 691 234 ####"),
    "UA": Country(4, "uk", "0####|7####", "+380 50 123 ####"),
    "BG": Country(3, "bg", "####", "+359 430 12 ###"),
    "SE": Country(3, "sv", "### ##", "+46 8 465 004 ##|+46 31 390 06 ##|+46 40 628 04 ##"),
    "NO": Country(2, "sv", "####", "+47 406 12 ###"),
    "DK": Country(2, "sv", "####", "+45 34 41 ## ##"),
    "FI": Country(2, "fi sv", "#####", "+358 41 234 ####"),
    "PT": Country(3, "pt", "####-###", "+351 912 345 ###"),
    "BE": Country(2, "nl fr", "####", "+32 450 00 ## ##"),
    "CH": Country(3, "de fr it", "####", "+41 78 123 ## ##"),
    "AT": Country(2, "de", "####", "+43 664 123 ###"),
    "CZ": Country(2, "cs", "### ##", "+420 601 123 ###"),
    "IE": Country(3, "en", "D## @#@#|T## @#@#", "+353 85 012 ####"),
    "TR": Country(3, "tr", "34###|06###", "+90 501 234 ## ##"),
    "MX": Country(3, "es", "#####", "+52 222 123 ####"),
    "KR": Country(3, "ko", "#####", "+82 10-2000-####"),
    "AU": Country(4, "en en zh", "2###|3###", "+61 2 5550 ####|+61 3 7010 ####"),
    "NZ": Country(2, "en", "####", "+64 21 123 ####"),
    "ZA": Country(3, "en nl", "####", "+27 71 123 ####"),
    "SG": Country(2, "zh in", "######", "+65 8123 ####"),
}

# Given names | family names. "Drop", "Select", "Null" and the apostrophes are false alarms of a careless check.
NAMES = {
    "en": "Olivia, Amelia, Noah, Jack, Anne-Marie, Declan, Zoë, Harry, Niamh, Mary Jo, Ella, Theo|Smith, O'Brien, "
    "Smith-Jones, O’Neill, Drop, Select, Null, Taylor, Walker Jr., St. John, Wright, Union, McDonald, Hughes, Script",
    "de": "Jürgen, Käthe, Lukas, Anna-Lena, Björn, Sören, Mia, Uwe|Müller, Weiß, Schröder, Groß, von der Heide, "
    "Köhler, Meyer-Lüdenscheidt, Zimmermann, Jäger",
    "fr": "Chloé, François, Zoé, Jean-Luc, Maëlle, Hélène, Rémi, Inès|Lefèvre, D'Amboise, Bélanger, L'Hôpital, Noël, "
    "Girard, Saint-Pierre, Dubois",
    "es": "José, María José, Íñigo, Lucía, Begoña, Martín, Ángel, Nuria|García, Muñoz, Núñez Vela, Ibáñez, Peña, "
    "de la Fuente, Ortega y Ruiz, Vázquez",
    "it": "Niccolò, Giulia, Matteo, Lucìa, Chiara, Pietro|D'Angelo, Dell'Acqua, De Luca, Rossi, Esposito, Lo Bianco",
    "pt": "João, Conceição, Luís, Inês, Mateus, Thaís, Antônio|da Conceição, Gonçalves, Assunção, Sant'Anna, Araújo, "
    "dos Santos, Guimarães",
    "nl": "Daan, Femke, Sjoerd, Noé, Loïs, Pieter|van 't Hoff, de Vries, van den Berg, 't Jong, Jansen, IJsselmuiden",
    "sv": "Åsa, Øyvind, Bjørn, Maja, Søren, Linnéa, Håkon, Freja|Åkesson, Ødegård, Sjöberg, Bjørnsen, Lindqvist, "
    "Nygård, Kjær, Holm",
    "fi": "Päivi, Väinö, Aino, Mikko, Yrjö, Helmi|Mäkelä, Hämäläinen, Virtanen, Pöysti, Öhman, Niemi",
    "pl": "Łukasz, Małgorzata, Paweł, Zofia, Świętosław, Ewa|Wójcik, Kowalczyk, Gołąb, Żak, Łęcki, Piątek",
    "cs": "Jiří, Žofie, Matěj, Šárka, Ondřej, Tereza|Dvořák, Němcová, Říha, Šťastný, Kučera, Horáková",
    "tr": "Çağla, İbrahim, Gülşen, Ömer, Şirin, Işıl|Yıldız, Öztürk, Şahin, Güneş, Çelik, Aydın",
    "in": "Aarav, Priya, Rohan, Lakshmi, Vivaan, Meera|Sharma, D'Souza, Iyer, Patel, Krishnamurthy, Singh",
    "ja": "Haruto, Sakura, Yūki, Ren, Kōji, Aoi|Satō, Suzuki, Ōno, Itō, Kobayashi, Yamamoto",
    "ko": "Ji-woo, Min-jun, Seo-yeon, Ha-eun, Do-yun, Su-bin|Kim, Lee, Park, Choi, Jeong, Ahn",
    "zh": "Wei, Li Na, Xiu Ying, Jun, Mei Ling, Hao|Tan, Ng, Lim, Wong, Zhang, Ong",
    "el": "Αθηνά, Γιώργος, Ελένη, Νίκος, Χριστίνα|Παπαδόπουλος, Οικονόμου, Γεωργίου, Αγγελίδης, Ξένου, Ψαρράς",
    "uk": "Олена, Тарас, Ігор, Їржина, Софія, Юрій|Шевчук, Коваленко, Гнатюк, Мельник, Єфименко, Щербак",
    "bg": "Иван, Цветана, Борис, Милена, Явор, Жана|Петров, Димитрова, Ангелов, Чавдарова, Щерев, Юруков",
}
NOTES = (
    "prefers e-mail; no calls", "we <3 this shop", "asked about the trade union discount", "O'Brien's cousin",
    "wants to select a new plan, then drop the old one", "don't ring before 9:00; leave with neighbour",
    "café owner, orders 50% less in winter", "film script editor", "paid 3 > 2 invoices on time", "A & B Ltd.",
    "said 'fine' -- and meant it", "order by phone; update from the branch", "size 1=small, 2=large",
    "JavaScript: beginner", "loves crème brûlée 🍮", "VIP #1", "returns 1 of 4 (OK)",
    "gift wrap: \"thank you\"", "insert card into parcel",
)  # fmt: skip
DOMAINS = {
    "deliverable": "example.com example.org example.net mail.example.com post.example.org inbox.example.net "
    "home.example.com family.example.org office.example.net school.example.org studio.example.com clinic.example.net "
    "garden.example.org workshop.example.com bakery.example.net library.example.org",
    "undeliverable": "closed.example.com moved-away.example.org no-mailbox.example.net expired.example.com "
    "typo.example.org bounced.example.net",
    "disposable": "ten-minutes.example.com throwaway.example.org tempmail.example.net burner.example.com "
    "one-day.example.org spam-trap.example.net",
}
LETTERS = (  # a letter, followed by what it becomes in an e-mail address
    "ßss æae øo đd łl ıi "
    "αa βv γg δd εe ζz ηi θth ιi κk λl μm νn ξx οo πp ρr σs ςs τt υy φf χch ψps ωo "
    "аa бb вv гg дd еe єye жzh зz иi іi їyi йy кk лl мm нn оo пp рr сs тt уu фf хkh цts чch шsh щsht ь юyu яya"
)
TO_LATIN = str.maketrans({letter[0]: letter[1:] for letter in LETTERS.split()})


class RandomSource:
    """Random numbers from ``Random.random`` alone, whose sequence is the same in every version of Python."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def below(self, end: int) -> int:
        """Return a whole number from 0 up to, but not including, ``end``."""
        return int(self._random() * end)

    def between(self, first: date, last: date) -> date:
        """Return a day from ``first`` to ``last``, both included."""
        return date.fromordinal(first.toordinal() + self.below((last - first).days + 1))

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return options[self.below(len(options))]

    def one_in(self, count: int) -> bool:
        """Return True once in ``count`` draws."""
        return self.below(count) == 0

    def shuffled(self, items: Iterable[T]) -> list[T]:
        """Return the items in another order (Fisher-Yates)."""
        result = list(items)
        for last in range(len(result) - 1, 0, -1):
            other = self.below(last + 1)
            result[last], result[other] = result[other], result[last]
        return result

    def fill(self, template: str) -> str:
        """Replace each ``#`` by a digit and each ``@`` by a letter."""
        alphabets = {"#": "0123456789", "@": "ACEHNPRTXY"}
        return "".join(self.pick(alphabets[sign]) if sign in alphabets else sign for sign in template)


@dataclass
class CustomerMaker:
    """Makes customers, each with an e-mail name that is not in use yet; faults look up its cities and clean records."""

    rng: RandomSource
    cities: dict[str, list[str]]
    locals_in_use: set[str] = field(default_factory=set)
    clean: list[Row] = field(default_factory=list)

    def customer(self, number: int) -> Row:
        """Make one clean customer."""
        code = self.rng.pick([code for code, country in COUNTRIES.items() for _ in range(country.weight)])
        country = COUNTRIES[code]
        given, family = NAMES[self.rng.pick(country.languages.split())].split("|")
        name = f"{self.rng.pick(given.split(', '))} {self.rng.pick(family.split(', '))}"
        birth, signup, last_order = self.dates()
        return {
            "customer_id": f"C{number:05d}",
            "name": name,
            "email": self.email(name),
            "phone": self.rng.fill(self.rng.pick(country.phone.split("|"))),
            "birth_date": birth.isoformat(),
            "signup_date": signup.isoformat(),
            "last_order_date": last_order,
            "city": self.rng.pick(self.cities[code][:CITIES_PER_COUNTRY]),
            "country": code,
            "postal_code": self.rng.fill(self.rng.pick(country.postal.split("|"))),
            "note": self.rng.pick(NOTES) if self.rng.one_in(3) else "",
        }

    def dates(self) -> tuple[date, date, str]:
        """Return birth, signup and last order, in this order; one customer in nine has not ordered yet."""
        signup = self.rng.between(date(2018, 1, 1), date(2025, 11, 30))
        birth = self.rng.between(date(1936, 1, 1), date.fromordinal(signup.toordinal() - 19 * 366))
        if self.rng.one_in(25):
            birth = date(birth.year // 4 * 4 - 4, 2, 29)
        last_order = self.rng.between(date.fromordinal(signup.toordinal() + 1), date(2025, 12, 31))
        return birth, signup, "" if self.rng.one_in(9) else last_order.isoformat()

    def email(self, name: str) -> str:
        """Return an address that is not in use yet, made of the name in Latin letters."""
        words = latin(name).split()
        local = ".".join((words[0], words[-1]))
        if local in self.locals_in_use:
            local += str(10 + self.rng.below(90))
        while local in self.locals_in_use:
            local += str(self.rng.below(10))
        self.locals_in_use.add(local)
        tag = self.rng.pick(("+news", "+shop", "+2025")) if self.rng.one_in(12) else ""
        return f"{local}{tag}@{self.rng.pick(DOMAINS['deliverable'].split())}"


def latin(name: str) -> str:
    """Return the name in lower-case ASCII letters, apostrophes and hyphens."""
    plain = unicodedata.normalize("NFD", name.casefold().replace("’", "'"))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign)).translate(TO_LATIN)
    return "".join(sign for sign in plain if sign in "abcdefghijklmnopqrstuvwxyz'- ").strip()
