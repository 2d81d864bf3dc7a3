//! Lines for people, who may have stopped reading: `| head -1`.

/// As `println!`, which panics when nobody reads any more. Here the example goes on, and
/// puts away what it has made.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::{ErrorKind, Write};
        match writeln!(std::io::stdout(), $($text)*) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                complain!("error: standard output cannot be written to: {error}");
                std::process::exit(1)
            }
            _ => {}
        }
    }};
}

/// As `eprintln!`, which panics as well.
macro_rules! complain {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}
