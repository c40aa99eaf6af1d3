//! Hostile inputs for the fuzz targets: entries of a corpus, bent and spliced as a seed says. Each
//! target includes this file into its own tests. Knows nothing of what is tested.
//!
//! A seed is a chain of inputs. One that the target takes joins the corpus of the rest of its
//! chain, so that what is bent next is valid in ways that nobody wrote down. The same seed makes
//! the same chain, whatever was played before it.
//!
//! `TRIPHAMMER_FUZZ_ROUNDS` sets how many seeds are played. One that fails is printed, and
//! `TRIPHAMMER_FUZZ_SEED` plays it again.

#![allow(dead_code, unreachable_pub, reason = "each target uses a part of it")]

use std::ops::Range;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// Inputs of one seed.
const CHAIN: usize = 32;
/// Far longer than a chain takes on a machine with too much to do.
const CHAIN_TIME_MAX: Duration = Duration::from_secs(60);
/// As much as a worker of the host has.
const STACK_BYTES: usize = 2 << 20;
/// What a chain's inputs may grow to.
const LEN_MAX: usize = 16 << 10;
/// Entries that a chain may add to its corpus.
const LEARNT_MAX: usize = 16;

/// What is bent.
#[derive(Clone, Debug, Default)]
pub struct Corpus {
    pub entries: Vec<Vec<u8>>,
    /// Words of the format, put in anywhere.
    pub words: Vec<&'static str>,
}

/// What a target made of an input. A broken promise is a panic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seen {
    Taken,
    Refused,
}

/// Plays seeds until one fails; `rounds` of them unless the environment says otherwise.
pub fn run(rounds: u64, corpus: Corpus, check: impl FnMut(&[u8]) -> Seen + Send + 'static) {
    let rounds = setting("TRIPHAMMER_FUZZ_ROUNDS").unwrap_or(rounds);
    let only = setting("TRIPHAMMER_FUZZ_SEED");
    play(only.map_or(0..rounds, |seed| seed..seed + 1), corpus, check);
}

/// Plays these seeds. Of many, at least one input in a hundred has to be taken, or the target
/// tests nothing but its first check.
pub fn play(
    seeds: Range<u64>,
    corpus: Corpus,
    mut check: impl FnMut(&[u8]) -> Seen + Send + 'static,
) {
    let count = seeds.end - seeds.start;
    let (begun, watched) = channel();
    let play = move || {
        let mut taken = 0;
        for seed in seeds {
            let _ = begun.send(seed);
            taken += chain(seed, &corpus, &mut check);
        }
        taken
    };
    let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(play).unwrap();
    let mut seed = 0;
    loop {
        match watched.recv_timeout(CHAIN_TIME_MAX) {
            Ok(next) => seed = next,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                panic!("TRIPHAMMER_FUZZ_SEED={seed} takes longer than {CHAIN_TIME_MAX:?}")
            }
        }
    }
    let taken = thread.join().unwrap_or_else(|_| panic!("TRIPHAMMER_FUZZ_SEED={seed} fails"));
    let tried = count * CHAIN as u64;
    assert!(count == 1 || taken * 100 >= tried, "of {tried} inputs {taken} are taken");
}

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test asks how long it may take")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// Returns how many of its inputs were taken.
fn chain(seed: u64, corpus: &Corpus, check: &mut impl FnMut(&[u8]) -> Seen) -> u64 {
    let mut random = Random::new(seed);
    let mut corpus = corpus.clone();
    let (given, mut taken) = (corpus.entries.len(), 0);
    for _ in 0..CHAIN {
        let input = bent(&mut random, &corpus);
        let told = Told(&input);
        let seen = check(&input);
        drop(told);
        if seen == Seen::Taken {
            taken += 1;
            match corpus.entries.len() - given {
                LEARNT_MAX => corpus.entries[given + random.below(LEARNT_MAX)] = input,
                _ => corpus.entries.push(input),
            }
        }
    }
    taken
}

