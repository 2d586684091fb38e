"""What is said in English of the files of a run, in the reader's language.

What could not be read and how a run ended is told where it is found, far below the
reports, and kept as it was told. Each such sentence stands here; a test finds those that
do not. Names, values and quotations stay as they are.
"""

# ruff: noqa: E501 - one sentence, one line

import errno
import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

SAID: Final[Mapping[str, str]] = {
    # -- of a file as a whole
    "cannot be read: {why}": "읽을 수 없음: {why}",
    "root cannot be read: {why}": "루트를 읽을 수 없음: {why}",
    "cannot be listed: {why}": "목록을 볼 수 없음: {why}",
    "ends in the middle: {why}": "중간에서 끝남: {why}",
    "not read: {why}": "읽지 않음: {why}",
    "empty so far": "아직 비어 있음",
    "no table of results so far": "아직 결과 표가 아님",
    "cut off at its end": "끝이 잘림",
    "is no regular file; not opened": "일반 파일이 아니어서 열지 않음",
    "not a regular file": "일반 파일이 아님",
    "is a symlink; not opened": "심볼릭 링크여서 열지 않음",
    "{count} more symlinks; not opened": "심볼릭 링크 {count}개 더 있음, 열지 않음",
    "a folder above it is a symlink": "상위 폴더가 심볼릭 링크임",
    "a folder above it is a link": "상위 폴더가 링크임",
    "the bucket is not there": "버킷이 없음",
    "nothing lies there": "아무것도 없음",
    "the credentials are refused": "인증 정보가 거부됨",
    "the credentials have expired": "인증 정보가 만료됨",
    "there are no credentials": "인증 정보가 없음",
    "the credentials do not allow it": "인증 정보에 권한이 없음",
    "this machine's clock is wrong": "이 컴퓨터의 시계가 맞지 않음",
    "the bucket asks for fewer requests": "버킷이 요청을 줄이라고 함",
    "no answer in time": "제때 응답이 없음",
    "the service cannot be reached": "서비스에 연결할 수 없음",
    "the service has an error of its own": "서비스 자체의 오류",
    "the host's key is none that ssh knows": "호스트 키가 ssh가 아는 것이 아님",
    "ssh finds no key to log in with": "ssh로 로그인할 키가 없음",
    "it is no whole zip archive": "온전한 zip 파일이 아님",
    "its library says {why}": "라이브러리 오류: {why}",
    "larger than 64 MiB": "64 MiB보다 큼",
    "larger than {size} kB": "{size} kB보다 큼",
    "deleted; what was read before is told here": "삭제됨, 그 전에 읽은 내용을 보고함",
    "UTF-32 text; only UTF-8 and UTF-16 are read": "UTF-32 텍스트, UTF-8과 UTF-16만 읽음",
    "UTF-16 text; no metrics, hyperparameters or results recognised in it": "UTF-16 텍스트, 지표나 하이퍼파라미터, 결과를 찾지 못함",
    "no metrics, hyperparameters or results recognised in it": "지표나 하이퍼파라미터, 결과를 찾지 못함",
    "{why}; `formats` in the config can say how its lines are written": "{why}, 줄의 형식은 설정의 `formats`에 적을 수 있음",
    "a table of what an agent did: it has actions beside rewards or states": "에이전트의 행동을 적은 표: 보상이나 상태 옆에 행동이 있음",
    "a table that compares: each row is about another thing": "비교하는 표: 행마다 다른 대상임",
    "a table, but no column counts steps and no name tells of a training": "표이지만 스텝을 세는 열도 없고 이름도 학습 기록이 아님",
    # -- of what is too much
    "folders more than {depth} deep are left out": "{depth}단계보다 깊은 폴더는 제외함",
    "{count} files that could hold metrics; only {most} were looked into, those with the names of logs first": "지표가 있을 만한 파일 {count}개 중 {most}개만 봄, 로그 이름인 것부터",
    "over 256 MiB unpacked; the rest is not read": "압축을 풀면 256 MiB를 넘음, 나머지는 읽지 않음",
    "over 2 GiB of new lines; the rest comes next": "새로운 줄이 2 GiB를 넘음, 나머지는 다음에 읽음",
    "a record over 64 MiB; the rest is not read": "64 MiB를 넘는 기록이 있음, 나머지는 읽지 않음",
    "line over 1 MiB, passed over": "1 MiB를 넘는 줄은 건너뜀",
    "more than {count} values; the rest is left out": "값이 {count}개를 넘음, 나머지는 제외함",
    "{count} more metrics; only the first 2,000 are kept": "지표 {count}개 더 있음, 처음 2,000개만 보관함",
    "more than {count} metrics and hyperparameters in the files before; {left} more files are left out": "앞의 파일들에 지표와 하이퍼파라미터가 {count}개를 넘음, 파일 {left}개는 제외함",
    "only the first {count} values are read": "값 {count}개까지만 읽음",
    "only the newest {count} runs in it are read": "최신 실행 {count}개만 읽음",
    "{count} rows; results beyond the first {most} are left out": "행이 {count}개, 처음 {most}개를 넘는 결과는 제외함",
    "{count} columns; metrics beyond the first {most} are left out": "열이 {count}개, 처음 {most}개를 넘는 지표는 제외함",
    "more than {count} values in the record at byte {at}; the rest of it is left out": "{at}바이트의 기록에 값이 {count}개를 넘음, 나머지는 제외함",
    "more than {count} lists and objects": "목록과 객체가 {count}개를 넘음",
    "more than {count} values": "값이 {count}개를 넘음",
    "more than {count} bytes": "{count}바이트를 넘음",
    "more than {count} aliases": "별칭이 {count}개를 넘음",
    "nested deeper than {depth} levels": "{depth}단계보다 깊게 중첩됨",
    "nested too deeply": "너무 깊게 중첩됨",
    "cut after {count} values": "값 {count}개에서 자름",
    "{count} more problems": "그 밖의 문제 {count}건",
    # -- of lines, cells and values
    "no JSON ({why}); such lines are left out": "JSON이 아님 ({why}), 이런 줄은 제외함",
    "no JSON object; such lines are left out": "JSON 객체가 아님, 이런 줄은 제외함",
    "no JSON ({why})": "JSON이 아님 ({why})",
    "'{word}' where others count; such rows are left out": "다른 행은 번호인 자리에 '{word}', 이런 행은 제외함",
    "'{word}' where {name} counts; such rows are left out": "{name} 번호 자리에 '{word}', 이런 행은 제외함",
    "{count} cells where the header has {width}; such rows are left out": "헤더는 {width}칸인데 {count}칸, 이런 행은 제외함",
    "'{value}' for {name} is no number; such cells are left out": "{name} 값 '{value}': 숫자가 아님, 이런 칸은 제외함",
    "'{value}' for {name} is no number; such values are left out": "{name} 값 '{value}': 숫자가 아님, 이런 값은 제외함",
    "'{text}' is no row of numbers as the others; such rows are left out": "'{text}': 다른 행과 달리 숫자의 행이 아님, 이런 행은 제외함",
    "no column names; rows before a header line are left out": "열 이름이 없음, 헤더 앞의 행은 제외함",
    "rows, but no column of numbers": "행은 있으나 숫자 열이 없음",
    "not time, value and step; such lines are left out": "시각, 값, 스텝이 아님, 이런 줄은 제외함",
    "NUL bytes, as a power loss leaves them; they are passed over": "정전 때 남는 것과 같은 NUL 바이트가 있음, 건너뜀",
    "no record at byte {at}; the rest is left out": "{at}바이트에 기록이 없음, 나머지는 제외함",
    "damaged record at byte {at}; left out": "{at}바이트의 기록이 손상됨, 제외함",
    "{count} damaged records; they are left out": "손상된 기록 {count}개, 제외함",
    "{name}: {why}; such values are left out": "{name}: {why}, 이런 값은 제외함",
    "no line so far fits the pattern of `formats`": "`formats`의 패턴에 맞는 줄이 아직 없음",
    "the pattern of `formats` {why}; no more of this file is read": "`formats`의 패턴: {why}, 이 파일은 더 읽지 않음",
    "failed {count} times and is given up": "{count}번 실패하여 포기함",
    "could not work: {why}": "실행하지 못함: {why}",
    "took longer than {time} s": "{time}초를 넘김",
    "needed more than {size} MiB of memory": "메모리가 {size} MiB보다 더 필요했음",
    "could not be started": "시작하지 못함",
    "was ended by {signal}": "{signal} 신호로 끝남",
    "died (exit code {code})": "비정상 종료 (종료 코드 {code})",
    "1 metric is left out, as its name looks like that of a secret ({names})": "지표 1개 제외: 이름이 비밀 값처럼 보임 ({names})",
    "{count} metrics are left out, as their names look like those of secrets ({names})": "지표 {count}개 제외: 이름이 비밀 값처럼 보임 ({names})",
    # -- of documents and settings
    "a list where names with values were expected": "이름과 값이 있을 자리에 목록이 있음",
    "a single value where names with values were expected": "이름과 값이 있을 자리에 값 하나만 있음",
    "no name and value": "이름과 값이 아님",
    "no printed object that can be read": "읽을 수 있는 출력 객체가 아님",
    "not YAML: {why}": "YAML이 아님: {why}",
    "a second document begins here": "여기서 두 번째 문서가 시작됨",
    "a NUL byte; this is not a text file": "NUL 바이트가 있음, 텍스트 파일이 아님",
    "too many %TAG directives": "%TAG 지시문이 너무 많음",
    "the alias *{name} is defined nowhere above": "별칭 *{name}: 위에서 정의된 적 없음",
    "*{name} contains itself": "*{name}: 자기 자신을 포함함",
    "the tag {name} has no meaning here": "태그 {name}: 여기서는 의미 없음",
    "'{name}' is already set in line {line}": "'{name}': {line}번째 줄에서 이미 정해짐",
    "{why} ({context} that starts in line {line})": "{why} ({line}번째 줄에서 시작: {context})",
    "unknown key '{key}'; known are expect, purpose, to": "모르는 키 '{key}', 쓸 수 있는 키는 expect, purpose, to",
    "expect must be names with values; it is passed over": "expect는 이름과 값이어야 함, 건너뜀",
    "to: only the first {most} of {count} addresses count": "to: 주소 {count}개 중 처음 {most}개만 씀",
    "{names}: not as in {file}, which is used": "{names}: {file}에 적힌 값과 달라 그 값을 씀",
    "{names} and {count} more": "{names} 외 {count}개",
    "no tables of MLflow in it": "MLflow의 표가 없음",
    "tables with generated columns": "계산된 열이 있는 표",
    "{count} runs with ids that are none of MLflow's are left out": "ID가 MLflow의 형식이 아닌 실행 {count}개는 제외함",
    # -- of how a run ended
    "{file} says {word}": "{file} 기록: {word}",
    "{file} is there": "{file} 있음",
    "the last row says done": "마지막 행에 done이라고 적혀 있음",
    "W&B noted exit code {code}": "W&B 기록: 종료 코드 {code}",
    "{file}: step {step} of {total}": "{file}: 스텝 {step}/{total}",
}
"""What the program says of files, and the same in Korean."""

