//! Lines for a reader that may have closed: `| head -1`.

/// As `println!`, which panics when the reader has closed. Here the example continues, and
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
