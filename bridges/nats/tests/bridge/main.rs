//! The bridge against a server: `bash bridges/nats/test.sh`.
//!
//! Each test starts a `nats-server` of its own, on the loopback and with a store in a
//! temporary directory, and the bridges as processes. `QUOIT_NATS_SOAK=1` asks for the long
//! form of the tests that have one.

mod cluster;
mod consumers;
mod errors;
mod foreign;
mod kills;
mod messages;
mod once;
mod peer;
mod refused;
mod secure;
mod server;
mod shapes;
mod stopped;
mod streams;
mod world;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

/// A test that passes, or panics; what it has to say.
type Test = fn() -> String;

const TESTS: [(&str, Test); 34] = [
    ("frames_cross_in_order", shapes::frames_cross_in_order),
    ("records_cross", shapes::records_cross),
    ("several_rings_by_a_file", shapes::several_rings_by_a_file),
    ("the_file_of_the_page", shapes::the_file_of_the_page),
    ("tls_and_a_user", secure::tls_and_a_user),
    ("a_client_certificate", secure::a_client_certificate),
    ("an_nkey", secure::an_nkey),
    ("a_file_with_credentials", secure::a_file_with_credentials),
    (
        "a_shared_stream_keeps_the_order",
        streams::a_shared_stream_keeps_the_order,
    ),
    ("a_work_queue", streams::a_work_queue),
    ("a_full_stream", streams::a_full_stream),
    (
        "limits_delete_what_is_late",
        streams::limits_delete_what_is_late,
    ),
    (
        "a_server_that_lost_messages",
        streams::a_server_that_lost_messages,
    ),
    (
        "consumers_that_do_not_fit",
        consumers::consumers_that_do_not_fit,
    ),
    (
        "a_filter_and_a_later_start",
        consumers::a_filter_and_a_later_start,
    ),
    ("a_deleted_stream", consumers::a_deleted_stream),
    (
        "older_than_the_duplicate_window",
        once::older_than_the_duplicate_window,
    ),
    (
        "killed_before_the_acknowledgement",
        once::killed_before_the_acknowledgement,
    ),
    ("another_delivery_had_them", once::another_delivery_had_them),
    ("a_replaced_ring", once::a_replaced_ring),
    ("exactly_once_under_kills", kills::exactly_once_under_kills),
    ("a_cluster", cluster::a_cluster),
    ("what_does_not_fit", refused::what_does_not_fit),
    ("another_schema", refused::another_schema),
    ("the_stream_refuses", refused::the_stream_refuses),
    ("strange_headers", refused::strange_headers),
    (
        "a_dead_letter_that_returns",
        refused::a_dead_letter_that_returns,
    ),
    ("errors_say_what_to_do", errors::errors_say_what_to_do),
    ("a_deleted_consumer", errors::a_deleted_consumer),
    (
        "notes_that_no_process_reads",
        errors::notes_that_no_process_reads,
    ),
    ("a_stopped_server", stopped::a_stopped_server),
    ("idle_costs_nothing", stopped::idle_costs_nothing),
    (
        "metrics_without_descriptors",
        stopped::metrics_without_descriptors,
    ),
    ("python_reads_and_feeds", foreign::python_reads_and_feeds),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--peer") {
        return peer::run(&arguments[1..]);
    }
    let wanted: Vec<_> = arguments
        .iter()
        .filter(|word| !word.starts_with('-'))
        .collect();
    if arguments.iter().any(|word| word == "--list") {
        for (name, _) in TESTS {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let (mut passed, mut failed) = (0, Vec::new());
    for (name, test) in TESTS {
        if !wanted.is_empty() && !wanted.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(test));
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(said) => {
                passed += 1;
                println!("test {name} ... ok ({seconds:.1} s){said}");
            }
            Err(_) => {
                println!("test {name} ... FAILED ({seconds:.1} s)");
                failed.push(name);
            }
        }
    }
    let result = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {result}. {passed} passed; {} failed",
        failed.len()
    );
    for name in &failed {
        println!("    {name}");
    }
    match failed.is_empty() && passed > 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Whether the long form is asked for.
fn is_long() -> bool {
    env::var_os("QUOIT_NATS_SOAK").is_some_and(|value| !value.is_empty() && value != "0")
}
