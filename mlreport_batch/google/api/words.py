"""What went wrong below an answer, in words that a person can use."""

from collections.abc import Iterator

from mlreport_batch.safety.clean import clean


def in_words(exc: BaseException) -> str:
    """Return what *exc* comes from, without addresses of calls or in memory."""
    from requests import TooManyRedirects

    *_, cause = causes = list(_causes(exc))
    if any(isinstance(each, TooManyRedirects) for each in causes):
        return "the answer leads elsewhere: to the login page of a network?"
    return clean(str(getattr(cause, "strerror", None) or cause), 300)


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield *exc* and what it wraps, however its library keeps that."""
    found: BaseException | None = exc
    while found is not None:
        yield found
        inner = (getattr(found, "reason", None), *found.args)
        wrapped = (*inner, found.__cause__, found.__context__)
        found = next((e for e in wrapped if isinstance(e, BaseException)), None)
