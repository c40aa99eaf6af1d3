//! `trip dev`: watches a function's sources; builds and deploys what changes, and shows what
//! happens to the function until the next change.

mod own_host;
mod round;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use self::own_host::OwnHost;
use self::round::Round;
use self::watch::Watch;
use super::feed::{self, Told};
use super::{deploy, tail};
use crate::client::Client;
use crate::error::Error;
use crate::host;
use crate::output::{Output, note};
use crate::project;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The function's source directory
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The function's name, instead of the package's
    #[arg(long)]
    name: Option<String>,
    /// Settings for the function; left out, the active revision's stay. A file has a JSON object or
    /// a TOML table
    #[arg(long, value_name = "K=V|@FILE")]
    config: Vec<String>,
    /// An event that is tried after each build, in a dry run: structured JSON, in a file
    #[arg(long, value_name = "FILE")]
    event: Option<PathBuf>,
    /// Where cargo puts what it builds
    #[arg(long, value_name = "DIR")]
    target_dir: Option<PathBuf>,
}

/// Nothing must have changed for this long before a build begins: editors write in several steps.
const QUIET: Duration = Duration::from_millis(100);
/// Where things never stop changing, a build begins after this.
const QUIET_MAX: Duration = Duration::from_secs(2);
/// What waits to be printed during a build; more waits at the host.
const NEWS_MAX: usize = 1_024;

/// What the loop is woken by.
#[derive(Debug)]
enum News {
    /// Look at the [`Flags`].
    Look,
    Told(Result<Told, Error>),
}

/// What must not be lost when there is much news.
#[derive(Debug, Default)]
struct Flags {
    is_changed: AtomicBool,
    is_stopped: AtomicBool,
}

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    let package = project::name(&args.dir)?;
    let name = args.name.clone().unwrap_or_else(|| package.replace('_', "-"));
    let config = deploy::config(&args.config)?;
    let own = OwnHost::start_if_none_answers(client)?;
    let client = own.as_ref().map_or(client, OwnHost::client);
    let (sender, news) = sync_channel(NEWS_MAX);
    let flags = Arc::new(Flags::default());
    stop_when_asked(&flags, &sender)?;
    let mut watch = start_watch(&args, &flags, &sender)?;
    tell_aside(client, &name, sender)?;
    let round = Round { args: &args, client, name, config };
    let mut deployed = None;
    let mut is_due = true;
    while !flags.is_stopped.load(Ordering::Relaxed) {
        if is_due {
            // Before the build: what changes during it is for the next one.
            watch.renew()?;
            round.go(&mut deployed, output, || flags.is_stopped.load(Ordering::Relaxed))?;
        }
        is_due = wait(&news, &flags, output)?;
    }
    Ok(())
}

/// Prints what happens until sources have changed, which is true, or there is an end.
fn wait(news: &Receiver<News>, flags: &Flags, output: &mut Output) -> Result<bool, Error> {
    let mut changed: Option<Instant> = None;
    loop {
        let more = match changed {
            None => news.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(since) if since.elapsed() > QUIET_MAX => Err(RecvTimeoutError::Timeout),
            Some(_) => news.recv_timeout(QUIET),
        };
        match more {
            Ok(News::Told(told)) => print(told?, output)?,
            Ok(News::Look) => {}
            Err(RecvTimeoutError::Timeout) => return Ok(true),
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
        }
        if flags.is_stopped.load(Ordering::Relaxed) {
            return Ok(false);
        }
        if flags.is_changed.swap(false, Ordering::Relaxed) {
            changed.get_or_insert_with(Instant::now);
        }
    }
}

fn print(told: Told, output: &mut Output) -> Result<(), Error> {
    match told {
        Told::Item(item) => tail::print(&item, output)?,
        Told::Lost => note("the host is gone; trying to reach it again"),
        Told::Back => note("the host is back"),
        Told::Watching => {}
    }
    Ok(())
}

/// Wakes the loop. One that is full of news looks at the flags anyway.
fn wake(sender: &SyncSender<News>) {
    let _ = sender.try_send(News::Look);
}

fn stop_when_asked(flags: &Arc<Flags>, sender: &SyncSender<News>) -> Result<(), Error> {
    let (flags, sender) = (Arc::clone(flags), sender.clone());
    Ok(host::when_asked_to_stop(move || {
        flags.is_stopped.store(true, Ordering::Relaxed);
        wake(&sender);
    })?)
}

fn start_watch(args: &Args, flags: &Arc<Flags>, sender: &SyncSender<News>) -> Result<Watch, Error> {
    let (flags, sender) = (Arc::clone(flags), sender.clone());
    Watch::start(&args.dir, move || {
        flags.is_changed.store(true, Ordering::Relaxed);
        wake(&sender);
    })
}

/// From now on all that happens to the function is news.
fn tell_aside(client: &Client, name: &str, sender: SyncSender<News>) -> Result<(), Error> {
    let told = feed::follow_aside(client.another()?, feed::path(None, Some(name)))?;
    std::thread::spawn(move || {
        for told in told {
            if sender.send(News::Told(told)).is_err() {
                return;
            }
        }
    });
    Ok(())
}
