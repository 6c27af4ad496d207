"""Makes the PDF invoices of examples/receipts and examples/invoices. It needs reportlab, which nothing else here does;
the PDFs are committed.

python examples/make_pdfs.py
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

RECEIPTS = Path(__file__).parent / "receipts"
INVOICES = Path(__file__).parent / "invoices"

Placed = tuple[float, float, str]
"""Millimetres from the left, millimetres from the top, text; a text that begins with ``>`` ends at its place."""

TIDEWATER: list[Placed] = [
    (20, 20, "Tidewater Print Works Ltd"), (20, 26, "Unit 5, Quay Street"), (20, 32, "Bristol BS1 4DJ"),
    (130, 20, "INVOICE"), (130, 28, "Invoice No:"), (160, 28, "TW-2207"),
    (130, 34, "Date:"), (160, 34, "14 September 2018"),
    (130, 40, "Due date:"), (160, 40, "14 October 2018"), (20, 52, "Bill to:"), (20, 58, "Alder & Finch Studio"),
    (20, 64, "8 Mill Lane"), (20, 70, "Bath BA1 5LN"),
    (20, 90, "Description"), (120, 90, ">Qty"), (150, 90, ">Unit price"), (185, 90, ">Amount"),
    (20, 98, "Business cards, 250"), (120, 98, ">2"), (150, 98, ">31.00"), (185, 98, ">62.00"),
    (20, 106, "Poster A2, matt"), (120, 106, ">12"), (150, 106, ">4.25"), (185, 106, ">51.00"),
    (140, 122, "Subtotal"), (185, 122, ">113.00"), (140, 130, "VAT 20%"), (185, 130, ">22.60"),
    (140, 138, "Total GBP"), (185, 138, ">135.60"),
]  # fmt: skip
KESTREL: list[Placed] = [
    (20, 18, "Kestrel Software GmbH - Hafenstraße 12 - 20457 Hamburg"), (20, 28, "Obsthof Petersen"),
    (20, 34, "Deichweg 3"),
    (20, 40, "21129 Hamburg"), (20, 60, "Rechnung"), (20, 68, "Rechnungsnr."), (60, 68, "R-100482"),
    (20, 74, "Rechnungsdatum"), (60, 74, "7. Mai 2018"), (20, 80, "Kundennr."), (60, 80, "50117"),
    (20, 96, "Pos."), (35, 96, "Beschreibung"), (125, 96, ">Menge"), (155, 96, ">Einzelpreis"), (185, 96, ">Betrag"),
    (20, 104, "1"), (35, 104, "Wartung, Monat Mai"), (125, 104, ">1"), (155, 104, ">1.180,00"), (185, 104, ">1.180,00"),
    (20, 112, "2"), (35, 112, "Schulung, Stunden"), (125, 112, ">4"), (155, 112, ">95,00"), (185, 112, ">380,00"),
    (125, 128, "Nettobetrag"), (185, 128, ">1.560,00 €"), (125, 136, "MwSt. 19%"), (185, 136, ">296,40 €"),
    (125, 144, "Gesamtbetrag"), (185, 144, ">1.856,40 €"), (20, 270, "USt-IdNr. DE 298 765 432"),
]  # fmt: skip
ORCHARD: list[Placed] = [
    (80, 20, "ORCHARD BISTRO"), (70, 26, "77 Vine Street, Napa, CA 94559"), (70, 38, "Receipt No: 60113"),
    (70, 44, "Date: 03/28/2018"), (70, 54, "Soup of the day"), (140, 54, ">$9.00"),
    (70, 60, "Walnut salad"), (140, 60, ">$13.50"),
    (70, 70, "Subtotal"), (140, 70, ">$22.50"), (70, 76, "Sales tax"), (140, 76, ">$1.74"),
    (70, 82, "TOTAL"), (140, 82, ">$24.24"),
    (70, 92, "All amounts in USD"),
]  # fmt: skip

COSECHAS: list[Placed] = [
    (20, 18, "COSECHAS DEL TURIA, S.L."), (20, 24, "Camino de la Acequia 14, 46190 Riba-roja (Valencia)"),
    (20, 30, "NIF: ESB97412088"), (150, 18, "FACTURA"), (120, 42, "Número:"), (150, 42, "F-24/0381"),
    (120, 48, "Fecha:"), (150, 48, "17/05/2024"), (120, 54, "Vencimiento:"), (150, 54, "16/06/2024"),
    (20, 42, "Cliente:"), (20, 48, "Ultramarinos Peñalba, S.L."), (20, 54, "Calle del Pozo 8, 26001 Logroño"),
    (20, 60, "NIF: ESB26533917"),
    (20, 78, "Concepto"), (105, 78, ">Cantidad"), (130, 78, ">Precio"), (150, 78, ">IVA"), (185, 78, ">Importe"),
    (20, 86, "Aceite de oliva virgen extra, 5 l"), (105, 86, ">20"), (130, 86, ">38,75"), (150, 86, ">10 %"),
    (185, 86, ">775,00"), (20, 93, "Almendra marcona, saco 25 kg"), (105, 93, ">4"), (130, 93, ">212,40"),
    (150, 93, ">10 %"), (185, 93, ">849,60"), (20, 100, "Palés retornables"), (105, 100, ">2"), (130, 100, ">9,90"),
    (150, 100, ">21 %"), (185, 100, ">19,80"), (20, 107, "Portes a Logroño"), (105, 107, ">1"), (130, 107, ">64,00"),
    (150, 107, ">21 %"), (185, 107, ">64,00"),
    (110, 122, "Base imponible"), (185, 122, ">1.708,40 €"), (110, 129, "IVA 10 % sobre 1.624,60 €"),
    (185, 129, ">162,46 €"), (110, 136, "IVA 21 % sobre 83,80 €"), (185, 136, ">17,60 €"),
    (110, 145, "TOTAL FACTURA"), (185, 145, ">1.888,46 €"),
]  # fmt: skip
SEEBLICK: list[Placed] = [
    (20, 20, "Seeblick Catering AG"), (20, 26, "Haldenstrasse 77, 6006 Luzern"), (20, 32, "CHE-204.881.596 MWST"),
    (120, 50, "Stiftung Rosenau"), (120, 56, "Museggstrasse 5"), (120, 62, "6004 Luzern"),
    (20, 80, "Rechnung 5207"), (120, 80, "Luzern, 24.06.2024"), (20, 86, "Anlass vom 21.06.2024"),
    (120, 86, "zahlbar bis 24.07.2024"),
    (20, 100, "Leistung"), (110, 100, ">Anzahl"), (145, 100, ">Preis CHF"), (185, 100, ">Total CHF"),
    (20, 108, "Apéro, Personen"), (110, 108, ">38"), (145, 108, ">24.50"), (185, 108, ">931.00"),
    (20, 115, "Service, Stunden"), (110, 115, ">11.5"), (145, 115, ">42.00"), (185, 115, ">483.00"),
    (20, 122, "Gläsermiete"), (110, 122, ">80"), (145, 122, ">0.85"), (185, 122, ">68.00"),
    (100, 132, "Zwischentotal"), (185, 132, ">1'482.00"), (100, 139, "Rabatt 3 %"), (185, 139, ">-44.46"),
    (100, 146, "Netto"), (185, 146, ">1'437.54"), (100, 153, "MWST 8.1 %"), (185, 153, ">116.44"),
    (100, 160, "Rundung"), (185, 160, ">0.02"), (100, 167, "Rechnungsbetrag CHF"), (185, 167, ">1'554.00"),
]  # fmt: skip

PARTS: list[tuple[str, str, int, str]] = [
    ("R-1001", "Resistor 1 kOhm, reel", 12, "14.20"), ("R-1010", "Resistor 10 kOhm, reel", 12, "14.20"),
    ("R-1047", "Resistor 47 kOhm, reel", 6, "14.20"), ("R-1100", "Resistor 100 kOhm, reel", 4, "14.95"),
    ("R-2000", "Shunt 5 mOhm, 3 W", 250, "0.86"), ("C-0100", "Capacitor 100 nF, reel", 20, "18.40"),
    ("C-1000", "Capacitor 1 uF, reel", 8, "22.75"), ("C-4700", "Capacitor 470 uF, 35 V", 300, "0.41"),
    ("C-9000", "Supercapacitor 10 F", 24, "3.18"), ("L-0010", "Inductor 10 uH", 500, "0.27"),
    ("L-0047", "Inductor 47 uH, shielded", 200, "0.64"), ("D-0148", "Diode, signal, reel", 3, "31.10"),
    ("D-0540", "Diode, Schottky 40 V, reel", 5, "46.00"), ("D-6015", "TVS diode 15 V", 400, "0.19"),
    ("Q-0002", "Transistor NPN, reel", 4, "27.35"), ("Q-0170", "MOSFET N, logic level", 600, "0.33"),
    ("Q-0950", "MOSFET P, 60 V", 150, "0.71"), ("U-3230", "Regulator 3.3 V", 180, "0.92"),
    ("U-5050", "Regulator 5 V, 1 A", 120, "0.88"), ("U-0358", "Operational amplifier, dual", 220, "0.39"),
    ("U-2040", "Microcontroller, 32 bit", 90, "2.45"), ("U-2041", "Microcontroller, low power", 45, "3.05"),
    ("U-4851", "Transceiver RS-485", 110, "1.17"), ("U-9013", "Temperature sensor", 75, "1.62"),
    ("X-0012", "Crystal 12 MHz", 160, "0.48"), ("X-0032", "Crystal 32.768 kHz", 160, "0.35"),
    ("J-0102", "Header 2 pins, strip", 40, "1.05"), ("J-0120", "Header 20 pins, strip", 40, "1.90"),
    ("J-0330", "Terminal block 3 poles", 260, "0.58"), ("J-0400", "USB connector, type C", 95, "0.74"),
    ("J-0510", "Jack for power, 2.1 mm", 95, "0.52"), ("S-0006", "Button, tactile", 350, "0.08"),
    ("S-0020", "Switch, toggle, panel", 30, "2.36"), ("F-0500", "Fuse 500 mA", 200, "0.21"),
    ("F-0501", "Fuse holder", 200, "0.29"), ("K-0012", "Relay 12 V", 65, "1.84"),
    ("B-2032", "Coin cell holder", 140, "0.44"), ("B-1865", "Battery holder, two cells", 25, "2.95"),
    ("P-0100", "Circuit board, prototype", 50, "3.60"), ("P-0160", "Circuit board, rev. C, panel of 8", 15, "41.80"),
    ("H-0030", "Spacer M3 x 10, bag of 100", 6, "7.25"), ("H-0031", "Screw M3 x 6, bag of 100", 9, "4.10"),
    ("T-0016", "Solder wire, 500 g", 3, "28.90"), ("Z-0001", "Freight and handling", 1, "36.50"),
]  # fmt: skip
"""What Northgate's invoice lists: code, description, quantity, unit price."""

