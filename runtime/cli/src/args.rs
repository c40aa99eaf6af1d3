//! The arguments of `trip`: what every command takes, and the list of commands.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::commands::{
    activate, audit, bench, build, completions, dead, demo, deploy, dev, doctor, event, events,
    explain, function, functions, key, man, new, pause, remove, replay, replays, resume, rollback,
    send, state, tail, test, token, top, up,
};

/// Run, deploy and watch event functions: durable, sandboxed, swapped while they run.
#[derive(Debug, Parser)]
#[command(name = "trip", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct Global {
    /// The host to talk to
    #[arg(
        long,
        global = true,
        env = "TRIPHAMMER_URL",
        default_value = "http://127.0.0.1:7070",
        help_heading = "Host"
    )]
    pub(crate) url: String,
    /// The host's access token
    #[arg(
        long,
        global = true,
        env = "TRIPHAMMER_TOKEN",
        hide_env_values = true,
        help_heading = "Host"
    )]
    pub(crate) token: Option<String>,
    #[command(flatten)]
    pub(crate) trust: Trust,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Certificates, for a host that speaks TLS.
#[derive(ClapArgs, Clone, Debug, Default)]
pub(crate) struct Trust {
    /// Trust hosts by these certificates (PEM) instead of the system's
    #[arg(long, global = true, env = "TRIPHAMMER_CA", value_name = "FILE", help_heading = "Host")]
    pub(crate) ca: Option<PathBuf>,
    /// The certificate that proves who you are (PEM)
    #[arg(
        long,
        global = true,
        env = "TRIPHAMMER_CLIENT_CERT",
        value_name = "FILE",
        requires = "client_key",
        help_heading = "Host"
    )]
    pub(crate) client_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(
        long,
        global = true,
        env = "TRIPHAMMER_CLIENT_KEY",
        value_name = "FILE",
        requires = "client_cert",
        help_heading = "Host"
    )]
    pub(crate) client_key: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a host: events in, functions, admin API
    Up(up::Args),
    /// Show the whole job: build, deploy, send, hot-swap, kill -9, recover
    Demo(demo::Args),
    /// Begin a function project that builds, tests and deploys as it stands
    New(new::Args),
    /// Build a function's component
    Build(build::Args),
    /// Build and deploy a function whenever its sources change, and show what happens to it
    Dev(dev::Args),
    /// Upload a component or a source directory as a function's new revision
    Deploy(deploy::Args),
    /// List the functions
    Functions(functions::Args),
    /// Show one function: its revisions, subscriptions, counts and size of state
    Function(function::Args),
    /// Make a revision the one that serves
    Activate(activate::Args),
    /// Go back to the revision that was active before
    Rollback(rollback::Args),
    /// Keep a function's deliveries waiting
    Pause(pause::Args),
    /// Let a function go on that is paused, or whose circuit breaker is open
    Resume(resume::Args),
    /// Remove a function
    Remove(remove::Args),
    /// List a function's state
    State(state::Args),
    /// Send events
    Send(send::Args),
    /// Watch what happens, as it happens
    Tail(tail::Args),
    /// Watch how the host and its functions are doing
    Top(top::Args),
    /// List events, newest first
    Events(events::Args),
    /// Show an event's whole story
    Event(event::Args),
    /// List, show, redrive or drop dead letters
    Dead(dead::Args),
    /// Send past events again, as new deliveries
    Replay(replay::Args),
    /// List replays, or cancel one
    Replays(replays::Args),
    /// Run a function on an event, show its effects, keep nothing
    Test(test::Args),
    /// Measure a host under load
    Bench(bench::Args),
    /// Make, list, revoke or renew the tokens of a host on this machine
    Token(token::Args),
    /// Make or show a key that signs modules
    Key(key::Args),
    /// List who changed what
    Audit(audit::Args),
    /// Say what an error code means, and what to do next
    Explain(explain::Args),
    /// Check whether this machine is fit for a host, and whether one answers
    Doctor(doctor::Args),
    /// Print what a shell needs to complete commands
    Completions(completions::Args),
    /// Print the manual page, or write one for each command
    Man(man::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn what_is_global_stands_anywhere() {
        let args = Args::parse_from(["trip", "functions", "--json", "--url", "http://h:1"]);
        assert!(args.global.json);
        assert_eq!(args.global.url, "http://h:1");
    }
}
