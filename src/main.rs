//! The program `atlar-ingestor`: reads the command line, hands over, maps the outcome.

use atlar_ingestor::cli::{self, Cli, Context};
use atlar_ingestor::config::Environment;
use atlar_ingestor::failure::Failure;
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Also `--help` and `--version` come this way, with exit code 0. What cannot be printed
        // has nobody to read it.
        Err(answer) => {
            let _ = answer.print();
            return ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2));
        }
    };
    cli::apply_color(cli.color);
    let context = Context { environment: Environment::of_process(), output: cli.output };
    #[cfg(feature = "crash-points")]
    if let Err(what) = prepare_for_a_test(&context.environment) {
        cli::print_failure(&Failure::unexpected(what), context.output);
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(cli::execute(cli.command, &context));
            // What still blocks is a question to brokers that do not answer: nobody waits for it.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(Failure::unexpected("cannot start worker threads").because(error)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            cli::print_failure(&failure, context.output);
            failure.code.into()
        }
    }
}

/// Does what a test asks for by variables that a release does not know; else says what is wrong.
#[cfg(feature = "crash-points")]
fn prepare_for_a_test(environment: &Environment) -> Result<(), &'static str> {
    use atlar_ingestor::config::{CRASH_VARIABLE, RELEASE_VARIABLE};
    use atlar_ingestor::{crash, variant};
    if environment.get(CRASH_VARIABLE).is_some_and(|text| !crash::arm(text)) {
        return Err("no such crash point");
    }
    if environment.get(RELEASE_VARIABLE).is_some_and(|name| !variant::choose_release(name)) {
        return Err("no such release");
    }
    Ok(())
}
