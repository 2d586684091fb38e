"""Google's export becomes a mail that phones and dark screens can read."""

import base64
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import sample_reports as samples
from google_server import GoogleServer, build
from google_server.build import Paragraph, Run, Table
from google_server.export import to_html
from google_setup import Lab, html_of, numbered
from mlreport_batch.google.export import clean as export_clean
from mlreport_batch.google.export import mail as export_mail
from mlreport_batch.google.export import tree as export_tree
from mlreport_batch.google.export.clean import clean, inline, plain, unwrapped
from mlreport_batch.render import Rendered
from mlreport_batch.report.model import Report

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
REPORT = replace(samples.fine(), link="https://docs.google.com/document/d/1/edit")


@pytest.fixture
def server() -> Iterator[GoogleServer]:
    with GoogleServer() as running:
        yield running


def page(body: str, css: str = "") -> str:
    return (
        f"<html><head><style>{css}</style></head><body class='c9'>{body}</body></html>"
    )


def cleaned(body: str, css: str = "") -> str:
    return clean(inline(page(body, css)), "r1").root.write()


def rendered(body: str, css: str = "", report: Report = REPORT) -> Rendered:
    return export_mail.render(report, inline(page(body, css)), b"%PDF-", [])


def test_redirects_of_google_are_unwrapped():
    wrapped = (
        "https://www.google.com/url?q=https://lab.example/a%3Fb%3D1%26c%3D2"
        "&amp;sa=D&amp;source=editors&amp;ust=1&amp;usg=x"
    )
    made = cleaned(f'<p><a href="{wrapped}">see</a></p>')
    assert 'href="https://lab.example/a?b=1&amp;c=2"' in made
    assert "google.com" not in made


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("https://lab.example/", "https://lab.example/"),
        ("mailto:a@b.example", "mailto:a@b.example"),
        ("https://www.google.com/url?q=javascript:alert(1)", ""),
        ("javascript:alert(1)", ""),
        ("#h.abc", ""),
        ("data:text/html,x", ""),
        ("https://www.google.com/url", ""),
        ("https://www.google.com/search?q=x", "https://www.google.com/search?q=x"),
    ],
)
def test_links_lead_only_where_links_may(address: str, target: str):
    assert unwrapped(address) == target


def test_pictures_become_parts_of_the_mail():
    data = base64.b64encode(PNG).decode()
    picture = (
        f'<img src="data:image/png;base64,{data}" style="width:900px" alt="a&amp;b">'
    )
    made = rendered(
        f"<p><span style='width:900px;overflow:hidden'>{picture}</span></p>"
    )
    first = made.images[0]
    assert (first.media_type, first.data, first.alt) == ("image/png", PNG, "a&b")
    assert f'src="cid:{first.cid}"' in made.mail_html
    assert 'width="592"' in made.mail_html
    assert "900px" not in made.mail_html
    assert "data:" not in made.mail_html
    assert "cid:" not in made.page_html
    assert data in made.page_html


@pytest.mark.parametrize(
    "source",
    [
        "https://lh3.googleusercontent.com/x",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "data:image/png;base64,!!!",
        "data:image/png;base64,",
        "",
    ],
)
def test_pictures_that_cannot_travel_are_said(source: str):
    made = rendered(f'<p>x<img src="{source}"></p>')
    assert "googleusercontent" not in made.mail_html
    assert "1 pictures of the document are shown in the PDF only" in made.mail_html
    assert "PDF only" in made.text


