"""Numbers as people write them: large ones in three digits, as papers do, and one thing without an s."""

_PREFIXES = ("", "K", "M", "G", "T", "P")


def short(number: float) -> str:
    """`25557032` as `25.6M`."""
    value, prefix = _scaled(number)
    return f"{value}{prefix}"


def size(count: int) -> str:
    """Bytes: `97800000` as `97.8 MB`, in powers of 1,000."""
    value, prefix = _scaled(count)
    return f"{value} {'k' if prefix == 'K' else prefix}B"


def counted(number: int, thing: str, things: str = "") -> str:
    """`1 image`, `1,203 images`; for `2 classes`, how several are called has to be said."""
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"


def _scaled(number: float) -> tuple[str, str]:
    value = float(number)
    for prefix in _PREFIXES:
        if abs(value) < 999.5 or prefix == _PREFIXES[-1]:  # noqa: PLR2004 - what rounds to four digits takes the next prefix
            break
        value /= 1000
    if not prefix:
        return f"{value:g}", ""
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0  # noqa: PLR2004 - three digits in all
    return f"{value:.{digits}f}", prefix
