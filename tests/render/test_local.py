"""The local engine: mail, page, PDF and their budgets; hostile data everywhere."""

import re
import subprocess
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

import sample_reports
from mlreport_batch.errors import ConfigError, RenderError
from mlreport_batch.render import Rendered, budget, layout, pdf
from mlreport_batch.render.local import LocalRenderer
from mlreport_batch.report.model import AlertRow, Digest, Fact, Report, TextBlock

VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "wbr"}
CASES = {
    "fine": sample_reports.fine,
    "alarming": sample_reports.alarming,
    "korean": sample_reports.korean,
    "many": sample_reports.many,
    "bare": sample_reports.bare,
    "hostile": sample_reports.hostile,
    "digest": sample_reports.digest,
    "digest_ko": lambda: sample_reports.digest("ko"),
}


class Document(HTMLParser):
    """Elements, attributes and visible text of a page; checks the nesting."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {k: v or "" for k, v in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


@pytest.fixture(scope="module", params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> tuple[Report | Digest, Rendered]:
    report = CASES[request.param]()
    return report, LocalRenderer().render(report)


def render(report: Report | Digest) -> Rendered:
    return LocalRenderer().render(report)


def pdf_text(data: bytes) -> str:
    done = subprocess.run(
        ["pdftotext", "-layout", "-", "-"], input=data, capture_output=True, check=True
    )
    return done.stdout.decode()


def test_every_form_is_made_within_its_size(case: tuple[Report | Digest, Rendered]):
    _, rendered = case
    assert rendered.note == ""
    assert 0 < len(rendered.mail_html.encode()) <= 90_000
    assert rendered.pdf is not None
    assert rendered.pdf.startswith(b"%PDF-")
    assert len(rendered.pdf) < 300_000
    assert all(len(image.data) < 200_000 for image in rendered.images)


def test_a_page_that_nobody_wants_is_not_drawn():
    report = sample_reports.fine()
    with_page, without = render(report), LocalRenderer(has_pages=False).render(report)
    assert with_page.page_html
    assert without == replace(with_page, page_html="")


def test_elements_nest_and_nothing_is_fetched_or_run(
    case: tuple[Report | Digest, Rendered],
):
    _, rendered = case
    cids = {f"cid:{image.cid}" for image in rendered.images}
    for text in (rendered.mail_html, rendered.page_html):
        document = Document(text)
        places = {pair for _, each in document.elements for pair in each.items()}
        for tag, attributes in document.elements:
            assert tag not in ("script", "iframe", "object", "embed", "form", "link")
            for name, value in attributes.items():
                assert not name.startswith("on")
                if name == "href" and value.startswith("#"):
                    assert ("id", value[1:]) in places
                elif name in ("src", "background", "href"):
                    assert value in cids
                assert "url(" not in value
        assert not re.search(r"@import|url\(|expression\(", text.split("<body")[0])
    assert cids == set(re.findall(r'src="(cid:[^"]+)"', rendered.mail_html))
    assert "cid:" not in rendered.page_html


def test_every_metric_and_figure_is_shown(case: tuple[Report | Digest, Rendered]):
    report, rendered = case
    if isinstance(report, Digest):
        return
    for text in (rendered.mail_html, rendered.page_html):
        shown = Document(text).text
        for row in report.metrics:
            assert " ".join((row.family or row.key).split()) in shown
            assert row.value[:20] in shown
    for row in report.metrics:
        assert row.value in rendered.text


def test_a_drawn_line_of_a_text_is_no_wider_than_a_phone():
    report = replace(
        sample_reports.fine(), texts=(TextBlock("t", f"{'-' * 90}\n{'-' * 90}x\n---"),)
    )
    rendered = render(report)
    assert f"{'-' * 36}\n{'-' * 90}x\n---" in rendered.mail_html
    assert f"{'-' * 90}\n" in rendered.page_html


def test_charts_say_what_they_go_over():
    for language, words in (("en", "over steps"), ("ko", "스텝에 따라")):
        rendered = render(replace(sample_reports.fine(), language=language))
        assert words in Document(rendered.mail_html).text
        assert words in Document(rendered.page_html).text


def test_the_page_has_a_strict_policy_and_inline_charts():
    page = render(sample_reports.fine()).page_html
    assert "default-src 'none'" in page
    assert page.count('<div class="chart"><svg ') == 2
    assert "script-src" not in page


def test_the_mail_follows_the_readers_questions():
    text = Document(render(sample_reports.alarming()).mail_html).text
    order = [
        "stalled",
        "train_loss is NaN since",
        "12,000 of 50,000",
        "NaN best 0.2659",
        "Needs attention",
        "What was intended",
        "not found",
        "Metrics",
        "Validation",
        "Value",
        "Charts",
        "Hyperparameters",
        "Results",
        "Checkpoints",
        "Model structure",
        "Could not be read",
        "Left out",
        "made by mlreport-batch on gpu-07",
    ]
    start = text.index("experiments")  # behind the hidden preheader
    places = [text.index(part, start) for part in order]
    assert places == sorted(places)


def test_the_headline_is_the_hidden_preheader():
    report = sample_reports.fine()
    mail = render(report).mail_html
    first = re.search(r'<div class="preheader" style="([^"]*)">([^<]*)</div>', mail)
    assert first is not None
    assert "display:none" in first[1]
    assert first[2] == report.headline


def test_one_line_is_enough_when_every_parameter_is_as_intended():
    text = Document(render(sample_reports.fine()).mail_html).text
    assert "✓ All 3 intended parameters are as you meant them." in text
    assert "not found" not in text
    without = replace(sample_reports.fine(), intent_ok=None, intent_text="", purpose="")
    assert "What was intended" not in Document(render(without).mail_html).text


def test_a_run_without_metrics_says_so_once():
    made = render(sample_reports.bare())
    assert made.mail_html.count("No metrics yet") <= 2  # the preheader and the headline
    assert 'id="metrics"' not in made.page_html


def test_mail_knows_narrow_and_dark_screens():
    mail = render(sample_reports.fine()).mail_html
    assert '<meta name="color-scheme" content="light dark">' in mail
    assert "@media (prefers-color-scheme: dark)" in mail
    assert "@media (max-width: 560px)" in mail


def test_a_change_has_a_word_beside_its_colour():
    document = Document(render(sample_reports.fine()).mail_html)
    assert "-0.0123 better" in document.text.replace("-0.0123better", "-0.0123 better")
    assert "+0.0006worse" in document.text.replace(" ", "")


def test_without_an_earlier_report_there_is_no_column_of_changes():
    rows = tuple(replace(m, delta="") for m in sample_reports.fine().metrics)
    report = replace(sample_reports.fine(), metrics=rows)
    assert "Change" not in Document(render(report).mail_html).text


def test_a_mail_too_large_loses_rows_and_says_so():
    rendered = render(sample_reports.many(312))
    assert len(rendered.mail_html.encode()) <= 90_000
    shown = re.search(
        r"Showing (\d+) of 312 metrics; the rest is in the PDF", rendered.mail_html
    )
    assert shown is not None
    assert rendered.mail_html.count('class="k" style') >= int(shown[1])
    assert rendered.pdf is not None
    text = pdf_text(rendered.pdf)
    assert "metric_311" in text
    assert "metric_311" in rendered.text
    assert "metric_311" in rendered.page_html


def test_the_least_important_parts_go_first():
    report = replace(
        sample_reports.many(40),
        texts=(TextBlock("Model", "layer\n" * 20_000),),
        checkpoints=sample_reports.fine().checkpoints * 200,
    )
    mail = render(report).mail_html
    text = Document(mail).text
    assert "Showing" not in text.split("Charts")[0], "all 40 metrics are still there"
    assert "lines left out" in text
    assert "of 600 checkpoints; the rest is in the PDF" in text


@pytest.mark.no_cover
@pytest.mark.parametrize("letter", ["x", "한", "<", "🚀"])
def test_no_report_makes_a_mail_too_large(letter: str):
    long = letter * 5000
    base = sample_reports.many(3000)
    report = replace(
        base,
        run=long,
        headline=long,
        metrics=tuple(replace(m, key=f"{long}{i}") for i, m in enumerate(base.metrics)),
        alerts=tuple(AlertRow("nan", long) for _ in range(300)),
        facts=tuple(Fact(long, long) for _ in range(300)),
        problems=(long,) * 300,
        texts=(TextBlock(long, long * 20),) * 20,
    )
    rendered = render(report)
    assert len(rendered.mail_html.encode()) <= 90_000
    assert len(rendered.text.encode()) <= 2_000_000
    assert "of 3,000 metrics" in rendered.mail_html


@pytest.mark.no_cover
def test_a_hundred_thousand_emoji_do_not_hold_up_the_pdf(
    monkeypatch: pytest.MonkeyPatch,
):
    plutoprint, nothing = pdf._engine()
    drawn = []

    class Book:
        def __init__(self, *arguments: object) -> None:
            vars(self)["real"] = plutoprint.Book(*arguments)

        def __getattr__(self, name: str) -> object:
            return getattr(vars(self)["real"], name)

        def __setattr__(self, name: str, value: object) -> None:
            setattr(vars(self)["real"], name, value)

        def load_html(self, html: str, *others: str) -> None:
            drawn.append(html.count("🚀"))
            vars(self)["real"].load_html(html, *others)

    spy = SimpleNamespace(**{**vars(plutoprint), "Book": Book})
    monkeypatch.setattr(pdf, "_engine", lambda: (spy, nothing))
    html = "<table>" + "<tr><td>" + "🚀" * 100_000 + "</table>"
    assert pdf.write_pdf(html, title="t", made_at="2000-01-01T00:00:00Z")
    assert drawn == [1000]


def test_a_cut_text_keeps_its_beginning_and_its_end():
    lines = "\n".join(f"line {i}" for i in range(9000))
    report = replace(sample_reports.fine(), texts=(TextBlock("Log", lines),))
    fitted = budget.fit(report, budget.MAIL[0], where="elsewhere")
    text = fitted.report.texts[0].text
    assert text.startswith("line 0\n")
    assert text.endswith("\nline 8999")
    left = re.search(r"… (\d+) lines left out …", text)
    assert left is not None
    assert int(left[1]) + text.count("\n") == 9000
    assert "elsewhere" in fitted.notes["texts"]


def test_wrong_hparams_survive_every_cut():
    wrong = sample_reports.alarming().hparams[0]
    many = tuple(
        replace(sample_reports.fine().hparams[3], key=f"p{i}") for i in range(99)
    )
    report = replace(sample_reports.alarming(), hparams=(*many, wrong))
    fitted = budget.fit(report, budget.MAIL[-1], where="elsewhere")
    assert fitted.report.hparams[0] == wrong


def test_hostile_text_stays_text():
    rendered = render(sample_reports.hostile())
    plain = "<script>alert(1)</script><img src=http://evil.example/x.png"
    assert plain in Document(rendered.mail_html).text
    for text in (rendered.mail_html, rendered.page_html):
        for _, attributes in Document(text).elements:
            holding = {k for k, v in attributes.items() if "evil.example" in v}
            assert holding <= {"alt", "aria-label"}
    assert "javascript:" not in rendered.mail_html
    assert "{{run}}" in rendered.mail_html


def test_unsafe_characters_become_marks_and_stop_nothing():
    rendered = render(sample_reports.hostile(sample_reports.UNSAFE))
    for text in (rendered.mail_html, rendered.page_html, rendered.text):
        assert "\ufffd" in text
        text.encode("utf-8")
        assert not re.search("[\x00\x1b\u202e\uffff]", text)
    assert rendered.pdf is not None
    assert all("\x00" not in image.alt for image in rendered.images)


def test_a_link_appears_only_towards_https():
    good = replace(sample_reports.fine(), link="https://docs.example/d/1")
    assert '<a href="https://docs.example/d/1"' in render(good).mail_html
    bad = replace(sample_reports.fine(), link="javascript:alert(1)")
    assert "<a " not in render(bad).mail_html


def test_pdf_bytes_depend_on_the_report_alone():
    first = render(sample_reports.korean())
    again = render(sample_reports.korean())
    assert first.pdf == again.pdf
    assert first.images == again.images
    info = subprocess.run(
        ["pdfinfo", "-isodates", "-"], input=first.pdf, capture_output=True, check=True
    ).stdout.decode()
    assert re.search(r"CreationDate: +2019-12-27", info)
    assert re.search(r"Title: +음성인식/기준모델", info)


def test_pdf_text_can_be_selected_in_korean_and_english():
    rendered = render(sample_reports.korean())
    text = pdf_text(rendered.pdf or b"")
    for piece in ("음성인식/기준모델", "지표", "검증_손실", "0.3412", "🎉"):
        assert piece in text
    assert re.search(r"\b1 ?/ ?2\b", text)
    assert "\ufffd" not in text


def test_pdf_repeats_table_heads_and_the_runs_name_on_later_pages():
    text = pdf_text(render(sample_reports.many(120)).pdf or b"")
    pages = text.rstrip("\f").split("\f")
    assert len(pages) > 3
    assert "experiments / vision/resnet50-cosine/seed_3" in pages[1]
    assert "Value" in pages[1]
    assert re.search(rf"\b2 ?/ ?{len(pages)}\b", pages[1])


def test_pdf_uses_only_the_fonts_of_the_package():
    done = subprocess.run(
        ["pdffonts", "-"],
        input=render(sample_reports.korean()).pdf,
        capture_output=True,
        check=True,
    )
    names = {
        line.split()[0].split("+")[-1] for line in done.stdout.decode().splitlines()[2:]
    }
    assert names <= {
        "IBMPlexSans-Regular",
        "IBMPlexSans-SemiBold",
        "NanumGothic",
        "NanumGothicBold",
        "DejaVuSansMono",
        "NotoEmoji-Regular",
    }
    assert "NanumGothic" in names


def test_pdf_asks_for_nothing_from_outside(tmp_path: Path):
    secret = tmp_path / "secret.txt"
    secret.write_text("TOP-SECRET")
    html = (
        f'<p>before</p><img src="file://{secret}"><object data="file://{secret}">'
        f'</object><link rel="stylesheet" href="http://127.0.0.1:9/x.css"><p>after</p>'
    )
    text = pdf_text(pdf.write_pdf(html, title="t", made_at="2000-01-01T00:00:00Z"))
    assert "TOP-SECRET" not in text
    assert "before" in text
    assert "after" in text


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2019-12-27T23:59+09:00", "2019-12-27T00:00:00Z"),
        ("2026-05-01T00:00-11:00", "2026-05-01T00:00:00Z"),
    ],
)
def test_the_pdfs_date_is_the_reports(now: str, expected: str):
    report = replace(sample_reports.fine(), at=datetime.fromisoformat(now))
    assert pdf.iso_date(report.at) == expected


def test_charts_carry_names_for_those_who_see_no_pictures():
    images = render(sample_reports.fine()).images
    assert images[0].alt == "Chart loss: train_loss 0.2711, val_loss 0.3396"
    assert [image.alt for image in images[2:]] == [""] * 4, "small curves are told"
    assert len({image.cid for image in images}) == 6
    assert all(re.fullmatch(r"[A-Za-z0-9.@-]+", image.cid) for image in images)


def test_pictures_of_two_reports_never_share_a_name():
    other = replace(sample_reports.fine(), rid="another")
    first = {i.cid for i in render(sample_reports.fine()).images}
    assert first.isdisjoint(i.cid for i in render(other).images)


def test_a_digest_shows_the_worst_first_and_little_of_each():
    text = Document(render(sample_reports.digest()).mail_html).text
    table = text[: text.index("no new rows for 6 h")]
    assert table.index("resnet50-linear") < table.index("resnet50-cosine")
    assert "Checkpoints" not in text
    assert "Metrics" in text
    assert not render(sample_reports.digest()).images
    assert render(sample_reports.digest(count=3)).images


@pytest.mark.no_cover
def test_a_digest_of_many_runs_fits_and_says_what_it_left_out():
    rendered = render(sample_reports.digest(count=500))
    assert len(rendered.mail_html.encode()) <= 90_000
    text = Document(rendered.mail_html).text
    assert "of 500 runs" in text
    assert "vision/resnet50-linear/seed_1" in text


def test_two_hundred_runs_have_room_in_one_mail():
    text = Document(render(sample_reports.digest(count=200)).mail_html).text
    assert "Listing" not in text


def test_a_korean_report_has_no_english_label():
    mail = Document(render(sample_reports.korean()).mail_html).text
    for label in (
        "Hyperparameter",
        "Checkpoints",
        "better",
        "Change",
        "Best",
        "made by",
    ):
        assert label not in mail
    assert "지표" in mail


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("loss", "loss"),
        ("val/mean_iou_per_class", "val/<wbr>mean_<wbr>iou_<wbr>per_<wbr>class"),
        ("0.12345678901234567890", "0.12345678901234567890"),
        ("model.encoder.dim.ff", "model.<wbr>encoder.<wbr>dim.<wbr>ff"),
        ("<b>&</b> and some more", "&lt;b&gt;&amp;&lt;/<wbr>b&gt; and some more"),
        ("a" * 45, "a" * 20 + "<wbr>" + "a" * 20 + "<wbr>" + "a" * 5),
    ],
)
def test_long_names_break_at_their_joints(text: str, expected: str):
    assert str(layout._wrap(text)) == expected


def test_the_users_template_is_used_for_mail_page_and_pdf(tmp_path: Path):
    path = tmp_path / "mine.html"
    path.write_text(
        "<style>td { color: #123456 }</style><h1>{{run}} 한글</h1>"
        "<table><tr><td>{{key}}</td><td>{{value}}</td></tr></table>",
        encoding="utf-8",
    )
    rendered = LocalRenderer(str(path)).render(sample_reports.korean())
    assert "검증_손실" in Document(rendered.page_html).text
    assert 'style="color:#123456"' in rendered.mail_html
    assert "지표" in rendered.text
    assert "한글" in pdf_text(rendered.pdf or b"")
    assert "charset" in rendered.page_html
    assert not rendered.images


def test_the_users_template_is_held_to_the_same_size_and_says_cuts(tmp_path: Path):
    path = tmp_path / "mine.html"
    path.write_text("<body><table><tr><td>{{key}}<td>{{value}}</table></body>")
    rendered = LocalRenderer(str(path)).render(sample_reports.many(3000))
    assert len(rendered.mail_html.encode()) <= 90_000
    assert "of 3,000 metrics; the rest is in the PDF" in rendered.mail_html


def test_a_digest_has_the_default_look_even_with_a_template(tmp_path: Path):
    path = tmp_path / "mine.html"
    path.write_text("<p>mine</p>")
    rendered = LocalRenderer(str(path)).render(sample_reports.digest())
    assert "All runs" in rendered.mail_html


def test_a_template_that_cannot_be_read_is_a_config_error(tmp_path: Path):
    path = tmp_path / "mine.html"
    renderer = LocalRenderer(str(path))
    with pytest.raises(ConfigError, match="cannot be read"):
        renderer.render(sample_reports.fine())
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        renderer.render(sample_reports.fine())


def test_a_chart_that_cannot_be_drawn_is_left_out_and_said():
    broken = replace(sample_reports.series("x"), lows=("not a number",))
    chart = replace(sample_reports.chart(), series=(broken,))
    report = replace(sample_reports.fine(), charts=(chart, sample_reports.chart()))
    rendered = render(report)
    assert rendered.note == "a chart could not be drawn"
    assert sum(bool(image.alt) for image in rendered.images) == 1
    assert rendered.pdf is not None


def fail(*_args: object, **_more: object):
    raise RuntimeError("engine gave up")


def test_a_mail_still_goes_out_when_the_pdf_engine_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(pdf, "write_pdf", fail)
    monkeypatch.setattr(pdf, "write_png", fail)
    rendered = render(sample_reports.fine())
    assert rendered.pdf is None
    assert "the PDF could not be drawn: engine gave up" in rendered.note
    assert "a chart could not be drawn" in rendered.note
    assert "0.3412" in Document(rendered.mail_html).text
    path = tmp_path / "mine.html"
    path.write_text("<p>{{run}}")
    own = LocalRenderer(str(path)).render(sample_reports.fine())
    assert own.pdf is None
    assert "could not be drawn" in own.note


def test_a_report_that_breaks_the_layout_is_a_render_error():
    broken = replace(sample_reports.fine(), metrics=None)
    with pytest.raises(RenderError, match="20191227-063000-7f3a9c could not be drawn"):
        render(broken)


def test_every_font_travels_with_its_licence():
    fonts = {path.stem for path in pdf.FONTS.glob("*.ttf")}
    assert fonts == {
        "IBMPlexSans-Regular",
        "IBMPlexSans-SemiBold",
        "NanumGothic",
        "NanumGothicBold",
        "DejaVuSansMono",
        "NotoEmoji-Regular",
    }
    for name in (
        "NanumGothic-OFL",
        "NotoEmoji-OFL",
        "IBMPlexSans-OFL",
        "DejaVuSansMono-LICENSE",
    ):
        assert (pdf.FONTS / f"{name}.txt").stat().st_size > 2000


def test_the_age_of_a_checkpoint_is_never_cut():
    age, at = "1 min 29 s ago", "November 27, 23:41 UTC"
    report = sample_reports.fine()
    old = tuple(replace(each, age=age, at=at) for each in report.checkpoints)
    page = LocalRenderer().render(replace(report, checkpoints=old)).page_html
    assert age in page
    assert at in page
