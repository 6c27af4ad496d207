"""What the rule reader knows of language: words that mean the same, as tables.

Labels in documents and names in schemas are brought to the same tokens: ``Rechnungs-Nr.``, ``INV#`` and
``invoice_number`` are all ``invoice number``. The tables hold words of everyday paper in English and a few other
European languages, and Malay; nothing in them belongs to one kind of document. A new word is an entry in a table.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["EXTRA", "LABELS", "ORGANISATION", "TITLES", "WEIGHT", "fold", "listed", "tokens", "words"]


def listed(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


_SAME: dict[str, str] = {
    # amounts
    "total": (
        "total totals tl totale totaal gesamt gesamtbetrag gesamtsumme summe endbetrag insgesamt suma jumlah "
        "amountdue ttl tot"
    ),
    "sub": "sub zwischen sous",
    "net": "net nett netto",
    "amount": "amount amounts amt montant importe importo bedrag betrag value sum amaun somme somma zeilenbetrag",
    "grand": "grand final overall",
    "payable": "payable pay payer pagare pagar zahlen zahlbetrag zahlbar betalen owed owing",
    "due": (
        "due fallig faellig falligkeit faelligkeit echeance scadenza vencimiento vervaldatum verval limite "
        "deadline expires expiry"
    ),
    "rounded": "rounded",
    "rounding": (
        "rounding round rounddown rndg rundung arrondi afronding arrotondamento redondeo adj adjustment pembundaran"
    ),
    "tax": (
        "tax taxes vat gst sst mwst ust umsatzsteuer mehrwertsteuer steuer tva iva btw moms hst taxe impuesto cukai"
    ),
    "incl": (
        "incl inclusive including inc included inkl inklusive brutto gross ttc compris incluido incluso inclusief"
    ),
    "excl": (
        "excl exclusive excluding excluded exc before ht htva ohne exkl zzgl hors excluido esclusa exclusief taxable"
    ),
    "discount": "discount disc rabatt remise sconto descuento korting skonto diskaun saving savings saved",
    "price": "price preis prix prezzo precio prijs stuckpreis einzelpreis uprice vk cost fee charge charges rsp",
    "rate": "rate satz taux tasso tarief",
    "unit": "unit each per piece pcs stuck stueck einzel unitaire unitario stuk uom",
    "quantity": (
        "quantity qty qtys menge anzahl quantite quantita cantidad aantal hoeveelheid kuantiti count items pieces"
    ),
    "change": "change wechselgeld rendu resto cambio wisselgeld baki ruckgeld",
    "paid": (
        "paid tendered tender received cash bar payment zahlung bezahlt paiement pago pagamento betaald tunai "
        "card visa mastercard debit credit ec amex deposit kreditkarte karte contant especes efectivo contanti"
    ),
    "balance": "balance saldo solde outstanding",
    "points": "points point bonus loyalty",
    "shipping": "shipping freight postage versand porto livraison envio spedizione verzendkosten",
    "service": "service servicecharge",
    "currency": "currency wahrung waehrung devise valuta moneda divisa",
    "percent": "percent percentage pct percentuale prozent pourcentage procent",
    # numbers and names of things
    "number": (
        "number no nr num nos numero nummer nombor n # no. ref reference referenz kennung ident identifier id ids"
    ),
    "code": "code sku artikelnr kode codigo codice",
    "invoice": "invoice inv rechnung facture factura fattura factuur bill taxinvoice invois involce",
    "receipt": "receipt rcpt quittung beleg bon recu recibo ricevuta kassenbon ticket resit",
    "order": "order orders ord bestellung bestell commande ordine pedido ordernummer auftrag purchase po",
    "customer": "customer client kunde kunden cliente klant buyer purchaser kaufer acheteur billed member pelanggan",
    "company": (
        "company seller vendor supplier merchant organisation organization firm firma issuer store shop business "
        "verkaufer lieferant vendeur fournisseur vendedor proveedor fornitore venditore leverancier verkoper "
        "employer soldby societe entreprise empresa syarikat provider retailer"
    ),
    "name": "name names nom nombre nome naam nama namens",
    "person": (
        "person contact attn attention kontakt cashier kassierer salesperson clerk operator staff server author"
    ),
    "title": "title subject betreff objet asunto oggetto onderwerp heading headline re",
    "from": "from von sender absender de expediteur afzender",
    "to": "to an recipient empfanger empfaenger destinataire destinatario ontvanger",
    "account": "account konto compte cuenta conto rekening acct acc",
    "registration": "registration reg register roc regn handelsregister hrb siren siret kvk coc cin incorporation",
    "description": (
        "description desc beschreibung bezeichnung designation descripcion descrizione omschrijving leistung "
        "keterangan details"
    ),
    "article": "article item product produkt produit producto artikel articulo articolo goods particulars",
    "position": "position pos line lfd",
    "lines": "lines zeilen lignes lineas righe regels rows entries",
    # places and ways to reach somebody
    "address": "address add addresses adresse anschrift direccion indirizzo adres alamat location",
    "street": "street strasse straat rue calle via road jalan",
    "city": "city town ort stadt ville ciudad citta stad plaats bandar",
    "postcode": "postcode zip plz zipcode postal postleitzahl postcode poskod cap",
    "country": "country land pays pais paese negara",
    "phone": "phone tel telephone telefon telefono telefoon mobile handy mob cell hp whatsapp hotline tlf",
    "fax": "fax telefax faks",
    "email": "email mail emails courriel correo emel",
    "web": "web website url homepage internet site www link webseite",
    "iban": "iban",
    "bic": "bic swift",
    # time
    "date": "date dates dated datum fecha data tarikh dt datetime",
    "time": "time uhrzeit heure hora ora tijd zeit masa",
    "birth": "birth born birthday geburt naissance nacimiento nascita dob",
    "delivery": "delivery lieferung livraison entrega consegna levering delivered lieferdatum ship shipped",
    "start": "start begin beginning effective commencement beginn debut inicio inizio",
    "end": "end until ende fin fine valid validity",
    "print": "print printed gedruckt imprime",
    "period": "period zeitraum periode periodo",
    "year": "year jahr annee ano anno jaar",
    "month": "month monat mois mes mese maand",
    "age": "age alter",
}
"""Canonical token: the words that mean it, folded."""

_PHRASES: dict[str, str] = {
    "amount due": "total payable",
    "balance due": "total payable",
    "total due": "total payable",
    "amt due": "total payable",
    "net amount": "net total",
    "net amt": "net total",
    "subtotal": "sub total",
    "subtotals": "sub total",
    "subtotale": "sub total",
    "subtotaal": "sub total",
    "soustotal": "sub total",
    "zwischensumme": "sub total",
    "amount payable": "total payable",
    "amount to pay": "total payable",
    "to pay": "total payable",
    "somme a payer": "total payable",
    "net a payer": "total payable",
    "te betalen": "total payable",
    "zu zahlen": "total payable",
    "total a pagar": "total payable",
    "totale da pagare": "total payable",
    "e mail": "email",
    "round adj": "rounding",
    "unit price": "unit price",
    "u price": "unit price",
    "u p": "unit price",
    "s price": "unit price",
    "sold by": "company",
    "bill to": "customer",
    "billing address": "customer address",
    "shipping address": "delivery address",
    "delivery address": "delivery address",
    "rechnungsanschrift": "customer address",
    "rechnungsadresse": "customer address",
    "factuuradres": "customer address",
    "rechnung an": "customer",
    "adresse de facturation": "customer address",
    "billed to": "customer",
    "sold to": "customer",
    "invoice to": "customer",
    "phone number": "phone",
    "telephone number": "phone",
    "tel no": "phone",
    "phone no": "phone",
    "fax no": "fax",
    "fax number": "fax",
    "mobile number": "phone",
    "credit note": "invoice",
    "inclusive of": "incl",
    "exclusive of": "excl",
    "without tax": "excl",
    "before tax": "excl tax",
    "tax free": "excl tax",
    "due date": "due date",
    "valid until": "due date",
    "pay by": "due date",
    "date of birth": "birth date",
    "service charge": "service",
    "order placed": "order date",
    "company name": "company",
    "zip code": "postcode",
    "purchase order": "order",
    "vat id": "tax number",
    "ust id": "tax number",
    "ustid": "tax number",
    "uid": "tax number",
    "steuer id": "tax number",
    "tax id": "tax number",
    "number of": "quantity",
    "web site": "web",
    "item code": "code",
    "item description": "description",
    "item name": "description",
    "article number": "code",
    "pro stuck": "unit",
    "prix unitaire": "unit price",
    "par unite": "unit",
    "per stuk": "unit",
    "line total": "amount",
    "line amount": "amount",
    "no tva": "tax number",
    "inv": "invoice",
    "bill date": "invoice date",
}

_STOP = listed(
    """
    the a an of for and or on in at by is as le la les l d du des el los las il lo der die das den dem het een y e
    et und en this that it its all with if any be was were be printed stated given shown written which your our
    unser ihre uw rm eur usd gbp chf myr sales sale
    """
)

WEIGHT: dict[str, float] = dict.fromkeys(("number", "name", "code", "amount", "text", "unit"), 0.5) | dict.fromkeys(
    ("sub", "net", "tax", "due", "birth", "delivery", "discount", "customer", "excl", "shipping", "service"), 2.0
)
"""Tokens that say little on their own weigh half; those that make another thing of what they stand with weigh
double."""

EXTRA: dict[str, float] = {
    "grand": 0.0,
    "payable": 0.0,
    "rounded": 0.0,
    "incl": 0.05,
    "amount": 0.1,
    "number": 0.15,
    "name": 0.15,
    "invoice": 0.15,
    "receipt": 0.15,
    "total": 0.35,
    "currency": 0.05,
    "company": 0.25,
    "percent": 0.25,
    "sub": 3.0,
    "net": 0.5,
    "excl": 1.5,
    "tax": 1.5,
    "quantity": 2.0,
    "article": 1.0,
    "discount": 2.0,
    "change": 2.0,
    "rounding": 2.0,
    "paid": 1.2,
    "points": 2.0,
    "due": 1.2,
    "birth": 1.5,
    "delivery": 0.9,
    "order": 0.6,
    "end": 1.0,
    "print": 0.8,
    "customer": 1.2,
    "period": 1.2,
}
"""What a token that a label has beyond the field's own takes from the match; 0.5 where it is not listed."""

