"""Tokens that are known by their shape alone: published prefixes, keys, web hooks.

The shapes follow what their issuers publish and what two kept lists of them say: the
rules of gitleaks (github.com/gitleaks/gitleaks, config/gitleaks.toml) and GitHub's
table of secret scanning patterns. The plugins of detect-secrets 1.5.0 were measured
instead: of 118 tokens they know 18, of 593 shapes with names and places 135; they cost
44 us a text, a tenth of a second to import, and bring requests along.
"""

import re

from mlreport_batch.safety.masking.issued import alternates, looks_issued
from mlreport_batch.safety.patterns import late

MASK = "***"

# Prefixes that stand before nothing else.
_SURE = """
    glpat- gldt- glrt- glcbt- glptt- glft- glsoat- glimt- glagent- gloas- GR1348941
    hvs. hvb. hvr. dckr_pat_ dckr_oat_ nvapi- tgp_v1_ pscale_pw_ pscale_tkn_
    pscale_oauth_ figd_ CFPAT- CCIPAT_ pcsk_ lsv2_pt_ lsv2_sk_ tskey-auth- tskey-api-
    ATATT3 glc_ glsa_ ops_eyJ sntrys_eyJ sntryu_ FlyV1 sq0csp- sq0atp- sk-ant- whsec_
    dop_v1_ doo_v1_ dor_v1_ lin_api_ lin_oauth_ rubygems_ shpat_ shpca_ shppa_ shpss_
""".split()
# Those that a name may begin with, too: before letters and digits in one piece that
# look issued, and before such with dashes, points and underscores in them.
_BEFORE_ONE = """
    api_org_ r8_ gsk_ fw_ ntn_ secret_ tvly- tvly-dev- pplx- csk- xai- rnd_ nfp_ sbp_
    sgp_ pul- bkua_ key- jina_ LTAI AKID p8e- SK cpk_ pnu_ CLOJARS_ EZAK duffel_live_
    duffel_test_ shippo_live_ wandb_v1_ AKCp cmVmd ABSK
""".split()
_BEFORE_PARTS = """
    pa- fo1_ fm1r_ fm2_ tfp_ EAAA mfa. dp.pt. dp.st. dp.sa. dp.scim.
""".split()
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def _any(prefixes: list[str]) -> str:
    return "|".join(map(re.escape, prefixes))


_ALONE = r"(?<![A-Za-z0-9])"  # `_` may stand before: run_AKIA…
_SHAPES = late(
    rf"{_ALONE}(?:(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{{16}}(?![0-9A-Za-z])"
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}"
    r"|hf_[A-Za-z0-9]{20,}|(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{8,}"
    # A name such as sk-learn-random-forest has no long part with a digit in it.
    r"|sk-(?:[A-Za-z0-9]{1,15}[_-]){0,8}"
    r"(?=[A-Za-z]{0,200}[0-9])[A-Za-z0-9]{16,}[A-Za-z0-9_-]*"
    rf"|[ps]k-lf-[0-9a-f-]{{16,}}|waka_{_UUID}"
    r"|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"
    r"|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,}|dapi[0-9a-f]{32}(?:-[0-9])?"
    r"|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"
    r"|AIza[0-9A-Za-z_-]{30,}|GOCSPX-[0-9A-Za-z_-]{16,}|ya29\.[0-9A-Za-z_-]{16,}"
    r"|eyJ[A-Za-z0-9_-]{12,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?"
    r"|(?:bot)?[0-9]{8,12}:AA[A-Za-z0-9_-]{30,}|bot[0-9]{8,12}:[A-Za-z0-9_-]{30,}"
    r"|AAAA[A-Za-z0-9_-]{7}:[A-Za-z0-9_-]{100,}"
    r"|[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}"
    r"|[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{20,}|pat[A-Za-z0-9]{14}\.[0-9a-f]{32,}"
    r"|AGE-SECRET-KEY-1[0-9A-Z]{20,}|cpk_[0-9a-f]{32}\.[0-9a-f]{32}\.[A-Za-z0-9]{20,}"
    r"|v1\.0-[0-9a-f]{24}-[0-9a-f]{40,}|[0-9a-f]{32}-us[0-9]{1,2}(?![0-9])"
    r"|NRAK-[0-9A-Z]{20,}|PMAK-[0-9a-f]{24}-[0-9a-f]{30,}|rpa_[0-9A-Z]{40,}"
    r"|A3-[A-Z0-9]{6}(?:-[A-Z0-9]{5,11}){4,5}"
    # Vault's of old, which has letters of all kinds.
    r"|s\.(?=[a-z0-9]{0,23}[A-Z])(?=[A-Za-z]{0,23}[0-9])[A-Za-z0-9]{24}(?![\w.])"
    r"|[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,}"
    rf"|(?:{_any(_SURE)})[A-Za-z0-9_-]{{16,}}"
    rf"|(?:{_any(_BEFORE_ONE)})(?P<one>[A-Za-z0-9]{{20,}})"
    rf"|(?:{_any(_BEFORE_PARTS)})(?P<parts>[A-Za-z0-9_.-]{{16,}}))"
)
_BLOCKS = late(
    r"(?s)-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?"
    r"(?:-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)"
    r"|(?<=Private-Lines: )[0-9].*?(?=Private-MAC|\Z)"
)
# Whoever knows such an address may write to it.
_HOOK_MARKS = ("hook", "/t/", "key/", "workflows/")
_HOOKS = late(
    r"(?<=/t/)[A-Za-z0-9-]{20,}(?=/)|https://(?:hooks\.|[a-z0-9-]{1,60}\.webhook\.office\.com/)[^\s\"']+"
    r"|(?<=://)[^\s\"'/?#]{1,100}(?:/[^\s\"'/?#]{1,60}){0,3}?"
    r"/(?:(?:web)?hooks?|webhook[a-z0-9]{1,3}|with/key|workflows(?=/[0-9a-f]{32}))/"
    r"(?=[^\s\"']{0,100}[0-9])(?=[^\s\"']{0,200}[A-Za-z0-9_-]{8})[^\s\"']+"
)
# Each shape has a run of so many letters, and few other texts have.
_RUN = late(r"[A-Za-z0-9_-]{16}")


def mask_shapes(text: str) -> str:
    """Return *text* with all masked that has the shape of a token or a private key."""
    if "PRIVATE KEY" in text or "Private-Lines" in text:
        text = _BLOCKS.sub(MASK, text)
    if "://" in text and any(mark in text for mark in _HOOK_MARKS):
        text = _HOOKS.sub(MASK, text)
    if _RUN.search(text):
        text = _SHAPES.sub(_mask_token, text)
    return text


def _mask_token(match: re.Match[str]) -> str:
    # A short prefix proves little: `pa-transformer-large-patch16`.
    body = match[match.lastgroup] if match.lastgroup else None
    is_token = body is None or alternates(body) or looks_issued(body)
    return MASK if is_token else match[0]
