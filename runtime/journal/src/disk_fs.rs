//! A directory of the file system as a [`Disk`]. Knows the data directory's version and its lock,
//! not what else is in it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, zeros};
use crate::error::OpenError;

/// The file that names the version of everything else in the directory.
const FORMAT: &str = "FORMAT";
const FORMAT_NEW: &str = "FORMAT.new";
const FORMAT_TEXT: &str = "triphammer data 2\n";
const LOCK: &str = "LOCK";
/// Events and state are nobody's but the host's user's, also in a directory that others may enter.
const FILE_MODE: u32 = 0o600;

/// Holds the directory's lock for as long as it lives.
#[derive(Debug)]
pub struct FsDisk {
    dir: PathBuf,
    /// Open for [`Disk::sync_dir`].
    handle: File,
    /// Locked; the kernel lets go of it with the process, however that ends.
    _lock: File,
}

impl FsDisk {
    /// Makes the directory when there is none, locks it, and checks its version.
    pub fn open(dir: &Path) -> Result<Arc<Self>, OpenError> {
        let io = |doing| move |source| OpenError::Io { doing, path: dir.to_owned(), source };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(io("create the data directory"))?;
        let handle = File::open(dir).map_err(io("open the data directory"))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(FILE_MODE)
            .open(dir.join(LOCK))
            .map_err(io("open the lock in"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { dir: dir.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io("lock")(source)),
        }
        let disk = Self { dir: dir.to_owned(), handle, _lock: lock };
        disk.check_format()?;
        Ok(Arc::new(disk))
    }

    fn check_format(&self) -> Result<(), OpenError> {
        let path = self.dir.join(FORMAT);
        let io = |doing| {
            let path = path.clone();
            move |source| OpenError::Io { doing, path, source }
        };
        match File::open(&path) {
            Ok(file) => {
                let mut found = String::new();
                let read = file.take(64).read_to_string(&mut found);
                match read {
                    Ok(_) if found == FORMAT_TEXT => Ok(()),
                    Ok(_) => Err(self.version(found.trim_end())),
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                        Err(self.version("no text"))
                    }
                    Err(error) => Err(io("read")(error)),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A directory that has segments but no version is not one that this wrote.
                if self.list().map_err(io("list"))?.iter().any(|name| name.ends_with(".seg")) {
                    return Err(self.version("segments without a FORMAT file"));
                }
                self.write_format().map_err(io("write"))
            }
            Err(error) => Err(io("read")(error)),
        }
    }

    fn version(&self, found: &str) -> OpenError {
        let found = found.chars().filter(|c| !c.is_control()).collect();
        OpenError::Version { dir: self.dir.clone(), found, expected: FORMAT_TEXT.trim_end() }
    }

    fn write_format(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(FILE_MODE);
        let mut file = options.open(self.dir.join(FORMAT_NEW))?;
        file.write_all(FORMAT_TEXT.as_bytes())?;
        file.sync_all()?;
        self.rename(FORMAT_NEW, FORMAT)?;
        self.sync_dir()
    }

    fn file(&self, name: &str, file: File) -> Arc<dyn DiskFile> {
        Arc::new(FsFile { file, path: self.dir.join(name) })
    }
}

impl Disk for FsDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.dir.join(name))?;
        Ok(self.file(name, file))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create_new(true).mode(FILE_MODE);
        let file = options.open(self.dir.join(name))?;
        Ok(self.file(name, file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.dir.join(from), self.dir.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.dir.join(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            // Names that are not UTF-8 are nobody's here.
            if let (true, Ok(name)) =
                (entry.file_type()?.is_file(), entry.file_name().into_string())
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.handle)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn random(&self) -> u64 {
        // Keyed by the operating system's random numbers, and differently each time.
        let mut hasher = RandomState::new().build_hasher();
        hasher.write(b"triphammer");
        hasher.finish()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

#[derive(Debug)]
struct FsFile {
    file: File,
    path: PathBuf,
}

impl DiskFile for FsFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    fn write_zeros(&self, offset: u64, len: usize) -> io::Result<()> {
        let direct = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).unwrap_or_default();
        // Through the cache, the zeros would cost as much as the log itself. Not every file
        // system can do without.
        let past_cache = OpenOptions::new()
            .write(true)
            .custom_flags(direct)
            .open(&self.path)
            .and_then(|file| file.write_all_at(zeros(len), offset));
        match past_cache {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.write_at(offset, zeros(len))
            }
            other => other,
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_directory_in_use_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let first = FsDisk::open(dir.path()).unwrap();
        let error = FsDisk::open(dir.path()).unwrap_err();
        assert_eq!(error.code(), "journal.in_use");
        assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
        drop(first);
        FsDisk::open(dir.path()).unwrap();
    }

    #[test]
    fn nobody_else_may_read_what_is_written() {
        let parent = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let made = parent.path().join("made");
        let given = parent.path().join("given");
        fs::create_dir(&given).unwrap();
        fs::set_permissions(&given, fs::Permissions::from_mode(0o755)).unwrap();
        for dir in [&made, &given] {
            FsDisk::open(dir).unwrap().create("a").unwrap();
            for name in ["a", FORMAT, LOCK] {
                assert_eq!(mode(&dir.join(name)), 0o600, "{name}");
            }
        }
        // Whoever made the directory knows who may enter it.
        assert_eq!((mode(&made), mode(&given)), (0o700, 0o755));
    }

    #[test]
    fn another_version_is_refused_and_says_what_to_do() {
        for found in ["triphammer data 1\n", "", "\u{7}junk"] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(FORMAT), found).unwrap();
            let error = FsDisk::open(dir.path()).unwrap_err();
            assert_eq!(error.code(), "journal.version");
            assert!(error.to_string().contains("triphammer data 2"), "{error}");
        }
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("0000000001.seg"), "").unwrap();
        assert_eq!(FsDisk::open(dir.path()).unwrap_err().code(), "journal.version");
    }

    #[test]
    fn files_read_back_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let disk = FsDisk::open(dir.path()).unwrap();
        let file = disk.open_or_create("a").unwrap();
        file.write_at(3, b"abc").unwrap();
        file.sync_data().unwrap();
        let mut buffer = [9; 8];
        assert_eq!(file.read_at(0, &mut buffer).unwrap(), 6);
        assert_eq!(&buffer[..6], b"\0\0\0abc");
        file.write_zeros(4096, 8192).unwrap();
        assert_eq!(file.len().unwrap(), 12288);
        file.write_zeros(0, 4096).unwrap();
        assert_eq!(file.read_at(0, &mut buffer).unwrap(), 8);
        assert_eq!(buffer, [0; 8]);
        disk.rename("a", "b").unwrap();
        assert_eq!(disk.open("a").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(disk.create("b").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(disk.open("b").unwrap().len().unwrap(), 12288);
        assert!(disk.free_bytes().unwrap() > 0);
        assert_ne!(disk.random(), disk.random());
    }
}
