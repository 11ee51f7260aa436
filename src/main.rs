//! Entry point: everything is in the library.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    cvmtop::cli::main()
}
