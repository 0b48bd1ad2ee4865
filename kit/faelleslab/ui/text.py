"""Danish spelling of numbers and sizes."""

_KIB = 1024


def format_number(value: float, decimals: int = 0) -> str:
    """Write a number the Danish way.

    Parameters
    ----------
    value : float
    decimals : int
        Digits after the comma.

    Returns
    -------
    str
        A missing value is ``–``.

    Examples
    --------
    >>> format_number(1234.56, 1)
    '1.234,6'
    >>> format_number(float("nan"))
    '–'
    """
    if value != value:
        return "–"
    text = f"{value:,.{decimals}f}".replace(",", " ").replace(".", ",").replace(" ", ".")
    return "0" + text[2:] if text.startswith("-0") and not text.strip("-0,.") else text


def format_bytes(size: int) -> str:
    """Write a file's size in kB or MB.

    Examples
    --------
    >>> format_bytes(12_700)
    '12 kB'
    """
    if size < _KIB:
        return f"{size} byte"
    if size < _KIB * _KIB:
        return f"{size // _KIB} kB"
    return f"{format_number(size / _KIB / _KIB, 1)} MB"
