"""Makes the PDF invoices of examples/receipts. It needs reportlab, which nothing else here does; the PDFs are
committed.

python examples/make_pdfs.py
"""

from __future__ import annotations

from pathlib import Path

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

HERE = Path(__file__).parent / "receipts"

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


def draw(name: str, placed: list[Placed]) -> None:
    canvas = Canvas(str(HERE / name), pagesize=A4, invariant=True)
    canvas.setFont("Helvetica", 10)
    for x, y, text in placed:
        write = canvas.drawRightString if text.startswith(">") else canvas.drawString
        write(x * 72 / 25.4, A4[1] - y * 72 / 25.4, text.removeprefix(">"))
    canvas.save()


def main() -> None:
    draw("13-tidewater-print.pdf", TIDEWATER)
    draw("14-kestrel-software.pdf", KESTREL)
    draw("15-orchard-bistro.pdf", ORCHARD)
    whole = (HERE / "13-tidewater-print.pdf").read_bytes()
    (HERE / "16-damaged.pdf").write_bytes(whole[:200] + b"\n% the rest of this file was lost\n")


if __name__ == "__main__":
    main()
