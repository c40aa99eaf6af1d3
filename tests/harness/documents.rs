//! The code blocks of the project's documents, and a shell that runs them. Knows nothing of what
//! the documents promise.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::cli::Ran;
use super::guests::root;
use super::host::{Host, remove_settings};

/// What a block is, as the word behind its fence says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// `sh`: commands, which are run.
    Shell,
    /// `sh norun`: commands that a test can't run.
    ShellNotRun,
    Rust,
    Toml,
    Json,
    /// `text`: a picture, or output.
    Text,
}

/// One fenced block of a document.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The document, from the root of the workspace.
    pub(crate) document: String,
    /// The line of the fence.
    pub(crate) line: usize,
    /// What stands behind the fence.
    pub(crate) info: String,
    pub(crate) text: String,
}

impl Block {
    /// None for a kind that nothing checks.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self.info.as_str() {
            "sh" => Some(Kind::Shell),
            "sh norun" => Some(Kind::ShellNotRun),
            "rust" => Some(Kind::Rust),
            "toml" => Some(Kind::Toml),
            "json" => Some(Kind::Json),
            "text" => Some(Kind::Text),
            _ => None,
        }
    }

    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.document, self.line)
    }
}

/// The paths of all documents, from the root of the workspace. Templates of documents are not.
pub(crate) fn documents() -> Vec<String> {
    let root = root();
    let mut found = Vec::new();
    collect(&root, &mut found);
    let name = |path: &PathBuf| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<String> = found.iter().map(name).collect();
    names.sort();
    names
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            collect(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// The blocks of one document, in their order.
#[track_caller]
pub(crate) fn blocks_of(document: &str) -> Vec<Block> {
    let text = fs::read_to_string(root().join(document));
    blocks(document, &text.unwrap_or_else(|error| panic!("{document}: {error}")))
}

#[track_caller]
pub(crate) fn blocks(document: &str, text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, Some(info)) => {
                let (document, info) = (document.to_owned(), info.trim().to_owned());
                open = Some(Block { document, line: number + 1, info, text: String::new() });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block of {document} has no end");
    found
}

/// Commands that are run one after the other by one shell, which ends with the first that fails.
#[derive(Debug)]
pub(crate) struct Script(String);

impl Script {
    /// `curl` fails for an answer that is a refusal, and shows it.
    pub(crate) fn new() -> Self {
        Self("curl() { command curl --fail-with-body --silent --show-error \"$@\"; }\n".into())
    }

    /// Adds the commands of a block. Each is checked, because `set -e` overlooks `a && b`.
    pub(crate) fn run(&mut self, place: &str, commands: &str) {
        let mut goes_on = false;
        for line in commands.lines() {
            self.0.push_str(line);
            self.0.push('\n');
            goes_on = line.ends_with('\\');
            if !goes_on {
                self.0.push_str(&format!(
                    "[ $? -eq 0 ] || {{ echo 'failed: {place}' >&2; exit 1; }}\n"
                ));
            }
        }
        assert!(!goes_on, "{place} ends in the middle of a command");
    }

    /// Puts a block into a file.
    pub(crate) fn write(&mut self, block: &Block, path: &str) {
        let Block { text, .. } = block;
        self.run(&block.place(), &format!("test -f {path}"));
        self.0.push_str(&format!("cat > {path} <<'END_OF_BLOCK'\n{text}END_OF_BLOCK\n"));
    }

    /// Replaces what a test does otherwise, wherever it stands.
    pub(crate) fn substituted(self, substitute: impl FnOnce(&str) -> String) -> Self {
        Self(substitute(&self.0))
    }

    /// Runs it in a directory, with `trip` on the path, against a host. `target` is where cargo
    /// puts what it builds.
    #[track_caller]
    pub(crate) fn finish(self, dir: &Path, host: &Host, target: &Path) -> String {
        let trip = Path::new(env!("CARGO_BIN_EXE_trip")).parent().unwrap();
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let paths = [trip.to_owned()].into_iter().chain(std::env::split_paths(&inherited));
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(&self.0).current_dir(dir).stdin(Stdio::null());
        remove_settings(&mut shell);
        shell.env("PATH", std::env::join_paths(paths).unwrap());
        shell.env("TRIPHAMMER_URL", host.url()).env("CARGO_TARGET_DIR", target);
        shell.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        Ran::of(&mut shell).expect(0).stdout
    }
}