QUOTED: Final[Mapping[str, str]] = {
    "Expecting value": "값이 와야 함",
    "Expecting property name enclosed in double quotes": "큰따옴표로 묶은 이름이 와야 함",
    "Expecting ',' delimiter": "','가 와야 함",
    "Expecting ':' delimiter": "':'이 와야 함",
    "Unterminated string starting at": "문자열이 끝나지 않음",
    "Invalid control character at": "허용되지 않는 제어 문자",
    "Illegal trailing comma before end of object": "객체 끝의 쉼표",
    "Extra data": "뒤에 다른 내용이 있음",
    os.strerror(errno.EACCES): "권한 없음",
    os.strerror(errno.EPERM): "허용되지 않은 작업",
    os.strerror(errno.ENOENT): "파일이나 폴더가 없음",
    os.strerror(errno.EIO): "입출력 오류",
    os.strerror(errno.ESTALE): "파일 핸들이 더는 유효하지 않음",
    os.strerror(errno.ENOMEM): "메모리 부족",
    os.strerror(errno.EMFILE): "열린 파일이 너무 많음",
    os.strerror(errno.ENAMETOOLONG): "파일 이름이 너무 긺",
    os.strerror(errno.ETIMEDOUT): "연결 시간 초과",
}
"""What Python's JSON reader and the operating system say, and the same in Korean."""

