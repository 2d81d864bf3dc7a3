//! Rings as byte streams: between two processes, with crates that read and write bytes;
//! writes and reads of every size; and the end of a stream.

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
        a_gzip_stream_is_incomplete_if_its_writer_was_killed,
        json_values_are_streamed,
        a_write_of_any_size_is_one_frame_of_at_most_a_quarter_of_the_ring,
        an_empty_write_publishes_nothing,
        a_tiny_buffer_takes_a_frame_piece_by_piece,
        lines_may_span_frames,
        a_reader_takes_the_frames_of_any_producer,
        a_frame_stays_in_the_ring_until_its_buffer_is_consumed,
        a_vectored_write_is_one_frame,
        endless_empty_frames_do_not_extend_a_deadline,
        a_read_after_its_deadline_skips_a_bounded_number_of_empty_frames,
        a_zero_timeout_skips_the_empty_frames_in_the_ring,
        owned_streams_move_between_threads_and_return_their_endpoints,
        a_reader_that_is_dropped_within_a_frame_does_not_release_it,
        a_timeout_is_an_error_that_loses_no_bytes,
        writes_are_published_without_a_flush,
        a_broken_ring_is_invalid_data,
        reading_ends_when_the_writer_closes,
        reading_ends_when_the_writer_is_killed,
        reading_continues_with_another_writer,
        a_pipe_breaks_when_its_reader_closes,
        a_pipe_breaks_when_its_reader_is_killed,
        a_pipe_without_a_peer_ends_or_breaks_when_it_is_unlinked,
    ],
    parts: [copier, ragged_writer, gzip_writer, json_writer, writer, idle_reader],
}
