//! `trip man`: the manual, as one page or as a page for each command. Asks no host.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use serde_json::json;

use crate::args::Args as Trip;
use crate::error::Error;
use crate::output::Output;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Write a page for each command into this directory, which is made if it is missing
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<(), Error> {
    let mut root = Trip::command();
    // Makes what is said of all commands be said of each.
    root.build();
    let Some(dir) = &args.out else { return output.text(&page(&root)?) };
    fs::create_dir_all(dir).map_err(|source| Error::file("can't make", dir, source))?;
    let mut pages = Vec::new();
    write(&root, dir, &mut pages)?;
    if output.is_json() {
        return output.json(&json!({ "pages": pages }));
    }
    output.line(format_args!("{} pages in {}", pages.len(), dir.display()))
}

/// The page of a command, and those of the commands below it.
fn write(command: &Command, dir: &Path, pages: &mut Vec<PathBuf>) -> Result<(), Error> {
    let man = Man::new(command.clone());
    let path = dir.join(man.get_filename());
    let text = page(command)?;
    fs::write(&path, text).map_err(|source| Error::file("can't write", &path, source))?;
    pages.push(path);
    let shown = |below: &&Command| !below.is_hide_set() && below.get_name() != "help";
    command.get_subcommands().filter(shown).try_for_each(|below| write(below, dir, pages))
}

fn page(command: &Command) -> Result<String, Error> {
    let mut text = Vec::new();
    Man::new(command.clone()).render(&mut text).map_err(Error::Output)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        let mut root = Trip::command();
        root.build();
        let mut pages = Vec::new();
        write(&root, dir.path(), &mut pages).unwrap();
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(read("trip.1").starts_with(".ie") && read("trip.1").contains("trip\\-tail(1)"));
        assert!(read("trip-dead-redrive.1").contains("redrive"));
        assert!(read("trip-tail.1").contains("\\-\\-type"));
        assert_eq!(pages.len(), fs::read_dir(dir.path()).unwrap().count());
        assert!(!pages.iter().any(|page| page.to_string_lossy().contains("help")));
    }
}
