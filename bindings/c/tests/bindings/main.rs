//! The bindings, as their users build and run them: one test after the other, since they
//! start processes and compilers.

mod abi;
mod counts;
mod examples;
mod header;
mod install;
mod matrix;
mod page;
mod peers;
mod programs;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;

/// Names each test as it is called.
macro_rules! tests {
    ($($module:ident::$test:ident),* $(,)?) => {
        const TESTS: &[(&str, fn())] = &[$((stringify!($test), $module::$test)),*];
    };
}

tests! {
    header::the_header_is_that_of_the_sources,
    abi::the_header_has_the_values_sizes_and_offsets_of_the_table,
    matrix::every_language_understands_every_other,
    matrix::a_language_continues_where_another_was_killed,
    programs::every_call_and_every_misuse_has_an_answer,
    programs::guards_moves_and_errors_of_cpp,
    programs::what_is_no_record_does_not_compile,
    programs::an_older_cpp_is_refused_with_advice,
    programs::without_exceptions_a_failure_is_printed,
    programs::a_program_has_no_warning_of_the_headers,
    programs::nothing_is_allocated_after_opening,
    counts::a_message_costs_as_many_instructions_as_in_rust,
    examples::the_examples_run,
    examples::an_example_ends_with_the_other_half,
    examples::an_example_without_its_arguments_says_which,
    examples::a_camera_is_seen_in_each_language,
    install::a_project_outside_finds_links_and_runs,
    install::the_shared_library_stays_mapped,
    install::a_version_that_is_not_there_is_not_found,
    install::pkg_config_finds_it,
    page::the_programs_of_the_page_run,
    page::the_builds_of_the_page_find_the_library,
    matrix::corrupt_memory_is_an_error_in_every_language,
}

fn main() -> ExitCode {
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let mut failed = 0;
    let mut passed = 0;
    for (name, test) in TESTS {
        if wanted.as_ref().is_some_and(|wanted| !name.contains(wanted)) {
            continue;
        }
        let begin = Instant::now();
        let result = catch_unwind(test);
        let seconds = begin.elapsed().as_secs_f64();
        let word = if result.is_ok() { "ok" } else { "FAILED" };
        println!("test {name} ... {word} ({seconds:.1} s)");
        match result {
            Ok(()) => passed += 1,
            Err(_) => failed += 1,
        }
    }
    println!("\n{}", matrix::table());
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
