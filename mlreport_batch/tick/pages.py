"""The pages of a tick: of each run that was looked at, and over all of them.

Pages follow the state. While they are written, the state says that they are behind it;
a tick that finds it so, since the one before died or could not write, makes the page
over all runs anew. What goes wrong here is told, and holds up no mail.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec.structs import replace

from mlreport_batch.errors import StateError
from mlreport_batch.language.dates import local_now
from mlreport_batch.render.draw import Drawn
from mlreport_batch.render.pages import CURVES, Pages, id_of, slug_of, unusable
from mlreport_batch.render.run_index import STATIC_ROWS, Shown, put_page, with_curves
from mlreport_batch.render.run_rows import (
    VERSION,
    PageCurves,
    PageIndex,
    PageRow,
    RowFiles,
    files_for,
    with_card,
)
from mlreport_batch.report.card import Card
from mlreport_batch.safety.clean import clean
from mlreport_batch.state.idle import CONFIG_KEY, INCOMPLETE
from mlreport_batch.state.store import RunRow
from mlreport_batch.tick.finding import Finding
from mlreport_batch.tick.scope import Scope

PAGES = "pages"
"""Of the state: which pages are as it is; nothing while they may be behind it."""

CardsOf = Callable[[Sequence[str]], Iterator[tuple[str, Card]]]


class PageWriter:
    """Keeps the pages of one tick as the state is.

    Args:
        scope: The tick.

    Attributes:
        is_on: Whether there are pages.
    """

    def __init__(self, scope: Scope) -> None:
        folder = scope.config.pages_folder
        self.is_on = folder is not None and not scope.options.dry_run
        self._scope, self._state = scope, scope.state
        self._pages = Pages(os.fspath(folder or ""))
        self._key = f"{VERSION} {scope.config.report.language} {folder}"
        self._cards: dict[str, Card] = {}
        self._is_behind = False
        self._has_failed = False

    def begin(self, config_key: str) -> None:
        """Note whether the pages are as the state is, and the config is the same."""
        state = self._state
        is_same = state.meta(CONFIG_KEY) == config_key
        self._is_behind = not is_same or state.meta(PAGES) != self._key

    def fall_behind(self) -> None:
        """Note in the state, with what is committed next, that pages are behind it."""
        if self.is_on and self._state.meta(PAGES):
            with self._state.transaction(stays_open=True):
                self._state.set_meta(PAGES, "")

    def take(self, findings: Iterable[Finding]) -> None:
        """Keep the cards of runs that were read, and write their curves."""
        if not self.is_on:
            return
        for finding in findings:
            row = self._state.run(finding.path)
            if finding.card is not None and row is not None:
                self._take(row, finding.card, is_changed=finding.is_changed)

    def _take(self, row: RunRow, card: Card, *, is_changed: bool) -> None:
        self._cards[row.path] = replace(card, curves=(), times=())
        slug = slug_of(row.name, row.path)
        if card.curves and (is_changed or not self._pages.has(slug, CURVES)):
            curves = PageCurves(card.curves, card.times)
            self._try(lambda: self._pages.put_curves(slug, id_of(row.path), curves))

    def report_path(self, slug: str) -> str:
        """Return where a run's newest report lies as HTML."""
        return self._pages.report_path(slug)

    def put_report(self, slug: str, drawn: Drawn) -> None:
        """Keep a run's newest report."""
        if self.is_on:
            page = with_curves(drawn.page_html)
            self._try(lambda: self._pages.put_report(slug, page, drawn.pdf))

    def finish(self, cards_of: CardsOf) -> None:
        """Write the page over all runs, if a run on it is not as it was.

        Args:
            cards_of: Gives the cards of some runs, by what is known of them.
        """
        if self.is_on and not self._has_failed:
            self._try(lambda: self._finish(cards_of))

    def settled(self) -> dict[str, str]:
        """Return what the state must say of the pages now."""
        if not self.is_on:
            return {}
        # What could not be written must be tried again even if there is no news.
        return {INCOMPLETE: "1"} if self._has_failed else {PAGES: self._key}

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as exc:
            self._fail(unusable(self._pages.folder, exc))
        except StateError as exc:
            self._fail(exc)

    def _fail(self, error: StateError) -> None:
        """Tell the first failure; the others have the same reason."""
        if not self._has_failed:
            self._scope.summary.errors.append(error)
        self._has_failed = True

    def _finish(self, cards_of: CardsOf) -> None:
        state = self._state
        files = RowFiles(self._pages.folder)
        index = None if self._is_behind else files.index()
        total, sums = state.shown_count(), None
        if index is not None:
            gone = [id_of(path) for path in state.gone_since(index.made)]
            sums = self._changed(files, index, gone, total)
            if sums == index.files:
                return
        if sums is None:
            sums = files.make(self._all_rows(cards_of), total)
        latest = [self._row(row, None) for row in state.latest_runs(STATIC_ROWS)]
        report = self._scope.config.report
        at = local_now(report.zone(), self._scope.now)
        put_page(self._pages, files, sums, Shown(latest, total, at, report.language))

    def _changed(
        self, files: RowFiles, index: PageIndex, gone: Sequence[str], total: int
    ) -> tuple[str, ...] | None:
        """Write what changed; return all sums, or None where all must be made anew."""
        rows = list(self._rows(self._cards))
        try:
            if len(index.files) >= files_for(total):
                return files.change(index.files, rows, gone)
            known = {row.id: row for row in files.all_rows(index.files)}
        except (FileNotFoundError, ValueError):
            return None
        known |= {row.id: row for row in rows}
        return files.make((row for key, row in known.items() if key not in gone), total)

    def _all_rows(self, cards_of: CardsOf) -> list[PageRow]:
        paths = [row.path for row in self._state.shown_runs()]
        for path, card in cards_of([path for path in paths if path not in self._cards]):
            row = self._state.run(path)
            if row is not None:
                self._take(row, card, is_changed=True)
        return list(self._rows(paths))

    def _rows(self, paths: Iterable[str]) -> Iterator[PageRow]:
        for path in paths:
            row = self._state.run(path)
            if row is not None and row.gone_at is None:
                yield self._row(row, self._cards.get(path))

    def _row(self, row: RunRow, card: Card | None) -> PageRow:
        slug, has = slug_of(row.name, row.path), self._pages.has
        bare = PageRow(
            id=id_of(row.path),
            slug=slug,
            name=row.name,
            group=self._group(row),
            status=row.status,
            headline=row.headline,
            reported=row.reported_at,
            page=has(slug, "report.html"),
            pdf=has(slug, "report.pdf"),
            drawn=has(slug, CURVES),
        )
        return bare if card is None else with_card(bare, card)

    def _group(self, row: RunRow) -> str:
        return clean(self._scope.company.group(row) or os.path.basename(row.root))
