"""Korean names are read as the English words that they stand for."""

from mlreport_batch.safety.patterns import late

_ENGLISH = {
    "비밀번호": "password", "비번": "password", "패스워드": "password",
    "암호": "password", "암호키": "secret key", "패스프레이즈": "passphrase",
    "패스코드": "passcode", "문구": "phrase", "발급": "issue", "로그인": "login",
    "토큰": "token", "시크릿": "secret", "비밀": "secret", "자격증명": "credential",
    "인증정보": "credential", "쿠키": "cookie", "웹훅": "webhook", "키": "key",
    "인증": "auth", "개인": "private", "접속": "access", "접근": "access",
    "액세스": "access", "엑세스": "access", "서명": "signing", "보안": "security",
    "서비스": "service", "라이선스": "license", "라이센스": "license",
    "클라이언트": "client", "계정": "account", "마스터": "master", "앱": "app",
    "값": "value", "강도": "strength", "이름": "name", "변수": "variable",
    # What is counted, measured or sorted is no secret.
    "길이": "length", "개수": "count", "수": "count", "크기": "size", "방식": "method",
    "유형": "type", "종류": "type", "데이터셋": "dataset", "사용": "use",
    "최대": "max", "최소": "min", "평균": "mean", "전체": "total", "총": "total",
    "패딩": "pad", "패드": "pad", "특수": "special", "시작": "start", "종료": "end",
    "끝": "end", "입력": "input", "출력": "output", "다음": "next", "이전": "previous",
    "마스크": "mask", "정렬": "sort", "기본": "primary", "외래": "foreign",
}  # fmt: skip
# The head of a Korean compound comes last; after another word (`쿠키런`, `암호화`,
# `키보드`) it is not about secrets.
_LAST = late(f"(.*?)({'|'.join(sorted(_ENGLISH, key=len, reverse=True))})")

NAMING = "|".join(
    "비밀번호 비번 패스워드 패스프레이즈 암호 토큰 시크릿 자격증명 인증정보 "
    "패스코드 암호문구 쿠키 웹훅 인증 키".split()
)
"""A pattern of the words with which names of secrets end."""


def english_of(word: str) -> list[str]:
    """Return the English words for a Korean one: ``인증키`` is ``auth key``."""
    found: list[str] = []
    while word and (match := _LAST.fullmatch(word)):
        word = match[1]
        found = _ENGLISH[match[2]].split() + found
    return [word, *found] if word else found
