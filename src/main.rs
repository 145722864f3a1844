//! The command line: arguments in, one subcommand, an exit code out.
//! May use: `cli`.
//! Must not: do anything itself.
#![forbid(unsafe_code)]

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
