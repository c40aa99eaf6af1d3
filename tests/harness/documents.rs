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
    /// `sh fails`: commands each of which is refused, which is what the document shows.
    ShellFails,
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
            "sh fails" => Some(Kind::ShellFails),
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

/// `curl` fails for an answer that is a refusal, and shows it. What is started in the background
/// ends with the script.
const PROLOGUE: &str = "curl() {
    command curl --fail-with-body --silent --show-error \"$@\"
    set -- $?
    echo
    return $1
}
started=''
trap 'kill -9 $started 2>/dev/null' EXIT
";

/// Behind what starts a host.
const UNTIL_READY: &str = "started=\"$started $!\"
for _ in $(seq 600); do
    command curl --silent --insecure --fail --output /dev/null \"$TRIPHAMMER_URL/readyz\" && break
    sleep 0.05
done
";

impl Script {
    pub(crate) fn new() -> Self {
        Self(PROLOGUE.into())
    }

    /// Adds the commands of a block. Each is checked, because `set -e` overlooks `a && b`.
    pub(crate) fn run(&mut self, place: &str, commands: &str) {
        self.add(place, commands, "-eq", "failed");
    }

    /// Adds commands of which each is to fail.
    pub(crate) fn run_failing(&mut self, place: &str, commands: &str) {
        // A host that starts all the same would go on for ever.
        let commands = commands.replace("trip up", "timeout 60 trip up");
        self.add(place, &commands, "-ne", "did not fail");
    }

    fn add(&mut self, place: &str, commands: &str, test: &str, else_it: &str) {
        let (mut goes_on, mut quotes) = (false, 0);
        for line in commands.lines() {
            self.0.push_str(line);
            self.0.push('\n');
            quotes += line.matches('\'').count();
            goes_on = line.ends_with('\\') || quotes % 2 == 1;
            if !goes_on {
                let check = format!("{{ echo '{else_it}: {place}' >&2; exit 1; }}");
                self.0.push_str(&format!("[ $? {test} 0 ] || {check}\n"));
            }
            if line.starts_with("trip up") && line.ends_with('&') {
                self.0.push_str(UNTIL_READY);
            }
        }
        assert!(!goes_on, "{place} ends in the middle of a command");
    }

    /// Puts a block into a file.
    pub(crate) fn write(&mut self, block: &Block, path: &str) {
        let Block { text, .. } = block;
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
        let mut shell = self.shell(dir, target);
        shell.env("TRIPHAMMER_URL", host.url());
        Ran::of(&mut shell).expect(0).stdout
    }

    /// Runs it where it starts its own hosts, which listen on this address.
    #[track_caller]
    pub(crate) fn finish_alone(self, dir: &Path, address: &str, target: &Path) -> Ran {
        let mut shell = self.shell(dir, target);
        shell.env("TRIPHAMMER_LISTEN", address).env("TRIPHAMMER_URL", format!("http://{address}"));
        Ran::of(&mut shell).expect(0)
    }

    fn shell(&self, dir: &Path, target: &Path) -> Command {
        let trip = Path::new(env!("CARGO_BIN_EXE_trip")).parent().unwrap();
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let paths = [trip.to_owned()].into_iter().chain(std::env::split_paths(&inherited));
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(&self.0).current_dir(dir).stdin(Stdio::null());
        remove_settings(&mut shell);
        shell.env("PATH", std::env::join_paths(paths).unwrap());
        shell.env("CARGO_TARGET_DIR", target);
        shell.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        shell
    }
}
