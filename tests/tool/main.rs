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
mod load;
mod looking;
mod machine;
mod operator;
mod pages;
mod places;
mod recordings;
mod records;
mod refusals;
mod standard;
mod streams;
mod terminal;
mod timeouts;
mod tool;
mod top;
mod watched;

use bench::*;
use deaths::*;
use endings::*;
use hardships::*;
use idle::*;
use load::*;
use looking::*;
use machine::*;
use operator::*;
use pages::*;
use places::*;
use recordings::*;
use records::*;
use refusals::*;
use standard::*;
use streams::*;
use timeouts::*;
use top::*;
use watched::*;

common::suite::suite! {
    tests: [
        a_stream_of_lines_goes_through_a_full_ring,
        either_endpoint_may_attach_first_each_time,
        frames_and_raw_bytes_arrive_as_they_were,
        what_was_moved_is_said_in_json,
        what_cannot_name_a_ring_is_refused,
        what_is_no_ring_is_refused,
        a_role_that_is_taken_is_refused,
        a_line_that_is_too_long_is_refused,
        a_ring_of_another_schema_is_refused,
        a_killed_sender_loses_nothing,
        a_killed_receiver_loses_nothing,
        a_full_ring_whose_receiver_closed_ends_the_sender,
        a_closed_pipe_ends_the_receiver_quietly_and_loses_nothing,
        a_closed_pipe_ends_every_answer_quietly,
        a_signal_ends_a_sender_that_waits_for_input,
        a_signal_ends_a_sender_that_waits_for_room,
        a_signal_ends_a_receiver_whose_output_is_full,
        a_sender_that_gives_up_says_how_much_it_sent,
        a_sender_that_may_wait_continues_when_there_is_room,
        a_receiver_gives_up_with_all_that_was_sent,
        a_recorder_that_gave_up_leaves_a_whole_file_and_a_replay_gives_up_too,
        a_signal_ends_a_recorder_that_never_waits,
        a_signal_ends_a_sender_that_never_waits_for_long,
        a_signal_ends_a_sender_of_a_large_file,
        a_signal_tears_no_line_of_a_file,
        a_signal_that_was_ignored_still_is,
        a_tool_that_hears_no_signal_is_ended_by_later_ones,
        a_terminal_that_takes_nothing_keeps_no_signal_away,
        a_terminal_that_hangs_up_ends_top,
        what_is_unread_keeps_its_ring_though_it_is_to_be_unlinked,
        another_ring_that_has_the_name_is_not_removed,
        a_recorder_that_cannot_write_leaves_the_ring_alone,
        a_recording_on_a_full_disk_is_whole,
        what_comes_before_a_corrupt_frame_is_sound,
        a_follower_ends_with_its_ring_and_with_its_reader,
        a_receiver_says_that_its_producer_died,
        a_receiver_reports_the_death_of_its_own_producer_only,
        what_no_machine_can_do_is_the_systems_refusal,
        a_stopped_endpoint_is_reported,
        of_many_names_each_is_tried,
        a_new_ring_has_the_mode_that_is_asked_for,
        what_is_no_mode_and_no_duration_is_refused,
        a_signal_kills_each_command_after_it_has_left_the_ring,
        a_signal_kills_top_after_it_has_left_the_terminal,
        ctrl_c_ends_the_loop_of_a_shell,
        a_recording_at_a_limit_of_its_size_is_readable,
        a_recording_without_room_for_its_header_takes_nothing,
        an_output_at_a_limit_of_its_size_loses_nothing,
        long_messages_are_released_one_by_one,
        a_receiver_whose_reader_closed_gives_its_role_up,
        a_receiver_without_a_reader_awaits_no_producer,
        a_watcher_whose_reader_closed_ends_at_once,
        an_answer_that_cannot_be_written_is_a_failure,
        a_receiver_without_an_output_makes_no_ring_and_takes_no_role,
        a_sender_without_an_input_makes_no_ring,
        a_summary_that_cannot_be_written_is_a_failure,
        a_command_with_no_standard_descriptors_writes_to_no_wrong_file,
        an_input_that_is_cut_off_says_what_is_missing,
        a_command_that_waits_hardly_wakes,
        a_tail_of_any_length_begins_at_once_and_needs_little_memory,
        more_rings_than_open_files_are_all_seen,
        a_recording_replays_kinds_and_payloads,
        a_recording_is_an_mcap_file,
        records_are_moved_with_their_size_and_schema,
        a_tap_takes_nothing_and_tells_what_it_missed,
        a_recording_that_a_signal_ends_is_whole,
        a_recording_cut_anywhere_is_replayed_to_its_last_whole_chunk,
        a_foreign_file_is_refused,
        a_replay_keeps_the_times,
        a_directory_is_listed_with_what_is_a_ring,
        a_ring_is_described_and_so_is_what_is_wrong_with_it,
        an_endpoint_is_shown_with_its_core_and_command,
        a_ring_is_shown_with_the_file_system_it_is_on,
        an_odd_name_hides_no_pages,
        the_pages_of_each_endpoint_are_shown,
        a_rescued_endpoint_is_shown_with_what_to_check,
        messages_are_shown_and_stay,
        a_record_is_shown_as_its_fields_were_written,
        whatever_is_no_layout_is_refused_with_a_place,
        a_wrong_layout_is_pointed_at,
        records_are_shown_by_their_layout_and_stay,
        frames_that_fit_are_shown_by_their_layout,
        the_documents_have_the_language_of_the_help,
        a_follower_sees_later_messages_and_ends_on_a_signal,
        a_ring_under_full_load_is_seen_whole,
        top_shows_full_load_and_a_death,
        top_leaves_the_terminal_as_it_was,
        top_gives_the_terminal_back_while_it_is_stopped,
        top_with_a_count_stays_on_the_terminal,
        top_reports_progress_and_stalls_to_programs,
        top_reports_what_attaches_and_what_was_removed,
        an_endpoint_that_attaches_again_does_not_seem_to_die,
        what_top_cannot_watch_is_refused,
        colours_are_for_terminals_that_want_them,
        a_terminal_shows_the_progress_of_a_command,
        names_that_others_chose_move_no_cursor,
        only_what_no_process_holds_is_removed,
        a_foreign_file_kills_no_command_and_takes_no_memory,
        a_follower_continues_in_a_copied_up_file,
        no_other_process_is_taken_for_the_one_that_holds_a_ring,
        a_machine_with_faults_is_shown_how_to_fix_them,
        limits_of_the_process_are_shown,
        this_machine_is_examined_in_24_rows_and_80_columns,
        bench_says_what_it_measured_in_json_and_as_a_table,
        bench_leaves_nothing_however_it_ends,
        what_bench_cannot_do_is_said_at_once,
        completions_and_pages_name_every_subcommand,
        a_corrupt_ring_is_called_corrupt_everywhere,
        a_ring_that_may_not_be_read_is_listed,
        a_consumer_that_hangs_is_seen_at_once,
        a_producer_that_hangs_is_reported,
        a_reader_that_ends_leaves_what_it_did_not_read,
        stale_rings_with_unread_messages_stay,
        the_newest_messages_come_first_to_mind,
        a_table_fits_its_terminal,
        patterns_and_no_names_mean_rings,
        a_draft_that_was_left_behind_is_listed_and_removed,
        metrics_are_printed_and_served,
    ],
    parts: [
        idler, hanger, pinned, among_huge_pages, pusher, popper, recording_on_a_megabyte, top_of_all_rings,
        on_a_full_dev_shm, follower_over_a_layer,
    ],
}
