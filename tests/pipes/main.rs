//! Rings as pipes: streams between two processes, through whatever reads and
//! writes bytes; what becomes of writes and reads of every size; and how a
//! stream ends.

#[path = "../common/mod.rs"]
mod common;
mod endings;
mod sizes;
#[path = "../../examples/common/stream.rs"]
mod stream;
mod streams;

use endings::*;
use sizes::*;
use streams::*;

common::suite::suite! {
    tests: [
        a_long_stream_is_copied_between_two_processes,
        writes_of_every_length_are_one_stream,
        gzip_is_streamed,
        a_gzip_stream_tells_that_its_writer_was_killed,
        json_values_are_streamed,
        a_write_of_any_size_is_one_frame_of_at_most_a_quarter_of_the_ring,
        an_empty_write_publishes_nothing,
        a_tiny_buffer_takes_a_frame_piece_by_piece,
        lines_go_across_frames,
        a_reader_takes_the_frames_of_any_producer,
        a_frame_stays_in_the_ring_until_its_buffer_is_consumed,
        a_vectored_write_is_one_frame,
        empty_frames_without_end_move_no_deadline,
        a_read_that_is_late_passes_over_a_bounded_number_of_empty_frames,
        a_time_out_of_nothing_looks_behind_the_empty_frames_that_are_there,
        owned_ends_go_to_other_threads_and_come_back,
        a_reader_that_is_dropped_within_a_frame_leaves_it_whole,
        a_time_out_is_an_error_that_loses_nothing,
        what_was_written_is_there_without_a_flush,
        a_broken_ring_is_invalid_data,
        a_file_ends_when_its_writer_leaves,
        a_file_ends_when_its_writer_is_killed,
        reading_goes_on_when_another_writer_comes,
        a_pipe_breaks_when_its_reader_leaves,
        a_pipe_breaks_when_its_reader_is_killed,
        a_pipe_whose_name_is_gone_ends_and_breaks,
    ],
    parts: [copier, ragged_writer, gzip_writer, json_writer, writer, idle_reader],
}