HOSTILE = [
    "<script>alert(1)</script>",
    "<style>@import url(https://evil.example/x.css)</style>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<iframe src=https://evil.example/></iframe>",
    "<p style='background:url(https://evil.example/x.png)'>x</p>",
    "<p style='background-color:url(https://evil.example/x.png)'>x</p>",
    "<td style=\"border:1px solid url('https://evil.example')\">x</td>",
    "<p onclick=alert(1) id=x class=y>x</p>",
    "<svg onload=alert(1)></svg>",
    "<object data=https://evil.example></object>",
    "<form action=https://evil.example><input></form>",
    "<p style='font-family:\"x</style><script>alert(1)</script>\"'>x</p>",
    "<p style='color:expression(alert(1))'>x</p>",
    "<base href=https://evil.example/>",
    "<!-- <script>alert(1)</script> -->",
    "<table background=https://evil.example/x.png><tr><td>x</td></tr></table>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_foreign_gets_through(hostile: str):
    made = cleaned(f"<p>before</p>{hostile}<p>after</p>")
    assert "evil.example" not in made
    assert "alert" not in made
    assert "before" in made
    assert "after" in made


@given(st.text())
def test_text_of_a_document_stays_text(text: str):
    import html

    made = cleaned(f"<p>{html.escape(text)}</p>")
    assert "<script" not in made.lower().replace("&lt;script", "")
    again = export_tree.parse(made)
    assert not [n for n in again.elements() if n.tag not in ("", "p", "div", "br")]


def test_import_of_fonts_is_cut_from_the_stylesheet():
    css = "@import url('https://themes.googleusercontent.com/fonts/css?kit=x');.c1{color:#ff0000}"
    made = cleaned("<p><span class='c1'>x</span></p>", css)
    assert made == '<p style="margin:0 0 6px;color:#ff0000">x</p>'


def test_what_the_mail_says_anyway_is_not_said_again():
    css = (
        '.c0{color:#000000;font-weight:400;font-size:11pt;font-family:"Arial";'
        "font-style:normal}"
    )
    made = cleaned(
        "<p class='c0'><span class='c0'>a</span><span class='c0'>b</span></p>", css
    )
    assert made == '<p style="margin:0 0 6px">ab</p>'


def test_ground_and_ink_stand_together():
    made = cleaned("<p style='background-color:#ffeeaa'>x</p>")
    assert "background-color:#ffeeaa" in made
    assert "color:#000000" in made


@pytest.mark.parametrize(
    ("name", "value", "want"),
    [
        ("color", "#ABC", "#aabbcc"),
        ("color", "rgb(1, 2, 300)", "#0102ff"),
        ("color", "inherit", ""),
        ("color", "black", "#000000"),
        ("color", "url(x)", ""),
        ("font-weight", "bold", "700"),
        ("font-family", '"Roboto Mono", monospace', "roboto mono"),
        ("text-align", "justify", "left"),
        ("font-size", "1" * 100, ""),
    ],
)
def test_values_have_one_spelling(name: str, value: str, want: str):
    assert plain(name, value) == want


def test_sub_and_superscript_and_lists_survive():
    made = cleaned(
        "<ul class='lst-kix_a'><li><span>one</span></li></ul><p>x<span style='vertical-"
        "align:super'>2</span><span style='text-decoration:underline'>u</span></p>"
        "<h2>Head</h2><hr style='page-break-before:always;display:none;'>"
    )
    assert "<ul" in made
    assert ">one</li>" in made
    assert "vertical-align:super" in made
    assert "text-decoration:underline" in made
    assert "<h2" in made
    assert "<hr" not in made


def test_empty_paragraphs_become_one_small_gap():
    made = cleaned("<p></p><p>a</p><p><br></p><p>&nbsp;</p><p></p><p>b</p><p></p>")
    assert made.count('"height:10px') == 1
    assert made.index(">a<") < made.index('"height:10px') < made.index(">b<")


def big(rows: int) -> str:
    table = Table(
        [
            ["Key", "Value"],
            *([f"metric_{i}/mean/of/all", f"{i}.5"] for i in range(rows)),
        ]
    )
    return to_html(build.document("head", table, "tail")).decode()


@pytest.mark.no_cover
@pytest.mark.parametrize("rows", [1, 50, 300, 3000])
def test_mail_is_never_clipped_and_says_what_is_cut(rows: int):
    made = export_mail.render(REPORT, inline(big(rows)), b"%PDF-", [])
    assert len(made.mail_html.encode()) <= 90_000
    assert "head" in made.mail_html
    assert "tail" in made.mail_html
    shown = made.mail_html.count("/mean/of/all")
    if shown < rows:
        assert f"of {rows + 1} rows; the rest is in the PDF" in made.mail_html
    else:
        assert "rest is in the PDF" not in made.mail_html


def test_fifty_metrics_fit_whole(server: GoogleServer, tmp_path: Path):
    lab = Lab(server, tmp_path)
    lab.as_user()
    lab.with_default_template()
    (drawn,) = lab.draw(samples.many(50))
    made = html_of(drawn.message)
    assert len(made.encode()) <= 90_000
    assert "the rest is in the PDF" not in made
    assert all(f"metric_{i}<" in made for i in range(1, 50) if i % 5)


def test_document_without_end_is_shortened():
    made = export_mail.render(
        REPORT,
        inline(page("".join(f"<p>{i} {'x' * 50}</p>" for i in range(4000)))),
        None,
        [],
    )
    assert len(made.mail_html.encode()) <= 90_000
    assert "too long for a mail" in made.mail_html


def test_mail_has_preheader_link_charts_and_language():
    report = replace(samples.korean(), link=REPORT.link)
    made = rendered("<p>문서</p>", report=report)
    assert 'lang="ko"' in made.mail_html
    start = made.mail_html.index("display:none")
    assert report.headline[:20] in made.mail_html[start : start + 400]
    assert f'href="{REPORT.link}"' in made.mail_html
    assert "문서 열기" in made.mail_html
    assert REPORT.link in made.text
    assert [image.cid[:6] for image in made.images] == ["chart1"]
    assert 'content="light only"' in made.mail_html


def test_link_that_is_no_web_address_is_not_shown():
    made = rendered("<p>x</p>", report=replace(REPORT, link="javascript:alert(1)"))
    assert "javascript" not in made.mail_html


def test_styles_of_runs_survive(server: GoogleServer):
    text = Paragraph(
        [
            Run("red", {"foregroundColor": {"color": {"rgbColor": {"red": 1}}}}),
            Run("bold", {"bold": True}),
            Run("link", {"link": {"url": "https://lab.example/x?a=1&b=2"}}),
            "plain",
        ]
    )
    made = clean(export_clean.inline(to_html(build.document(text)).decode()), "r").root
    tags = {n.text(): n for n in made.elements() if n.tag in ("span", "a")}
    assert tags["red"].style()["color"] == "#ff0000"
    assert tags["bold"].style()["font-weight"] == "700"
    assert tags["link"].attributes["href"] == "https://lab.example/x?a=1&b=2"


@pytest.mark.no_cover
@pytest.mark.browser
@pytest.mark.parametrize("width", [375, 800])
def test_mail_fits_the_screen(server: GoogleServer, tmp_path: Path, width: int):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium")
    lab = Lab(server, tmp_path)
    lab.as_user()
    lab.with_default_template()
    reports = [samples.fine(), samples.alarming(), samples.korean(), samples.many(50)]
    drawn = lab.draw(*(replace(r, rid=f"rid{i}") for i, r in enumerate(reports)))
    frames = ""
    for number, one in enumerate(drawn):
        (tmp_path / f"{number}.html").write_text(one.page_html, "utf-8")
        frames += (
            f"<iframe width={width} height=900 frameborder=0 src='{number}.html'>"
            "</iframe>"
        )
    outer = tmp_path / "outer.html"
    outer.write_text(
        frames + "<script>onload=()=>{document.title=[...document.querySelectorAll("
        "'iframe')].map(f=>f.contentDocument.documentElement.scrollWidth).join(' ')}"
        "</script>",
        "utf-8",
    )
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu"]
    options = ["--allow-file-access-from-files", "--dump-dom"]
    got = subprocess.run(
        [*command, *options, outer.as_uri()], capture_output=True, text=True, check=True
    )
    title = re.search(r"<title>([\d ]+)</title>", got.stdout)
    assert title is not None, got.stdout[:300]
    widths = [int(word) for word in title[1].split()]
    assert len(widths) == len(reports)
    assert max(widths) <= width, widths
    assert numbered(REPORT, 1)
