//! How fast a directory is: written to and synced as the journal does, in a file that is removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::clock;

#[derive(Debug)]
pub(super) struct Speed {
    pub(super) sync_median_ms: f64,
    pub(super) sync_p99_ms: f64,
    pub(super) write_mib_per_second: f64,
}

/// What did not work.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {source}")]
pub(super) struct Error {
    doing: &'static str,
    source: io::Error,
}

const SYNCS: u64 = 50;
const BLOCK: usize = 4 << 10;
/// Written one after the other.
const MIB: usize = 16;
/// However slow the disk is, the syncs end after this.
const SYNCS_TIME_MAX: Duration = Duration::from_secs(10);

pub(super) fn measure(dir: &Path) -> Result<Speed, Error> {
    let failed = |doing| move |source| Error { doing, source };
    let mut own = Own::create(dir).map_err(failed("a file can't be made"))?;
    let write_mib_per_second = write(&mut own.file).map_err(failed("a file can't be written"))?;
    let mut times = sync(&own.file).map_err(failed("a file can't be synced"))?;
    times.sort();
    let at = |part: f64| {
        let last = times.len().saturating_sub(1);
        let time = times.get((last as f64 * part).round() as usize);
        time.map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    Ok(Speed { sync_median_ms: at(0.5), sync_p99_ms: at(0.99), write_mib_per_second })
}

/// MiB each second, the last sync included.
fn write(file: &mut File) -> io::Result<f64> {
    let block = vec![0; 1 << 20];
    let began = Instant::now();
    for _ in 0..MIB {
        file.write_all(&block)?;
    }
    file.sync_data()?;
    Ok(MIB as f64 / began.elapsed().as_secs_f64().max(1e-9))
}

/// Over what is there already, as in a segment of the journal: the file's length stays.
fn sync(file: &File) -> io::Result<Vec<Duration>> {
    let block = [1; BLOCK];
    let mut times = Vec::new();
    let whole = Instant::now();
    for number in 0..SYNCS {
        let began = Instant::now();
        file.write_all_at(&block, number * BLOCK as u64)?;
        file.sync_data()?;
        times.push(began.elapsed());
        if whole.elapsed() > SYNCS_TIME_MAX {
            break;
        }
    }
    Ok(times)
}

/// A file that was not there before and is not there afterwards.
struct Own {
    file: File,
    path: PathBuf,
}

impl Own {
    fn create(dir: &Path) -> io::Result<Self> {
        let path = dir.join(format!(".trip-doctor-{:016x}", clock::random()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file, path })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // There is nothing else to be done about it.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_measured_and_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let speed = measure(dir.path()).unwrap();
        assert!(speed.sync_median_ms > 0.0 && speed.sync_p99_ms >= speed.sync_median_ms);
        assert!(speed.write_mib_per_second > 0.0);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        let error = measure(Path::new("/does/not/exist")).unwrap_err();
        assert!(error.to_string().starts_with("a file can't be made: "), "{error}");
    }
}
