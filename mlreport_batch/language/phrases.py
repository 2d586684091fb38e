"""The sentences a report speaks, in every language it speaks.

`words` holds the labels of the layout; here are the statements that insights and
the report's description make. Fields in braces are filled by the caller.
"""

# ruff: noqa: E501 - one sentence, one line

_ENGLISH = {
    "reached_end": "reached step {step}, the last one planned",
    "nothing_yet": "nothing was written yet",
    "last_written": "last written {age} ago",
    "alert_failed": "The run failed: {evidence}",
    "alert_nan": "{metric} is {value} at step {step} ({bad} of {count} values are not numbers)",
    "alert_divergence": "{metric} is {value} at step {step}: {factor} times its best, {best} at step {best_step}",
    "alert_stall": "No new rows for {age}",
    "alert_stall_pace": "No new rows for {age}, usually every {pace}",
    "alert_plateau": "{metric} had no new best for {since} values (best {best} at step {best_step})",
    "alert_intent_wrong": "{key} is {actual}, intended {intended}",
    "alert_intent_missing": "{key} was intended to be {intended}, but the run states no such parameter",
    "alert_changed": "{key} changed from {before} to {actual}",
    "intent_all": "All {count} intended hyperparameters are as intended.",
    "intent_one": "The one intended hyperparameter is as intended.",
    "intent_some": "{bad} of {count} intended hyperparameters are not as intended.",
    "headline_first": "{metric} {value}",
    "headline_down": "{metric} {value}, down {percent} since the last report",
    "headline_up": "{metric} {value}, up {percent} since the last report",
    "headline_by": "{metric} {value}, {delta} since the last report",
    "headline_same": "{metric} {value}, unchanged since the last report",
    "headline_best": "best so far",
    "headline_best_was": "best {best} at step {step}",
    "headline_step": "step {step}",
    "headline_no_metrics": "No metrics yet",
    "headline_alert": "{first} (and {more} more)",
    "headline_new_weights": "{count} new checkpoints",
    "headline_new_weight": "new checkpoint {path}",
    "steps_of": "{step} of {total} ({percent})",
    "fact_updated": "Last written",
    "fact_rows": "New values",
    "fact_orphans": "Overtaken values",
    "orphans": "{count} (written before a resume, left out)",
    "fact_restarts": "Log restarted",
    "restarts": "{count} time(s); earlier rows are gone from the file",
    "ago": "{age} ago",
    "all_new": "{count}",
    "text_model": "Model",
    "text_error": "Last lines of the error",
    "text_environment": "Environment",
    "cut_metrics": "{shown} of {total} metrics are shown",
    "cut_hparams": "{shown} of {total} hyperparameters are shown",
    "cut_checkpoints": "the newest {shown} of {total} checkpoints are shown",
    "cut_problems": "{shown} of {total} problems are shown",
    "cut_charts": "charts are drawn for the first {shown} groups of {total}",
    "cut_results": "{shown} of {total} results are shown",
    "digest_headline": "{runs} runs have news; {alerts} need attention",
    "digest_headline_fine": "{runs} runs have news",
    "drawn_plainly": "This report could not be drawn and is sent as plain text: {why}",
}

_KOREAN = {
    "reached_end": "계획된 마지막 스텝 {step}에 도달",
    "nothing_yet": "아직 기록된 것이 없음",
    "last_written": "{age} 전 마지막 기록",
    "alert_failed": "실행이 실패했습니다: {evidence}",
    "alert_nan": "{metric}: 스텝 {step}에서 {value} (값 {count}개 중 {bad}개가 숫자가 아님)",
    "alert_divergence": "{metric}: 스텝 {step}에서 {value}, 최고 기록 {best}(스텝 {best_step})의 {factor}배",
    "alert_stall": "{age} 동안 새 기록 없음",
    "alert_stall_pace": "{age} 동안 새 기록 없음 (평소 간격 {pace})",
    "alert_plateau": "{metric}: 값 {since}개 동안 최고 기록 갱신 없음 (최고 {best}, 스텝 {best_step})",
    "alert_intent_wrong": "{key}: 실제 {actual}, 의도 {intended}",
    "alert_intent_missing": "{key}: 의도한 값은 {intended}이나 실행 기록에 없음",
    "alert_changed": "{key} 값이 {before}에서 {actual}(으)로 바뀜",
    "intent_all": "의도한 하이퍼파라미터 {count}개가 모두 일치합니다.",
    "intent_one": "의도한 하이퍼파라미터가 일치합니다.",
    "intent_some": "의도한 하이퍼파라미터 {count}개 중 {bad}개가 일치하지 않습니다.",
    "headline_first": "{metric} {value}",
    "headline_down": "{metric} {value}, 지난 보고 대비 {percent} 감소",
    "headline_up": "{metric} {value}, 지난 보고 대비 {percent} 증가",
    "headline_by": "{metric} {value}, 지난 보고 대비 {delta}",
    "headline_same": "{metric} {value}, 지난 보고와 같음",
    "headline_best": "현재까지 최고",
    "headline_best_was": "최고 {best} (스텝 {step})",
    "headline_step": "스텝 {step}",
    "headline_no_metrics": "아직 지표 없음",
    "headline_alert": "{first} (외 {more}건)",
    "headline_new_weights": "새 체크포인트 {count}개",
    "headline_new_weight": "새 체크포인트 {path}",
    "steps_of": "{total} 중 {step} ({percent})",
    "fact_updated": "마지막 기록",
    "fact_rows": "새 값",
    "fact_orphans": "덮어쓴 값",
    "orphans": "{count}개 (재시작 이전 기록, 제외됨)",
    "fact_restarts": "로그 재시작",
    "restarts": "{count}회; 이전 행은 파일에 없음",
    "ago": "{age} 전",
    "all_new": "{count}개",
    "text_model": "모델",
    "text_error": "오류의 마지막 줄",
    "text_environment": "환경",
    "cut_metrics": "지표 {total}개 중 {shown}개 표시",
    "cut_hparams": "하이퍼파라미터 {total}개 중 {shown}개 표시",
    "cut_checkpoints": "체크포인트 {total}개 중 최신 {shown}개 표시",
    "cut_problems": "문제 {total}건 중 {shown}건 표시",
    "cut_charts": "그래프 {total}묶음 중 앞의 {shown}묶음 표시",
    "cut_results": "결과 {total}개 중 {shown}개 표시",
    "digest_headline": "새 소식이 있는 실행 {runs}개, 그중 {alerts}개는 확인 필요",
    "digest_headline_fine": "새 소식이 있는 실행 {runs}개",
    "drawn_plainly": "보고서를 그릴 수 없어 일반 텍스트로 보냅니다: {why}",
}

CATALOGUES = {"en": _ENGLISH, "ko": _KOREAN}


def phrase(language: str, key: str, /, **values: str) -> str:
    """Return the sentence *key* in *language* with its fields filled.

    Raises:
        KeyError: No such sentence, or a field is missing.
    """
    return CATALOGUES[language][key].format(**values)