OF_OTHERS: Final = "오류 원문: {text}"
"""Around what other readers say of a file, such as that of YAML."""


def in_language(text: str, language: str) -> str:
    """Return what is said of a run's files in a reader's language.

    What stands not here is a quotation, and told as one.
    """
    if language != "ko":
        return text
    return _korean(text) or OF_OTHERS.format_map({"text": text})


def _korean(text: str) -> str | None:
    for pattern, korean in _patterns():
        found = pattern.fullmatch(text)
        if found is not None:
            parts = found.groupdict().items()
            return korean.format_map({k: _korean(part) or part for k, part in parts})
    return None


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Return how each sentence looks with its fields filled, the most certain first."""
    told = sorted(
        [*SAID.items(), *QUOTED.items()], key=lambda pair: _certainty(pair[0])
    )
    return [
        (re.compile(_shape(english), re.DOTALL), korean) for english, korean in told
    ]


def _certainty(english: str) -> int:
    return -len("".join(_literals(english)))


def _shape(english: str) -> str:
    parts = re.split(r"\{(\w+)\}", english)
    return "".join(
        f"(?P<{part}>.+?)" if at % 2 else re.escape(part)
        for at, part in enumerate(parts)
    )


def _literals(english: str) -> Iterable[str]:
    return re.split(r"\{\w+\}", english)