/// Prints the input that a target failed with.
struct Told<'i>(&'i [u8]);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the input: {:?}", String::from_utf8_lossy(self.0));
        }
    }
}

/// The numbers of a seed: SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        // Seeds that follow one another begin far apart.
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Below `end`; 0 when that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end.max(1) as u64) as usize
    }
}

/// An entry of the corpus with a few things done to it.
pub fn bent(random: &mut Random, corpus: &Corpus) -> Vec<u8> {
    let mut input = entry(random, corpus).to_vec();
    // Mostly little: what is bent in many places is refused at the first.
    let more = if random.below(2) == 0 { 0 } else { random.below(5) };
    for _ in 0..=more {
        bend(random, corpus, &mut input);
    }
    input.truncate(LEN_MAX);
    input
}

fn entry<'c>(random: &mut Random, corpus: &'c Corpus) -> &'c [u8] {
    let at = random.below(corpus.entries.len());
    corpus.entries.get(at).map_or(&[], Vec::as_slice)
}

/// Numbers at the edges of their types.
const NUMBERS: [&str; 14] = [
    "0",
    "-1",
    "127",
    "128",
    "255",
    "256",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483649",
    "18446744073709551615",
    "1e400",
    "0.0",
];

fn bend(random: &mut Random, corpus: &Corpus, input: &mut Vec<u8>) {
    let at = random.below(input.len() + 1);
    let span = at..input.len().min(at + 1 + random.below(16));
    match random.below(11) {
        0 => each(input, at, |byte| byte ^ 1 << (at % 8)),
        1 => {
            let other = random.number() as u8;
            each(input, at, |_| other);
        }
        2 => {
            let edges = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
            let edge = edges[random.below(edges.len())];
            input.splice(span, std::iter::repeat_n(edge, 1 + at % 8));
        }
        3 => drop(input.drain(span)),
        4 => {
            let again = input[span].repeat(1 + random.below(4));
            input.splice(at..at, again);
        }
        5 => {
            let other = entry(random, corpus);
            let from = random.below(other.len() + 1);
            let to = from + random.below(other.len() - from + 1);
            let end = at + random.below(input.len() - at + 1);
            input.splice(at..end, other[from..to].iter().copied());
        }
        6 => put(input, span, NUMBERS[random.below(NUMBERS.len())]),
        7 => input.truncate(at),
        8 if at < input.len() => {
            let other = random.below(input.len());
            input.swap(at, other);
        }
        9 if random.below(8) == 0 => nest(random, input, at),
        _ if corpus.words.is_empty() => each(input, at, |byte| byte.wrapping_add(1)),
        _ => {
            let word = corpus.words[random.below(corpus.words.len())];
            let end = if random.below(2) == 0 { at } else { span.end };
            put(input, at..end, word);
        }
    }
}

fn each(input: &mut [u8], at: usize, change: impl Fn(u8) -> u8) {
    if let Some(byte) = input.get_mut(at) {
        *byte = change(*byte);
    }
}

fn put(input: &mut Vec<u8>, span: Range<usize>, text: &str) {
    input.splice(span, text.bytes());
}

/// Brackets in brackets, closed or not.
fn nest(random: &mut Random, input: &mut Vec<u8>, at: usize) {
    let pairs = [("[", "]"), ("{\"a\":", "}"), ("(", ")"), ("NOT ", ""), ("!", ""), ("-", "")];
    let (open, close) = pairs[random.below(pairs.len())];
    let depth = 1 << random.below(11);
    let closed = if random.below(2) == 0 { depth } else { 0 };
    put(input, at..at, &close.repeat(closed));
    put(input, at..at, &format!("{}1", open.repeat(depth)));
}

/// The most memory that this process has had mapped, in bytes; none where the system does not say.
/// Means something in a process that does nothing else.
pub fn mapped_bytes_max() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}