TITLES = listed(
    """invoice receipt taxinvoice tax bill statement quotation quote memo memorandum letter agreement contract copy
    original duplicate page retail simplified credit debit note cash sales sale official rechnung quittung facture
    factura fattura factuur beleg kassenbon ticket recu order delivery report welcome thank thanks you merci danke
    gracias to our customer guest check date time table terminal reprint cashier rechnungskopie kopie kunde
    lieferschein seite
    """
)
"""Words of which headings are made that name a document and not whose it is."""

ORGANISATION = re.compile(
    r"(?<![\w&])(?:"
    r"s(?:dn|on|on)?\.?\s*[./]?\s*b(?:hd|/?hd)\.?|bhd\.?|s/b|ltd\.?|limited|inc\.?|incorporated|corp\.?|corporation|llc|llp|plc|"
    r"gmbh(?:\s*&\s*co\.?\s*kg)?|mbh|\bag|e\.?\s?k\.?|ohg|kg|s\.?a\.?r\.?l\.?|s\.?a\.?s\.?|s\.?a\.?|s\.?l\.?u?\.?|s\.?r\.?l\.?|"
    r"s\.?p\.?a\.?|b\.?v\.?|n\.?v\.?|oy|ab|a/s|aps|as|pte\.?|pty\.?|pvt\.?|kft|sp\.?\s?z\s?o\.?\s?o\.?|ltda|co\.?|company|"
    r"enterprise|enterprises|trading|holdings?|group|industries|restaurants?|restoran|restaurante?|ristorante|cafe|bistro|bakery|"
    r"hardware|stationer(?:y|s)|supermarket|supermarkt|market|mart|store|stores|shop|hotel|pharmacy|apotheke|pharmacie|farmacia|"
    r"perniagaan|kedai|syarikat|pasaraya|services|electrical|motor|motors|books?|bookshop|foundation|university|bank|verlag|"
    r"backerei|bäckerei|boulangerie|buchhandlung|werkstatt|garage|studio|marketing|international"
    r")(?!\w)",
    re.IGNORECASE,
)
"""Words and legal forms that names of organisations end with or hold."""


