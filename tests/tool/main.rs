//! The tool `quoit` as a process, with each of its subcommands.

#[path = "../common/mod.rs"]
mod common;
mod deaths;
mod endings;
#[path = "../../src/bin/quoit/fields.rs"]
mod fields;
mod hardships;
mod idle;
mod looking;
mod machine;
mod operator;
mod places;
mod recordings;
mod records;
mod refusals;
mod runbook;
mod standard;
mod streams;
mod terminal;
mod tool;
mod top;
mod transcript;

common::suite::suite! {
    tests: [
        streams::a_stream_of_lines_goes_through_a_full_ring,
        streams::either_endpoint_may_attach_first_each_time,
        streams::frames_and_raw_bytes_arrive_as_they_were,
        streams::what_was_moved_is_said_in_json,
        refusals::each_refusal_has_its_code_and_says_why,
        refusals::a_line_that_is_too_long_is_refused,
        refusals::a_ring_of_another_schema_is_refused,
        endings::a_killed_sender_loses_nothing,
        endings::a_receiver_whose_output_is_full_loses_nothing_when_it_is_ended,
        endings::a_full_ring_keeps_no_signal_away_and_ends_its_sender_with_its_receiver,
        endings::a_closed_pipe_ends_the_receiver_quietly_and_loses_nothing,
        endings::a_closed_pipe_ends_every_answer_quietly,
        refusals::a_sender_that_gives_up_says_how_much_it_sent,
        refusals::a_sender_that_may_wait_continues_when_there_is_room,
        refusals::a_command_that_gives_up_says_and_keeps_what_was_moved,
        hardships::a_signal_ends_a_recorder_that_never_waits,
        hardships::a_signal_ends_a_sender_that_never_waits_for_long,
        hardships::a_signal_ends_a_sender_of_a_large_file,
        hardships::a_signal_tears_no_line_of_a_file,
        hardships::a_signal_that_was_ignored_still_is,
        hardships::a_tool_that_hears_no_signal_is_ended_by_later_ones,
        hardships::a_terminal_that_takes_nothing_keeps_no_signal_away,
        hardships::a_terminal_that_hangs_up_ends_top,
        hardships::what_is_unread_keeps_its_ring_though_it_is_to_be_unlinked,
        streams::another_ring_that_has_the_name_is_not_removed,
        hardships::a_recorder_that_cannot_write_leaves_the_ring_alone,
        hardships::a_recording_on_a_full_disk_is_whole,
        hardships::what_comes_before_a_corrupt_frame_is_sound,
        hardships::a_follower_ends_with_its_ring,
        places::a_receiver_reports_the_death_of_its_own_producer_only,
        hardships::a_stopped_endpoint_is_reported,
        hardships::of_many_names_each_is_tried,
        refusals::a_new_ring_has_the_mode_that_is_asked_for,
        deaths::a_signal_kills_each_command_after_it_has_left_the_ring,
        deaths::a_signal_kills_top_after_it_has_left_the_terminal,
        deaths::a_recording_at_a_limit_of_its_size_is_readable,
        deaths::an_output_at_a_limit_of_its_size_loses_nothing,
        deaths::long_messages_are_released_one_by_one,
        deaths::a_receiver_whose_reader_closed_frees_its_role,
        deaths::a_watcher_whose_reader_closed_ends_at_once,
        standard::an_answer_that_cannot_be_written_is_a_failure,
        standard::a_receiver_without_an_output_makes_no_ring_and_takes_no_role,
        standard::a_sender_without_an_input_makes_no_ring,
        standard::a_summary_that_cannot_be_written_is_a_failure,
        standard::a_command_with_no_standard_descriptors_writes_to_no_wrong_file,
        standard::an_input_that_is_cut_off_says_what_is_missing,
        idle::a_command_that_waits_hardly_wakes,
        idle::a_tail_of_any_length_begins_at_once_and_needs_little_memory,
        idle::more_rings_than_open_files_are_all_seen,
        recordings::a_recording_replays_kinds_and_payloads,
        recordings::a_recording_is_an_mcap_file,
        recordings::records_are_moved_with_their_size_and_schema,
        recordings::a_tap_takes_nothing_and_tells_what_it_missed,
        recordings::a_recording_cut_anywhere_is_replayed_to_its_last_whole_chunk,
        recordings::a_foreign_file_is_refused,
        recordings::a_replay_keeps_the_times,
        looking::a_directory_is_listed_with_what_is_a_ring,
        looking::a_ring_is_described_and_so_is_what_is_wrong_with_it,
        places::an_endpoint_is_shown_with_its_core_and_command,
        places::a_ring_is_shown_with_the_file_system_it_is_on,
        places::the_pages_of_each_endpoint_are_shown,
        looking::a_rescued_endpoint_is_shown_with_what_to_check,
        records::a_record_is_shown_as_its_fields_were_written,
        records::whatever_is_no_layout_is_refused_with_a_place,
        records::a_wrong_layout_is_pointed_at,
        records::records_are_shown_by_their_layout_and_stay,
        records::frames_that_fit_are_shown_by_their_layout,
        records::the_documents_have_the_language_of_the_help,
        looking::a_ring_under_full_load_is_seen_whole,
        top::top_shows_full_load_and_a_death,
        top::top_leaves_the_terminal_as_it_was,
        top::top_gives_the_terminal_back_while_it_is_stopped,
        top::top_with_a_count_stays_on_the_terminal,
        top::top_reports_progress_and_stalls_to_programs,
        top::top_reports_what_attaches_and_what_was_removed,
        top::an_endpoint_that_attaches_again_does_not_seem_to_die,
        top::what_top_cannot_watch_is_refused,
        terminal::colours_are_for_terminals_that_want_them,
        terminal::a_terminal_shows_the_progress_of_a_command,
        looking::names_that_others_chose_move_no_cursor,
        looking::only_what_no_process_holds_is_removed,
        places::a_foreign_file_kills_no_command_and_takes_no_memory,
        places::a_follower_continues_in_a_copied_up_file,
        looking::no_other_process_is_taken_for_the_one_that_holds_a_ring,
        machine::a_machine_with_faults_is_shown_how_to_fix_them,
        machine::limits_of_the_process_are_shown,
        machine::this_machine_is_examined_in_24_rows_and_80_columns,
        machine::bench_says_what_it_measured_in_json_and_as_a_table,
        machine::bench_leaves_nothing_however_it_ends,
        machine::completions_and_pages_name_every_subcommand,
        operator::a_corrupt_ring_is_called_corrupt_everywhere,
        operator::a_ring_that_may_not_be_read_is_listed,
        operator::a_consumer_that_hangs_is_seen_at_once,
        operator::a_producer_that_hangs_is_reported,
        operator::a_reader_that_ends_leaves_what_it_did_not_read,
        operator::stale_rings_with_unread_messages_stay,
        operator::the_newest_messages_come_first_to_mind,
        operator::a_table_fits_its_terminal,
        operator::patterns_and_no_names_mean_rings,
        operator::a_draft_that_was_left_behind_is_listed_and_removed,
        operator::metrics_are_printed_and_served,
        endings::a_ring_that_is_truncated_ends_its_commands_with_a_line,
        runbook::the_runbook_quotes_what_the_tool_says,
        transcript::the_tool_says_what_the_transcript_has,
    ],
    parts: [
        runbook::holder,
        places::pinned,
        looking::pusher,
        looking::popper,
        hardships::recording_on_a_megabyte,
    ],
}