A_PAGE = 18


def northgate() -> Iterator[list[Placed]]:
    """Three pages of lines, each with its head and what is carried from one to the next."""
    pages = [PARTS[start : start + A_PAGE] for start in range(0, len(PARTS), A_PAGE)]
    carried = Decimal(0)
    for number, parts in enumerate(pages, 1):
        page: list[Placed] = [
            (20, 18, "Northgate Components Inc."), (20, 24, "4100 Foundry Avenue, Dayton, OH 45402"),
            (130, 18, "INVOICE"), (130, 24, "Invoice number"), (160, 24, "NC-118204"),
            (130, 30, "Invoice date"), (160, 30, "06/14/2024"), (130, 36, "Payment due"), (160, 36, "07/14/2024"),
            (130, 42, "Page"), (160, 42, f"{number} of {len(pages)}"),
            (20, 36, "Sold to: Larkfield Instruments LLC"), (20, 42, "88 Observatory Road, Flagstaff, AZ 86001"),
            (20, 48, "PO number: LI-5530"), (20, 60, "Code"), (42, 60, "Description"), (118, 60, ">Qty"),
            (148, 60, ">Unit price"), (185, 60, ">Amount"),
        ]  # fmt: skip
        y = 68
        if carried:
            page += [(42, y, "Brought forward"), (185, y, f">{carried:,}")]
            y += 8
        for code, description, quantity, price in parts:
            amount = quantity * Decimal(price)
            carried += amount
            page += [(20, y, code), (42, y, description), (118, y, f">{quantity}"), (148, y, f">{price}")]
            page.append((185, y, f">{amount:,}"))
            y += 8
        if number < len(pages):
            page += [(42, y, "Carried forward"), (185, y, f">{carried:,}")]
        else:
            tax = (carried * Decimal("0.0575")).quantize(Decimal("0.01"), ROUND_HALF_UP)
            for text, amount in (("Subtotal", carried), ("Sales tax 5.75%", tax), ("Total USD", carried + tax)):
                y += 8
                page += [(130, y, text), (185, y, f">{amount:,}")]
        yield page


def draw(path: Path, *pages: list[Placed]) -> None:
    canvas = Canvas(str(path), pagesize=A4, invariant=True)
    for placed in pages:
        canvas.setFont("Helvetica", 10)
        for x, y, text in placed:
            write = canvas.drawRightString if text.startswith(">") else canvas.drawString
            write(x * 72 / 25.4, A4[1] - y * 72 / 25.4, text.removeprefix(">"))
        canvas.showPage()
    canvas.save()


def main() -> None:
    draw(RECEIPTS / "13-tidewater-print.pdf", TIDEWATER)
    draw(RECEIPTS / "14-kestrel-software.pdf", KESTREL)
    draw(RECEIPTS / "15-orchard-bistro.pdf", ORCHARD)
    whole = (RECEIPTS / "13-tidewater-print.pdf").read_bytes()
    (RECEIPTS / "16-damaged.pdf").write_bytes(whole[:200] + b"\n% the rest of this file was lost\n")
    draw(INVOICES / "04-cosechas-del-turia.pdf", COSECHAS)
    draw(INVOICES / "05-northgate-components.pdf", *northgate())
    draw(INVOICES / "07-seeblick-catering.pdf", SEEBLICK)


if __name__ == "__main__":
    main()