def fold(text: str) -> str:
    """Lower case without accents."""
    return "".join(ch for ch in unicodedata.normalize("NFKD", text).casefold() if not unicodedata.combining(ch))


_WORD = re.compile(r"[^\W_]+|#|%", re.UNICODE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SPELLED = re.compile(r"\b(?:[^\W\d_]\.){2,}")  # G.S.T., D.O.B.


def words(text: str) -> list[str]:
    """The folded words of a label, a name in snake_case or camelCase, or a sentence."""
    whole = _SPELLED.sub(lambda match: match.group().replace(".", "") + " ", text)
    out: list[str] = []
    for word in _WORD.findall(re.sub("№|[nN]°", "#", whole)):
        folded = fold(word)
        out.extend([folded] if folded in _CANONICAL else _WORD.findall(fold(_CAMEL.sub(" ", word))))
    return out


_CANONICAL = {word: token for token, same in _SAME.items() for word in [token, *same.split()]} | {
    "%": "percent",
    "#": "number",
}
LABELS = frozenset(_SAME) - {"country", "city", "street", "company", "position", "unit"}
"""All tokens that stand for words of labels."""

_LONGEST = max(len(phrase.split()) for phrase in _PHRASES)
_SUFFIXES = (
    "nummer",
    "nr",
    "datum",
    "betrag",
    "bedrag",
    "adresse",
    "adres",
    "preis",
    "prijs",
    "name",
    "number",
    "date",
    "satz",
)


@lru_cache(maxsize=4096)
def tokens(text: str) -> tuple[str, ...]:
    """The canonical tokens of a label or a name, in order; little words are left out."""
    parts = words(text)
    out: list[str] = []
    i = 0
    while i < len(parts):
        taken, phrase = _phrase_at(parts, i)
        if phrase:
            out.extend(phrase.split())
        elif parts[i] in _CANONICAL:
            out.append(_CANONICAL[parts[i]])
        elif parts[i] not in _STOP:
            out.extend(_compound(parts[i]))
        i += taken
    return tuple(_settled(out))


def _settled(found: list[str]) -> list[str]:
    """Without bare numbers, and without the tax that a price includes or excludes: such a label is about the price."""
    out: list[str] = []
    for token in found:
        if token.isdigit() or (token == "percent" and out and out[-1] in ("incl", "excl", "tax")):
            continue
        if not (token == "tax" and out and out[-1] in ("incl", "excl")):
            out.append(token)
    return out


def _phrase_at(parts: list[str], start: int) -> tuple[int, str]:
    for length in range(min(_LONGEST, len(parts) - start), 0, -1):
        phrase = _PHRASES.get(" ".join(parts[start : start + length]))
        if phrase:
            return length, phrase
    return 1, ""


def _compound(word: str) -> list[str]:
    """``rechnungsdatum`` is ``invoice date``: a known word, perhaps with a linking s, and a known ending. A plural is
    its word."""
    if word.removesuffix("s") in _CANONICAL:
        return [_CANONICAL[word.removesuffix("s")]]
    for suffix in _SUFFIXES:
        stem = word.removesuffix(suffix)
        if stem and stem != word:
            for first in (stem, stem.removesuffix("s"), stem.removesuffix("n")):
                if first in _CANONICAL:
                    return [_CANONICAL[first], _CANONICAL.get(suffix, suffix)]
    return [word]
