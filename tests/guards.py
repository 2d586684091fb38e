"""The lines that guard against each fault, how to break them, and who must notice.

`test_guards` breaks each in a copy of the project and sees the named tests fail. A
guard is broken in the smallest way that leaves the program running.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Guard:
    """One line that guards, and the same line broken.

    Attributes:
        rows: The faults of docs/reliability.md that it is there for.
        file: Where it stands, below ``mlreport_batch`` unless it has a folder of
            another name before it.
        line: Text that stands there once.
        broken: What takes its place.
        tests: What must fail then: ``module::test``, below ``tests``.
    """

    rows: str
    file: str
    line: str
    broken: str
    tests: str

    @property
    def name(self) -> str:
        """Row, file and the first words of the line."""
        words = "_".join(self.line.split()[:4])
        return f"{self.rows.replace(' ', '_')}-{self.file}-{words}"[:80]


GUARDS = [
    # -- log files
    Guard(
        "F1",
        "tail.py",
        'return data.rfind(b"\\n") + 1',
        "return len(data)",
        "test_tail::test_a_first_reading_takes_all_whole_lines",
    ),
    Guard(
        "F1",
        "logs.py",
        "use_open_line = split is None and reading.is_quiet(file.signature, FINAL_S)",
        "use_open_line = False",
        "test_tick::test_an_unfinished_last_line_is_used_after_an_hour",
    ),
    Guard(
        "F2 F6",
        "tail.py",
        'self.rewritten = "" if since is None else self._doubt(since)',
        'self.rewritten = ""',
        "test_tail::test_other_bytes_are_read_from_zero",
    ),
    Guard(
        "F3",
        "tail.py",
        "if _guard(header, window) != since.guard:",
        "if False:",
        "test_tail::test_a_large_log_that_grew_is_checked_at_both_ends",
    ),
    Guard(
        "F4",
        "tail.py",
        "if since.offset <= check_all and self._crc_of_first(since.offset)",
        "if False and self._crc_of_first(since.offset)",
        "test_tail::test_a_change_far_before_the_cursor_is_noticed_in_a_log_of_some_size",
    ),
    Guard(
        "F4",
        "logs.py",
        "if file.signature.ctime_ns == 0 or before.signature != file.signature:",
        "if before.signature.size != file.signature.size:",
        "test_tick::test_a_log_rewritten_in_place_with_its_old_times_is_read_anew",
    ),
    Guard(
        "F5",
        "discover.py",
        "return abs(age) < (2_000_000_000 if mtime_ns % 1_000_000_000 == 0"
        " else 50_000_000)",
        "return abs(age) < 0",
        "test_catalog::test_what_was_just_written_is_looked_into_again",
    ),
    Guard(
        "F2 F6",
        "logs.py",
        "states[file.path] = _believe(before, log, whys[file.path], reading, file)",
        "states[file.path] = log",
        "test_tick::test_half_a_rewrite_is_never_reported",
    ),
    Guard(
        "F7 F9",
        "catalog.py",
        "state.mark_gone(path, now)",
        "pass",
        "test_tick::test_a_deleted_run_is_forgotten_and_a_renamed_one_is_a_new_run",
    ),
    Guard(
        "F9",
        "tick.py",
        "state.forget_gone(self.now - GONE_S)",
        "state.forget_gone(self.now + GONE_S)",
        "test_tick::test_a_vanished_run_is_kept_for_thirty_days",
    ),
    Guard(
        "F8",
        "reporting.py",
        'data = b"\\0".join((instance.encode(), key, str(seq).encode()))',
        'data = b"\\0".join((instance.encode(), str(seq).encode()))',
        "test_tick::test_equal_runs_are_two_runs",
    ),
    Guard(
        "F10",
        "dispatch.py",
        "return not self._now < at <= self._now + BACKOFF_MAX_S",
        "return not self._now < at",
        "test_owed::test_n8_a_wait_noted_by_a_clock_in_the_future_is_over_at_once",
    ),
    Guard(
        "F10",
        "work.py",
        "if last <= now < waits_until and not task.is_wanted:",
        "if now < waits_until and not task.is_wanted:",
        "test_owed::test_n8_a_clock_that_jumps_holds_up_nothing "
        "test_tick::test_reports_keep_the_distance_asked_for",
    ),
    Guard(
        "F11 F13",
        "discover.py",
        "self.unread.add(entry.name)",
        "pass",
        "test_owed::test_f11_a_file_that_could_not_be_looked_into_is_looked_into_again",
    ),
    Guard(
        "F11 F13",
        "tick.py",
        '"incomplete": "1" if self._is_incomplete else "",',
        '"incomplete": "",',
        "test_tick::test_a_root_that_was_never_readable_is_not_forgotten",
    ),
    Guard(
        "F11 F13",
        "catalog.py",
        "update.listed[top] = (unreadable(top, exc), root)",
        "pass",
        "test_catalog::test_a_new_folder_that_cannot_be_listed_is_looked_at_again",
    ),
    Guard(
        "F11 F13",
        "catalog.py",
        "                result.problems.append(_unread(root, exc))\n"
        "                continue",
        "                result.problems.append(_unread(root, exc))",
        "test_catalog::test_a_root_that_cannot_be_read_keeps_its_runs "
        "test_tick::test_an_unreadable_root_keeps_all_that_is_known",
    ),
    Guard(
        "F11",
        "logs.py",
        "base = before or LogState(",
        "base = LogState(",
        "test_tick::test_a_log_that_became_a_link_is_named test_logs",
    ),
    Guard(
        "F12",
        "tail.py",
        "if position >= stop_at:",
        "if False:",
        "test_tail::test_a_tick_reads_so_much_and_says_so",
    ),
    Guard(
        "F14",
        "formats/_rows.py",
        "if len(cells) != layout.width:\n            self._bad_row",
        "if len(cells) < 0:\n            self._bad_row",
        "test_formats_csv::test_the_first_ragged_row_is_reported_and_all_are_left_out",
    ),
    Guard(
        "F14",
        "formats/_rows.py",
        "if (other := self._other_header(line, cells, header)) is not None:",
        "if (other := None) is not None:",
        "test_formats_csv::"
        "test_a_repeated_header_is_no_data_and_another_header_takes_over",
    ),
    Guard(
        "F14",
        "formats/_rows.py",
        "self._bad_cell(number, cell, name)",
        "pass",
        "test_formats_csv::"
        "test_the_first_bad_cell_is_reported_and_the_rest_of_its_row_is_used",
    ),
    Guard(
        "F15",
        "formats/_text.py",
        'data = data.replace(b"\\0", b"")',
        "pass",
        "test_formats_csv::test_nul_bytes_are_passed_over_and_reported_once",
    ),
    Guard(
        "F15",
        "formats/_text.py",
        "if chunk.first_line == 1 and is_utf16(data):",
        "if False:",
        "test_formats_csv::test_other_encodings_are_known_by_their_mark",
    ),
    Guard(
        "F16",
        "formats/_json.py",
        "except ValueError:  # a whole number",
        "except ZeroDivisionError:  # a whole number",
        "test_formats_json::test_numbers_of_thousands_of_digits_are_survived",
    ),
    Guard(
        "F16",
        "metrics.py",
        "finite = value - value == 0",
        "finite = True",
        "test_metrics::test_a_summary_is_what_a_naive_count_finds",
    ),
    # -- the state
    Guard(
        "F17",
        "dispatch.py",
        '            self._spool.move(owed.rid, "cur", "sent")\n'
        "            self._result.sent.append(owed.rid)\n"
        "            self._settle(owed.rid)\n",
        "            self._settle(owed.rid)\n"
        '            self._spool.move(owed.rid, "cur", "sent")\n'
        "            self._result.sent.append(owed.rid)\n",
        "test_dispatch::test_a_kill_at_any_step_loses_nothing",
    ),
    Guard(
        "F17",
        "dispatch.py",
        'if place == "sent":',
        'if place == "sent" and False:',
        "test_dispatch::test_a_kill_at_any_step_loses_nothing",
    ),
    Guard(
        "F17",
        "spool.py",
        'for place in ("sent", "dead", "cur", "new"):',
        'for place in ("new", "cur", "dead", "sent"):',
        "test_dispatch::test_a_mail_with_a_tombstone_is_never_sent",
    ),
    Guard(
        "F17",
        "spool.py",
        'for path in self._paths("new"):',
        'for path in self._paths("new") + self._paths("cur"):',
        "test_dispatch::test_what_no_commit_knows_of_is_swept",
    ),
    Guard(
        "F17",
        "reporting.py",
        "            self.state.owe(owed, bases)\n",
        "",
        "test_tick::test_a_first_tick_reports_and_a_second_does_nothing_at_all",
    ),
    Guard(
        "F17",
        "reporting.py",
        "        self.spool.put(rid, drawn.message)\n        owed = Owed(",
        "        owed = Owed(",
        "test_tick::test_a_first_tick_reports_and_a_second_does_nothing_at_all",
    ),
    Guard(
        "F17",
        "work.py",
        'data = seed.encode() + b"\\0" + msgspec.msgpack.encode(told,'
        ' order="deterministic")',
        "data = seed.encode()",
        "test_state_damage::test_the_whole_folder_from_last_week_loses_nothing",
    ),
    Guard(
        "F18 F20",
        "spool.py",
        "            os.fsync(descriptor)\n        finally:\n"
        "            os.close(descriptor)\n        os.rename(temporary, path)",
        "        finally:\n"
        "            os.close(descriptor)\n        os.rename(temporary, path)",
        "test_dispatch::test_what_is_kept_is_synced_before_it_has_its_name",
    ),
    Guard(
        "F18 F20",
        "spool.py",
        "            sync_folder(os.path.join(self.folder, end))\n",
        "",
        "test_dispatch::test_what_is_kept_is_synced_before_it_has_its_name",
    ),
    Guard(
        "F18 F19",
        "dispatch.py",
        "with contextlib.suppress(StateError), self._state.transaction():",
        "with self._state.transaction():",
        "test_dispatch::test_a_debt_that_cannot_be_struck_off_stops_nothing",
    ),
    Guard(
        "F20",
        "database.py",
        'self._db.execute("PRAGMA synchronous=FULL")',
        'self._db.execute("PRAGMA synchronous=OFF")',
        "test_state_damage::test_a_commit_is_synced",
    ),
    Guard(
        "F21",
        "database.py",
        'raise damaged(self.path, "it is not as the last tick left it")',
        "return False",
        "test_state_damage::test_n14_every_flipped_byte_and_every_prefix_is_noticed",
    ),
    Guard(
        "F21",
        "database.py",
        "is_new = not _has_traces(folder)",
        "is_new = True",
        "test_state_damage::test_n14_every_flipped_byte_and_every_prefix_is_noticed "
        "test_state_damage::test_f21_a_damaged_state_is_mended_without_loss_or_double",
    ),
    Guard(
        "F21",
        "mending.py",
        'for statements in Since(f"{path}.since").statements():',
        "for statements in ():",
        "test_state_damage::test_f21_a_damaged_state_is_mended_without_loss_or_double",
    ),
    Guard(
        "F21",
        "mending.py",
        "(seal.is_there and not seal.fits())",
        "False",
        "test_state_damage::test_f21_without_a_sound_copy_it_says_how_to_begin_anew",
    ),
    Guard(
        "F21",
        "safekeep.py",
        'if checksum == b"%08x" % zlib.crc32(data):',
        "if data:",
        "test_state_damage::test_f21_a_damaged_note_since_the_copy_is_passed_over",
    ),
    Guard(
        "F21",
        "database.py",
        'if found != "ok":',
        "if False:",
        "test_state_damage::test_f21_without_a_seal_damage_is_looked_for",
    ),
    Guard(
        "F18 F21",
        "database.py",
        "self._has_failed = self._has_failed or isinstance(exc, sqlite3.Error)",
        "pass",
        "test_state_damage::test_a_commit_that_failed_leaves_the_state_without_a_seal",
    ),
    Guard(
        "F41 F42",
        "glance.py",
        "must_remind = told_at and not told_at <= now < told_at + _DAY_S",
        "must_remind = False",
        "test_start::test_dead_mails_are_called_to_mind_once_a_day",
    ),
    Guard(
        "F22",
        "database.py",
        "if version > SCHEMA:",
        "if version > VERSIONS_MAX:",
        "test_state_damage::test_f22_a_later_version_is_left_untouched",
    ),
    Guard(
        "F22",
        "database.py",
        "elif version < SCHEMA:",
        "elif version < 0:",
        "test_state_damage::test_the_state_of_an_earlier_version_is_brought_up_to_date",
    ),
    Guard(
        "F23",
        "mending.py",
        'is_lost = not os.path.lexists(path) and os.path.lexists(f"{path}.bak")',
        "is_lost = False",
        "test_state_damage::test_f23_a_deleted_state_starts_anew_and_says_so",
    ),
    Guard(
        "F23",
        "mending.py",
        'if state.meta(ADOPT) == "1":',
        "if False:",
        "test_state_damage::test_f23_mails_owed_by_a_deleted_state_are_still_sent",
    ),
    Guard(
        "F24",
        "state_folder.py",
        "fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        "test_owed::test_f24_the_second_tick_says_so_and_ends_with_0",
    ),
    Guard(
        "F24",
        "cli.py",
        "if exc.held_for_s > HOLDER_IS_OLD_S:",
        "if False:",
        "test_owed::test_f24_a_lock_held_for_three_intervals_is_said_aloud",
    ),
    Guard(
        "F25",
        "bounded.py",
        "_close_all_but(pipe.fileno())\n    # Libraries",
        "# Libraries",
        "test_owed::test_f25_the_lock_of_a_killed_tick_is_free_while_its_child_still_"
        "draws",
    ),
    Guard(
        "F26",
        "state_folder.py",
        "elif status.st_uid != os.geteuid():",
        "elif False:",
        "test_state_damage::test_f26_anothers_folder_is_refused",
    ),
    Guard(
        "F26",
        "state_folder.py",
        "if not stat.S_ISDIR(status.st_mode):",
        "if False:",
        "test_state_damage::test_f26_a_symlink_as_state_is_refused",
    ),
    Guard(
        "F26",
        "state_folder.py",
        "os.chmod(folder, 0o700)",
        "pass",
        "test_state_damage::test_f26_an_open_folder_is_closed",
    ),
    Guard(
        "F26",
        "database.py",
        "previous = os.umask(0o077)\n        try:\n            self._db =",
        "previous = os.umask(0o022)\n        try:\n            self._db =",
        "test_state_damage::test_f26_all_of_the_state_is_for_its_owner_alone",
    ),
    Guard(
        "F27",
        "spool.py",
        'if os.path.basename(path).removesuffix(".eml") not in owed:',
        "if False:",
        "test_state_damage::test_f27_strays_of_a_killed_tick_are_removed",
    ),
    Guard(
        "F27",
        "mending.py",
        "_remove_strays(folder)\n    is_lost",
        "is_lost",
        "test_state_damage::test_f27_strays_of_a_killed_tick_are_removed",
    ),
    Guard(
        "F28",
        "spool.py",
        "is_old = now - os.lstat(path).st_ctime > TOMBSTONE_S",
        "is_old = False",
        "test_state_damage::test_f28_tombstones_go_after_two_weeks",
    ),
    Guard(
        "F28",
        "state.py",
        'gone = "SELECT path FROM runs WHERE gone_at < ?"',
        'gone = "SELECT path FROM runs WHERE gone_at < ? AND 0"',
        "test_tick::test_a_vanished_run_is_kept_for_thirty_days",
    ),
    # -- drawing
    Guard(
        "F29",
        "bounded.py",
        "resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, hard))",
        "pass",
        "test_bounded::test_a_child_that_fails_says_how_and_the_next_call_works",
    ),
    Guard(
        "F29",
        "bounded.py",
        "resource.setrlimit(resource.RLIMIT_CPU, (limit, hard_cpu))",
        "pass",
        "test_bounded::test_the_limit_on_cpu_time_is_for_each_task "
        "test_bounded::test_a_child_that_fails_says_how_and_the_next_call_works",
    ),
    Guard(
        "F29",
        "bounded.py",
        "if self._failures >= FAILURES_MAX:",
        "if False:",
        "test_bounded::test_three_failures_in_a_row_are_enough_and_fewer_are_forgotten",
    ),
    Guard(
        "F29",
        "work.py",
        'return draw_plainly(task, f"the renderer {exc}")',
        'return Drawn(task.report.rid, error=RenderError(f"the renderer {exc}"))',
        "test_bounded::test_the_text_still_goes_out_when_the_renderer_fails",
    ),
    Guard(
        "F30",
        "render/budget.py",
        "return tuple(rows[:most])",
        "return tuple(rows)",
        "test_render_local::test_a_mail_too_large_loses_rows_and_says_so",
    ),
    Guard(
        "F30",
        "reader.py",
        "if names >= NAMES_MAX:",
        "if False:",
        "test_limits::test_a_run_has_only_so_many_names",
    ),
    Guard(
        "F30",
        "logs.py",
        "elif not self.is_full:\n                self.is_full = True",
        "elif not self.is_full:\n                known[key] = value",
        "test_limits::test_a_file_cannot_fill_the_state_with_values",
    ),
    Guard(
        "F31 F53",
        "text.py",
        'return shorten(_UNSAFE.sub(REPLACEMENT, _ANSI.sub("", text)), limit)',
        'return shorten(_ANSI.sub("", text), limit)',
        "test_text::test_clean_replaces_what_could_break_out",
    ),
    Guard(
        "F31",
        "mail.py",
        "data = _UNSAFE_IN_BODY.sub(REPLACEMENT, lines).encode()",
        'data = lines.encode("utf-8", "surrogatepass")',
        "test_mail::test_control_characters_never_reach_a_body "
        "test_mail::test_any_text_gives_a_mail_that_parses",
    ),
    Guard(
        "F32",
        "work.py",
        "if drawn.error is None or isinstance(drawn.error, ConfigError):",
        "if drawn.error is None:",
        "test_bounded::"
        "test_f32_a_broken_template_ends_the_tick_before_anything_is_consumed",
    ),
    # -- Google
    Guard(
        "F33",
        "google_pace.py",
        "return exc.may_pass or also(exc)",
        "return also(exc)",
        "test_google_pace::test_busy_is_repeated_and_wrong_is_not",
    ),
    Guard(
        "F33",
        "google_pace.py",
        "return max(asked or 0.0, wait)",
        "return wait",
        "test_google_faults::test_retry_after_is_obeyed",
    ),
    Guard(
        "F33",
        "google_pace.py",
        "if more > self._left_s:",
        "if False:",
        "test_google_pace::test_tries_and_budget_both_end",
    ),
    Guard(
        "F33",
        "google_pace.py",
        "if exc.is_lost and not may_repeat:",
        "if False:",
        "test_google_pace::test_lost_is_repeated_only_where_that_does_no_harm",
    ),
    Guard(
        "F34",
        "render/google_documents.py",
        "found = self._look()",
        "found = None",
        "test_google_faults::"
        "test_lost_copy_is_found_by_its_property_before_any_new_one",
    ),
    Guard(
        "F34 F38",
        "render/google_documents.py",
        "        if self.has_doubt:\n            for file in",
        "        if False:\n            for file in",
        "test_google_faults::test_copy_left_by_a_crash_is_replaced",
    ),
    Guard(
        "F35",
        "render/google.py",
        'if self.state.meta("google.notice") == mark:',
        "if False:",
        "test_google_faults::test_revoked_grant_is_told_once_and_the_reports_stay_owed",
    ),
    Guard(
        "F35",
        "render/google.py",
        'if is_for_all(error) and self.settings.fallback == "local":',
        "if False:",
        "test_google_faults::test_fallback_draws_here_and_says_so",
    ),
    Guard(
        "F36",
        "render/google_documents.py",
        "    if error.status == _NOT_FOUND:",
        "    if False:",
        "test_google_faults::test_template_that_is_gone_is_named",
    ),
    Guard(
        "F36",
        "render/google_documents.py",
        'if error.reason == "storageQuotaExceeded":',
        "if False:",
        "test_google_faults::test_service_account_without_storage_is_told_what_to_do",
    ),
    Guard(
        "F37",
        "render/google_documents.py",
        'if exc.reason == "exportSizeLimitExceeded":',
        "if False:",
        "test_google_faults::test_export_over_the_limit_is_drawn_here_and_said",
    ),
    Guard(
        "F38",
        "render/google_documents.py",
        "document_id, wanted.requests, revision=revision, is_new=True",
        'document_id, wanted.requests, revision="", is_new=True',
        "test_google_faults::test_late_merge_of_a_document_that_could_be_merged_twice",
    ),
    Guard(
        "F38",
        "render/google_documents.py",
        "problem = _problem(tree, wanted)",
        'problem = ""',
        "test_google_faults::test_template_edited_between_read_and_copy_is_merged_anew",
    ),
    Guard(
        "F39",
        "google_auth.py",
        "write_durably(os.fspath(path), json.dumps(content, indent=1).encode(), 0o600)",
        "path.write_bytes(json.dumps(content, indent=1).encode())",
        "test_google_auth::test_login_replaces_the_file_at_once_or_not_at_all",
    ),
    # -- SMTP
    Guard(
        "F40",
        "dispatch.py",
        "wait = _wait(self._policy.backoff_s, failures)",
        "wait = 0.0",
        "test_owed::"
        "test_f40_a_server_that_takes_nothing_is_left_alone_longer_and_longer "
        "test_dispatch::test_a_dead_server_stops_the_tick_and_is_left_alone_for_a_while",
    ),
    Guard(
        "F41",
        "dispatch.py",
        "return float(min(BACKOFF_MAX_S, first_s * 2 ** min(attempts - 1, 20)))",
        "return float(first_s)",
        "test_dispatch::test_waits_double_up_to_an_hour",
    ),
    Guard(
        "F41",
        "dispatch.py",
        "if is_old and has_tried and isinstance(exc, DeliveryError):",
        "if False:",
        "test_dispatch::test_a_mail_is_given_up_after_five_days_of_trying",
    ),
    Guard(
        "F41 F42",
        "dispatch.py",
        "if held and told_at and not is_due:",
        "if held and told_at:",
        "test_dispatch::test_dead_mails_are_told_once_a_day",
    ),
    Guard(
        "F41 F42",
        "tick.py",
        'self.state.meta(TOLD_AT, "0") == "0":',
        'self.state.meta(TOLD_AT, "0") >= "0":',
        "test_tick::test_once_decided_a_dead_mail_is_called_to_mind_no_more",
    ),
    Guard(
        "F40 F41",
        "tick.py",
        'self.state.meta("channel_why") or "".join(waiting[:1])',
        'self.state.meta("channel_why", "".join(waiting[:1]))',
        "test_tick::test_why_mails_wait_is_said_also_after_the_server_was_down",
    ),
    Guard(
        "F44",
        "reporting.py",
        "(not finding.alerts, finding.name)",
        "finding.name",
        "test_tick::test_runs_with_alerts_have_their_own_mails_first",
    ),
    Guard(
        "F40",
        "dispatch.py",
        "for owed in sorted(due, key=lambda owed: owed.attempts):",
        "for owed in due:",
        "test_dispatch::"
        "test_a_mail_that_takes_the_server_down_does_not_hold_up_the_others",
    ),
    Guard(
        "F19 F45",
        "dispatch.py",
        "self._state.update_owed(replace(owed, unknowns=owed.unknowns + 1))",
        "pass",
        "test_dispatch::"
        "test_a_mail_that_is_handed_over_and_never_marked_is_held_in_the_end",
    ),
    Guard(
        "F18",
        "dispatch.py",
        "        except StateError as exc:  # the others may be readable\n",
        "        except ZeroDivisionError as exc:\n",
        "test_dispatch::test_a_mail_that_cannot_be_read_does_not_hold_up_the_others",
    ),
    Guard(
        "F18 F20",
        "spool.py",
        "            except OSError as exc:\n"
        "                raise _unusable(exc, path) from exc\n"
        "            return place",
        "            except OSError:\n                continue\n"
        "            return place",
        "test_dispatch::test_a_mail_that_cannot_be_looked_for_is_not_taken_for_gone",
    ),
    Guard(
        "F13",
        "catalog.py",
        'if f"{path}/{name}" in known',
        "if True",
        "test_catalog::"
        "test_a_folder_that_vanished_while_it_was_walked_is_found_when_it_is_back",
    ),
    Guard(
        "F50",
        "cli.py",
        "must_stop=stops[1],",
        "must_stop=stops[0],",
        "test_owed::test_f50_a_run_of_a_quarter_of_an_hour_ends_at_a_safe_point",
    ),
    Guard(
        "F42",
        "dispatch.py",
        "            self._refused(owed, exc)\n        except (ChannelDownError",
        "            self._back(owed, exc, was_unknown=False)\n"
        "        except (ChannelDownError",
        "test_dispatch::test_a_refused_mail_is_kept_and_holds_nobody_up",
    ),
    Guard(
        "F43",
        "dispatch.py",
        "recipients=left,",
        "recipients=owed.recipients,",
        "test_dispatch::test_only_the_refused_recipients_get_it_again",
    ),
    Guard(
        "F43",
        "dispatch.py",
        "            is_partial=True,\n        )",
        "            is_partial=False,\n        )",
        "test_owed::test_f43_an_accepted_recipient_never_gets_it_twice",
    ),
    Guard(
        "F44",
        "reporting.py",
        "due[: mail.max_per_tick]",
        "due",
        "test_tick::test_many_runs_share_a_digest_beyond_the_limit",
    ),
    Guard(
        "F44",
        "work.py",
        "return limit is not None and settings.now",
        "return limit is None and settings.now",
        "test_tick::test_old_runs_are_recorded_when_first_seen",
    ),
    Guard(
        "F45",
        "dispatch.py",
        'return self._policy.on_unknown == "hold" or owed.unknowns >= UNKNOWNS_MAX',
        'return self._policy.on_unknown == "hold"',
        "test_dispatch::"
        "test_what_nobody_knows_is_sent_again_the_same_and_held_in_the_end",
    ),
    Guard(
        "F45",
        "dispatch.py",
        "owed = replace(owed, is_partial=True)",
        "pass",
        "test_dispatch::test_a_mail_that_may_have_arrived_is_never_superseded",
    ),
    Guard(
        "F43 F45",
        "tending.py",
        '                or place == "cur"\n',
        "",
        "test_dispatch::test_a_retried_mail_that_some_have_is_never_superseded",
    ),
    Guard(
        "F45",
        "deliver/smtp_session.py",
        "raise self._lost(str(exc), envelope) from exc",
        'raise self._cut(exc, "the final dot", envelope) from exc',
        "test_smtp::test_every_answer_at_every_stage",
    ),
    Guard(
        "F45",
        "deliver/smtp_wire.py",
        "self.expect_silence()\n        self.send(line",
        "self.send(line",
        "test_smtp::test_a_stray_answer_is_not_taken_for_the_next_one",
    ),
    Guard(
        "F46",
        "deliver/smtp_session.py",
        "answer = wire.read(seconds)",
        "answer = wire.read(wire.timeout_s)",
        "test_smtp::test_the_wait_after_the_dot_has_its_own_time",
    ),
    Guard(
        "F47",
        "deliver/smtp_connect.py",
        "return ssl.create_default_context(cafile=path)",
        "return ssl._create_unverified_context(cafile=path)",
        "test_smtp::test_servers_that_are_not_to_be_trusted",
    ),
    Guard(
        "F47",
        "deliver/smtp_connect.py",
        'if "STARTTLS" not in features:',
        'if "STARTTLS" not in features and not channel.username:',
        "test_smtp::test_nothing_is_said_in_clear_to_a_server_without_starttls",
    ),
    Guard(
        "F47",
        "deliver/smtp_connect.py",
        "features = _hello(wire)  # what was said in clear counts no more",
        "_hello(wire)",
        "test_smtp::test_offers_made_in_clear_do_not_count",
    ),
    Guard(
        "F47",
        "deliver/smtp_wire.py",
        'if self._heard:\n            raise WireError("went on',
        'if False:\n            raise WireError("went on',
        "test_smtp::test_text_slipped_in_before_the_handshake_is_refused",
    ),
    Guard(
        "F48",
        "dispatch.py",
        "wait = CREDENTIAL_WAIT_S",
        "pass",
        "test_dispatch::test_a_wrong_password_is_tried_once_an_hour",
    ),
    Guard(
        "F49",
        "mail.py",
        "if rendered.pdf is not None and len(message) > max_bytes:",
        "if False:",
        "test_mail::test_a_pdf_over_the_cap_is_left_out_and_said",
    ),
    Guard(
        "F49",
        "deliver/smtp_session.py",
        "if 0 < link.size_limit < len(message):",
        "if False:",
        "test_smtp::test_a_mail_larger_than_the_server_takes_is_refused_before_it_is_"
        "sent",
    ),
    # -- process and schedule
    Guard(
        "F50",
        "cli.py",
        "return is_asked or time.monotonic() > ends",
        "return is_asked",
        "test_owed::test_f50_a_run_of_a_quarter_of_an_hour_ends_at_a_safe_point",
    ),
    Guard(
        "F51",
        "cli.py",
        "for n in (signal.SIGTERM, signal.SIGINT)}",
        "for n in (signal.SIGINT,)}",
        "test_tick::test_sigterm_ends_a_tick_at_a_safe_point",
    ),
    Guard(
        "F51",
        "cli.py",
        "    _open_standard_streams()\n    sys.exit",
        "    sys.exit",
        "test_owed::test_f51_closed_standard_streams_harm_nothing",
    ),
    Guard(
        "F51",
        "dispatch.py",
        "if self._should_stop():",
        "if False:",
        "test_dispatch::test_a_tick_that_was_asked_to_end_keeps_the_rest",
    ),
    Guard(
        "F52",
        "bounded.py",
        'raise ChildFailedError(f"could not work: {reason_of(exc)}") from exc',
        "raise",
        "test_owed::test_f52_no_process_to_draw_in_makes_a_plain_mail",
    ),
    # -- content
    Guard(
        "F53",
        "mail.py",
        "words = clean(text, _VALUE_MAX).split()",
        'words = text.split(" ")',
        "test_mail::test_a_subject_from_elsewhere_is_cleaned_too",
    ),
    Guard(
        "F53",
        "reporting.py",
        "if domain in domains and address.lower() not in known:",
        "if address.lower() not in known:",
        "test_hostile::test_an_intent_cannot_send_reports_to_strangers",
    ),
    Guard(
        "F54",
        "render/layout.py",
        "autoescape=True,",
        "autoescape=False,",
        "test_render_local::test_hostile_text_stays_text",
    ),
    Guard(
        "F54",
        "work.py",
        "{html.escape(text)}</pre>",
        "{text}</pre>",
        "test_bounded::test_a_plain_page_shows_markup_as_text",
    ),
    Guard(
        "F54",
        "mail.py",
        "escaped = html.escape(notice)",
        "escaped = notice",
        "test_mail::test_a_note_is_shown_once_and_escaped",
    ),
    Guard(
        "F55",
        "tail.py",
        "if not stat.S_ISREG(os.fstat(descriptor).st_mode):",
        "if False:",
        "test_tail::test_only_regular_files_are_opened",
    ),
    Guard(
        "F55",
        "tail.py",
        "os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW |",
        "os.O_RDONLY | os.O_NONBLOCK |",
        "test_tail::test_only_regular_files_are_opened",
    ),
    Guard(
        "F55",
        "discover.py",
        "if len(parents_of(path, root)) - base_depth >= DEPTH_MAX and entered:",
        "if False:",
        "test_hostile::test_a_hostile_run_is_survived_and_told_about[tree_60_deep]",
    ),
    Guard(
        "F55",
        "discover.py",
        "if len(candidates) > CANDIDATES_MAX:",
        "if False:",
        "test_hostile::test_a_hostile_run_is_survived_and_told_about[folder_of_3_000_logs]",
    ),
    Guard(
        "F55",
        "discover.py",
        "if entry.is_dir(follow_symlinks=False):",
        "if entry.is_dir():",
        "test_catalog::test_a_link_to_a_folder_is_neither_told_of_nor_entered",
    ),
    Guard(
        "F55",
        "discover.py",
        "if not stat.S_ISDIR(status.st_mode) and path != root:",
        "if False:",
        "test_catalog::test_a_link_to_a_folder_is_neither_told_of_nor_entered",
    ),
    Guard(
        "F56",
        "tail.py",
        "if end - 1 - at > LINE_MAX:",
        "if False:",
        "test_tail::test_a_line_over_a_mebibyte_is_passed_over_however_it_is_cut",
    ),
    Guard(
        "F56",
        "tail.py",
        "if status.st_size > DOCUMENT_MAX:",
        "if False:",
        "test_tail::test_a_document_is_read_whole_up_to_a_limit",
    ),
    Guard(
        "F56",
        "formats/_json.py",
        "if depth > DEPTH_MAX:",
        "if False:",
        "test_formats_json::test_broken_documents_say_where",
    ),
    Guard(
        "F56",
        "formats/_json.py",
        'if text.count("[") + text.count("{") > CONTAINERS_MAX:',
        "if False:",
        "test_limits::test_json_that_would_swell_in_memory_is_refused",
    ),
    Guard(
        "F56",
        "yamlbuild.py",
        "if self._nodes > self._max_nodes:",
        "if False:",
        "test_yamlguard::test_too_many_values_or_bytes_are_refused "
        "test_yamlguard::test_quadratic_alias_blowup_is_refused",
    ),
    Guard(
        "F56",
        "yamlbuild.py",
        "if len(self._stack) >= self._max_depth:",
        "if False:",
        "test_yamlguard::test_deep_nesting_is_refused_and_never_crashes",
    ),
    Guard(
        "F56",
        "yamlbuild.py",
        "        if known is None:\n            raise YamlError",
        "        if known is None:\n            known = ({}, 1, 0)\n        if False:\n"
        "            raise YamlError",
        "test_yamlguard::test_a_value_inside_itself_is_refused",
    ),
    Guard(
        "F57",
        "yamlbuild.py",
        "value = tagged_scalar(event.tag, text)",
        "value = eval(text)",
        "test_yamlguard::test_tags_become_plain_values_and_nothing_runs",
    ),
    Guard(
        "F57",
        "formats/mlflow_database.py",
        "        if computed:\n",
        "        if False:\n",
        "test_limits::test_a_database_that_computes_is_refused",
    ),
    Guard(
        "F58",
        "mail.py",
        'name = re.sub(r"[^A-Za-z0-9._-]+", "-", text.removesuffix(suffix))',
        'name = re.sub(r"[^!-~]+", "-", text.removesuffix(suffix))',
        "test_mail::test_a_hostile_run_name_stays_inside_the_subject",
    ),
    Guard(
        "F58",
        "deliver/outbox.py",
        'return _UNSAFE.sub("-", "-".join(filter(None, parts))).lstrip(".") + ".eml"',
        'return "-".join(filter(None, parts)) + ".eml"',
        "test_outbox::test_names_stay_in_the_folder_whatever_the_headers_say",
    ),
    # -- credentials and supply
    Guard(
        "F59",
        "redact.py",
        "text = _SHAPES.sub(MASK, text)",
        "pass",
        "test_redact::test_a_secret_is_masked",
    ),
    Guard(
        "F59",
        "redact.py",
        "text = _URL_USER.sub(MASK, text)",
        "pass",
        "test_redact::test_a_secret_is_masked",
    ),
    Guard(
        "F59",
        "redact.py",
        "    if secret:\n        return MASK\n",
        "",
        "test_redact::test_a_secret_is_masked",
    ),
    Guard(
        "F59",
        "redact.py",
        "return bool(_TOKEN_WORDS.intersection(words)) and not",
        "return bool(_TOKEN_WORDS.intersection(words)) or not",
        "test_redact::test_an_innocent_value_is_kept",
    ),
    Guard(
        "F59",
        "logs.py",
        "self._add(self.hparams, redact_all(item.values, self.redact))",
        "self._add(self.hparams, item.values)",
        "test_secrets::test_no_planted_secret_is_found_anywhere",
    ),
    Guard(
        "F59",
        "cli.py",
        'redact_text("".join(traceback.format_exception(exc)))',
        '"".join(traceback.format_exception(exc))',
        "test_secrets::test_a_crash_does_not_tell_what_it_crashed_on",
    ),
    Guard(
        "F59",
        "deliver/smtp.py",
        "if stat.S_IMODE(mode) & 0o077:",
        "if False:",
        "test_smtp::test_the_password_comes_from_where_the_config_says",
    ),
    Guard(
        "F59",
        "google_auth.py",
        "if stat.S_IMODE(status.st_mode) & 0o077:",
        "if False:",
        "test_google_auth::test_file_that_others_can_read_is_refused",
    ),
    Guard(
        "F59",
        "deliver/smtp_wire.py",
        'text = text.replace(secret, "***")',
        "pass",
        "test_smtp::"
        "test_a_server_that_repeats_the_password_does_not_get_it_into_a_message",
    ),
    Guard(
        "F60",
        "schedule.py",
        "\nProtectSystem=strict\n",
        "\n",
        "test_schedule::test_the_system_unit_is_well_hardened "
        "test_schedule::test_the_shipped_units_are_up_to_date",
    ),
    Guard(
        "F60",
        "../requirements.lock",
        "pandas==",
        "pandas>=",
        "test_locks",
    ),
]
