"""The grammar of an answer, over text: what may still follow, and what must.

It knows no tokens, so that it holds for every tokenizer: a token is allowed when the text with it can still become an
answer.
"""

from lobarena.agents.llm.answer import FIELDS

_NAMES = list(FIELDS)
_PARTS: list[str | tuple[int, int]] = []  # texts that stand as they are, and numbers with their bounds
for _name in _NAMES:
    _PARTS += [f'{"{" if _name == _NAMES[0] else ", "}"{_name}": ', FIELDS[_name]]
_PARTS.append("}")
_NUMERAL = set("-0123456789")


def viable(text: str) -> bool:
    """Whether the text is an answer or the beginning of one."""
    return _rest(text) is not None


def complete(text: str) -> bool:
    """Whether the text is an answer."""
    rest = _rest(text)
    return rest is not None and rest == ("", True)


def forced(text: str) -> str:
    """What must follow a viable text, as far as nothing can be chosen; "" where something can, or at the end."""
    rest = _rest(text)
    return rest[0] if rest else ""


def _rest(text: str) -> tuple[str, bool] | None:
    """(what must follow, whether the text is an answer); None when it can become none."""
    at = 0
    for number, part in enumerate(_PARTS):
        left = text[at:]
        if isinstance(part, str):
            if not left.startswith(part):
                return (part[len(left) :], False) if part.startswith(left) else None
            at += len(part)
            continue
        end = at
        while end < len(text) and text[end] in _NUMERAL:
            end += 1
        numeral = text[at:end]
        if end == len(text):
            if not _begins(numeral, *part):
                return None
            following = _PARTS[number + 1]
            assert isinstance(following, str)
            grows = any(_begins(numeral + digit, *part) for digit in "0123456789")
            return ("" if grows or not _is(numeral, *part) else following, False)
        if not _is(numeral, *part):
            return None
        at = end
    return ("", True) if at == len(text) else None


def _is(numeral: str, low: int, high: int) -> bool:
    """Whether it is a whole number in bounds, written the one way there is."""
    digits = numeral.removeprefix("-")
    return digits.isdecimal() and str(int(numeral)) == numeral and low <= int(numeral) <= high


def _begins(numeral: str, low: int, high: int) -> bool:
    """Whether some whole number in bounds begins so."""
    if numeral in ("", "-"):
        return numeral == "" or low < 0
    digits = numeral.removeprefix("-")
    if not digits.isdecimal() or str(int(numeral)) != numeral:
        return False
    if digits == "0":
        return low <= 0 <= high
    least, most = (max(low, 0), high) if digits == numeral else (max(-high, 0), -low)
    value, reach = int(digits), 1
    while value * reach <= most:
        if value * reach + reach - 1 >= least:
            return True
        reach *= 10
    return False
