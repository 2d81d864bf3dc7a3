//! The tool `quoit` as a process, with each of its subcommands.

mod bench;
#[path = "../common/mod.rs"]
mod common;
mod deaths;
mod endings;
#[path = "../../src/bin/quoit/fields.rs"]
mod fields;
mod hardships;
mod idle;
mod looking;
mod metrics;
mod places;
mod recordings;
mod records;
mod runbook;
mod standard;
mod terminal;
mod tool;
mod top;
mod transcript;

common::suite::suite! {
    tests: [
        endings::a_receiver_whose_output_is_full_loses_nothing_when_it_is_ended,
        endings::a_full_ring_keeps_no_signal_away_and_ends_its_sender_with_its_receiver,
        endings::a_sender_that_may_wait_continues_when_there_is_room,
        hardships::a_signal_ends_a_sender_that_is_never_idle,
        hardships::a_signal_tears_no_line_of_a_file,
        hardships::a_signal_that_was_ignored_still_is,
        hardships::a_tool_that_hears_no_signal_is_ended_by_later_ones,
        hardships::a_terminal_that_takes_nothing_keeps_no_signal_away,
        hardships::a_terminal_that_hangs_up_ends_top,
        endings::another_ring_that_has_the_name_is_not_removed,
        hardships::a_follower_ends_with_its_ring,
        places::a_receiver_reports_the_death_of_its_own_producer_only,
        deaths::a_signal_kills_each_command_after_it_has_left_the_ring,
        deaths::a_recording_at_a_limit_of_its_size_is_readable,
        deaths::an_output_at_a_limit_of_its_size_loses_nothing,
        deaths::a_command_whose_reader_closed_ends_at_once,
        standard::an_answer_that_cannot_be_written_is_a_failure,
        idle::a_command_that_waits_hardly_wakes,
        idle::a_tail_of_any_length_begins_at_once_and_needs_little_memory,
        recordings::a_recording_is_an_mcap_file,
        recordings::a_tap_takes_nothing_and_tells_what_it_missed,
        recordings::a_recording_cut_anywhere_is_replayed_to_its_last_whole_chunk,
        recordings::a_replay_keeps_the_times,
        places::a_ring_is_shown_with_the_file_system_it_is_on,
        places::the_pages_of_each_endpoint_are_shown,
        records::a_record_is_shown_as_its_fields_were_written,
        records::whatever_is_no_layout_is_refused_with_a_place,
        looking::a_ring_under_full_load_is_seen_whole,
        top::top_shows_full_load_and_a_death,
        top::top_leaves_the_terminal_as_it_was,
        top::top_gives_the_terminal_back_while_it_is_stopped,
        top::top_reports_progress_and_stalls_to_programs,
        top::top_reports_what_attaches_and_what_was_removed,
        top::an_endpoint_that_attaches_again_does_not_seem_to_die,
        top::what_it_cannot_read_is_among_all_rings,
        terminal::colours_are_for_terminals_that_want_them,
        terminal::a_terminal_shows_the_progress_of_a_command,
        places::a_foreign_file_kills_no_command_and_takes_no_memory,
        places::a_follower_continues_in_a_copied_up_file,
        bench::bench_says_what_it_measured_in_json_and_as_a_table,
        bench::bench_leaves_nothing_however_it_ends,
        terminal::a_table_fits_its_terminal,
        terminal::a_terminal_without_a_size_is_taken_for_a_usual_one,
        metrics::metrics_are_served,
        metrics::a_server_answers_when_it_has_descriptors_again,
        metrics::a_client_that_reads_slowly_is_given_up,
        endings::a_ring_that_is_truncated_ends_its_commands_with_a_line,
        runbook::the_runbook_quotes_what_the_tool_says,
        transcript::the_tool_says_what_the_transcript_has,
    ],
    parts: [
        runbook::holder,
        looking::pusher,
        looking::popper,
    ],
}
