"""Turn the bytes of a file into UTF-8, and say which encoding they were in.

Promises: the time is linear, nothing is replaced by a question mark, and what is not text is a `DataError`.
"""

import codecs
import re
from dataclasses import dataclass

import numpy as np

from faelleslab.errors import DataError

# æ ø å Æ Ø Å in the code page of DOS and old mainframes (cp865 for Danish), and in Windows' own cp1252.
_DOS_LETTERS = b"\x91\x9b\x86\x92\x9d\x8f"
_WINDOWS_LETTERS = "æøåÆØÅ".encode("cp1252")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_KINDS = (
    (
        b"PK\x03\x04",
        "en Excel- eller zip-fil",
        "Åbn filen i Excel og gem den som CSV, eller læs den med pandas.read_excel.",
    ),
    (b"\xd0\xcf\x11\xe0", "en gammel Excel-fil", "Åbn filen i Excel og gem den som CSV."),
    (b"%PDF", "en PDF-fil", "Bed om tallene som CSV eller Excel."),
    (b"\x1f\x8b", "en pakket fil (gzip)", "Pak filen ud først."),
    (b"PAR1", "en Parquet-fil", "Læs den med pandas.read_parquet."),
)
_DOUBLE_ENCODED = re.compile("Ã[\u0080-\u00bf¦¸¥†˜…]")


@dataclass(frozen=True)
class Decoded:
    """The text of a file as UTF-8 bytes without a byte order mark, and how it was read."""

    utf8: bytes
    encoding: str
    why: str
    certain: bool
    notes: tuple[str, ...] = ()


def decode(raw: bytes, encoding: str | None = None) -> Decoded:
    """Decode a whole file, in the encoding given or the one its bytes speak for.

    Parameters
    ----------
    raw : bytes
        The file.
    encoding : str, optional
        A Python codec name; overrides the guess.

    Returns
    -------
    Decoded

    Raises
    ------
    DataError
        FL-D002 (empty), FL-D003 (not a text file), FL-D004 (the encoding does not fit or is unknown).
    """
    if not raw.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise DataError("FL-D002", "Filen er tom.", remedy="Hent filen igen, eller vælg en anden fil.")
    for start, kind, remedy in _OTHER_KINDS:
        if raw.startswith(start):
            raise DataError("FL-D003", f"Filen er {kind}, ikke en tekstfil.", remedy=remedy)
    decoded = _decode_given(raw, encoding) if encoding else _guess(raw)
    if b"\x00" in decoded.utf8:
        raise DataError(
            "FL-D003",
            "Filen indeholder nul-tegn og er ikke en tekstfil.",
            remedy="Åbn filen i det program, den kommer fra, og gem den som CSV.",
        )
    return decoded


def _decode_given(raw: bytes, encoding: str) -> Decoded:
    try:
        name = codecs.lookup(encoding).name
        text = raw.decode(encoding)
        utf8 = text.removeprefix("\ufeff").encode()
    except (LookupError, ValueError, TypeError, AssertionError, UnicodeError):
        # The cause holds bytes of the file, so it is not shown.
        raise DataError(
            "FL-D004",
            "Filen kan ikke læses i den valgte tegnkodning.",
            remedy="Udelad encoding, så gættes den, eller prøv encoding='cp1252'.",
        ) from None
    return Decoded(utf8, name, "valgt af dig", certain=True)


def _guess(raw: bytes) -> Decoded:
    for mark, codec in _MARKS:
        if raw.startswith(mark):
            return _marked(raw, mark, codec)
    if _looks_like_utf16(raw):
        codec = "utf-16-le" if raw[1:400:2].count(0) >= raw[0:400:2].count(0) else "utf-16-be"
        return Decoded(_strict(raw, codec), codec, "hvert andet tegn er et nul-tegn", certain=False)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return _single_byte(raw)
    if raw.isascii():
        return Decoded(raw, "utf-8", "kun almindelige tegn uden æ, ø og å", certain=True)
    notes: tuple[str, ...] = ()
    if _DOUBLE_ENCODED.search(text):
        notes = (
            "Nogle bogstaver ser ud til at være kodet to gange (fx to tegn, hvor der skulle stå ét æ, ø eller å).",
        )
    return Decoded(raw, "utf-8", "æ, ø og å er gyldig UTF-8", certain=True, notes=notes)


def _marked(raw: bytes, mark: bytes, codec: str) -> Decoded:
    try:
        return Decoded(
            _strict(raw, codec).removeprefix(codecs.BOM_UTF8), codec, "filen begynder med et BOM-mærke", certain=True
        )
    except DataError:
        if mark != codecs.BOM_UTF8:
            raise
    # Some programs put a UTF-8 mark on a cp1252 file.
    body = _single_byte(raw.removeprefix(mark))
    return Decoded(body.utf8, body.encoding, "BOM-mærket siger UTF-8, men tegnene passer ikke", certain=False)


def _strict(raw: bytes, codec: str) -> bytes:
    try:
        return raw.decode(codec).encode()
    except UnicodeError:
        raise DataError(
            "FL-D004",
            f"Filen siger, at den er {codec}, men kan ikke læses sådan.",
            remedy="Hent filen igen: den kan være afbrudt undervejs. Ellers angiv encoding.",
        ) from None


def _looks_like_utf16(raw: bytes) -> bool:
    head = raw[:400]
    return len(raw) % 2 == 0 and len(head) >= 4 and max(head[0::2].count(0), head[1::2].count(0)) > len(head) // 4


def _single_byte(raw: bytes) -> Decoded:
    counts = np.bincount(np.frombuffer(raw, dtype=np.uint8), minlength=256)
    dos = counts[list(_DOS_LETTERS)].sum()
    windows = counts[list(_WINDOWS_LETTERS)].sum()
    if dos > 0 and windows == 0:
        return Decoded(raw.decode("cp865").encode(), "cp865", "æ, ø og å ligger som i gamle DOS-filer", certain=False)
    notes: tuple[str, ...] = ()
    if _mostly_utf8(raw, counts):
        notes = ("Det meste er UTF-8, men ikke alt: nogle bogstaver kan se forkerte ud.",)
    try:
        return Decoded(
            raw.decode("cp1252").encode(), "cp1252", "æ, ø og å ligger som i Windows", certain=False, notes=notes
        )
    except UnicodeDecodeError:
        return Decoded(
            raw.decode("latin-1").encode(), "latin-1", "passer ikke i andre tegnkodninger", certain=False, notes=notes
        )


def _mostly_utf8(raw: bytes, counts: np.ndarray) -> bool:
    valid = len(raw.decode("utf-8", "ignore").encode()) - int(counts[:128].sum())
    return valid * 2 > int(counts[128:].sum())
