//! `trip new NAME`: a function project that builds, tests and deploys as it stands.

use std::path::PathBuf;

use serde_json::json;

use crate::error::Error;
use crate::output::{NAME, Output, paint};
use crate::project;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The function's name, or a path that ends with it
    #[arg(value_name = "NAME")]
    path: PathBuf,
    /// The language to write it in
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Language {
    Rust,
}

pub(crate) fn run(args: Args, output: &mut Output) -> Result<(), Error> {
    let name = match args.lang {
        Language::Rust => project::create(&args.path)?,
    };
    let path = args.path.display();
    if output.is_json() {
        return output.json(&json!({"name": name, "path": args.path}));
    }
    output.line(format_args!(
        "{} is in {path}, with the SDK beside it in {path}/triphammer-sdk\n\n\
         next:  cd {path}\n       cargo test\n       trip deploy .",
        paint(NAME, &name)
    ))
}
