//! What the operating system says about this process, from `/proc`. Elsewhere
//! than on Linux nothing is known, and nothing is shown.

use std::fs;
use std::time::Duration;

/// Ticks of process times per second: `USER_HZ`, 100 on every Linux there is.
const TICKS_PER_SECOND: u64 = 100;

/// A look at the process. What cannot be found out is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    pub resident_bytes: Option<u64>,
    pub virtual_bytes: Option<u64>,
    pub threads: Option<u64>,
    pub open_fds: Option<u64>,
    pub max_fds: Option<u64>,
    /// User and system time of all threads.
    pub cpu: Option<Duration>,
    /// What the process may use: the machine's memory, or less in a container.
    pub memory_limit_bytes: Option<u64>,
}

impl Process {
    /// Reads half a dozen small files: some tens of microseconds, not for every
    /// request.
    pub fn now() -> Process {
        let text = |path| fs::read_to_string(path).ok();
        let status = text("/proc/self/status").unwrap_or_default();
        let machine = text("/proc/meminfo").and_then(|text| kilobytes(&text, "MemTotal:"));
        let container = text("/sys/fs/cgroup/memory.max").and_then(|max| max.trim().parse().ok());
        Process {
            resident_bytes: kilobytes(&status, "VmRSS:"),
            virtual_bytes: kilobytes(&status, "VmSize:"),
            threads: field(&status, "Threads:").and_then(|count| count.parse().ok()),
            // The listing itself has a descriptor open.
            open_fds: fs::read_dir("/proc/self/fd")
                .ok()
                .map(|entries| entries.count().saturating_sub(1) as u64),
            max_fds: text("/proc/self/limits").and_then(|limits| max_fds(&limits)),
            cpu: text("/proc/self/stat").and_then(|stat| cpu(&stat)),
            memory_limit_bytes: [machine, container].into_iter().flatten().min(),
        }
    }
}

/// The first word behind a name at the start of a line.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let count: u64 = field(text, name)?.parse().ok()?;
    count.checked_mul(1024)
}

fn max_fds(limits: &str) -> Option<u64> {
    field(limits, "Max open files")?.parse().ok()
}

/// Fields 14 and 15 of proc_pid_stat(5). Field 2 is the program's name in
/// parentheses and may hold anything, so that counting starts behind it.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut times = behind_name.split_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some(Duration::from_millis(
        (user + system) * (1000 / TICKS_PER_SECOND),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_understood() {
        let status = "Name:\tfootpath\nVmSize:\t  100 kB\nVmRSS:\t    7 kB\nThreads:\t5\n";
        assert_eq!(kilobytes(status, "VmRSS:"), Some(7168));
        assert_eq!(field(status, "Threads:"), Some("5"));
        assert_eq!(kilobytes(status, "VmSwap:"), None);
        assert_eq!(kilobytes("VmRSS: x kB", "VmRSS:"), None);
        let limits =
            "Limit   Soft Limit  Hard Limit  Units\nMax open files    1024   4096   files\n";
        assert_eq!(max_fds(limits), Some(1024));
        assert_eq!(max_fds("Max open files  unlimited unlimited files"), None);
        let stat = "7 (a) (b c)) S 1 7 7 0 -1 4194560 1 0 0 0 150 25 0 0 20 0 5 0 9 1 2";
        assert_eq!(cpu(stat), Some(Duration::from_millis(1750)));
        assert_eq!(cpu("7 (a) S 1"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_seen() {
        let before = Process::now();
        let files: Vec<_> = (0..5).map(|_| fs::File::open("/proc/self/stat")).collect();
        let seen = Process::now();
        assert!(seen.resident_bytes.unwrap() > 1 << 20);
        assert!(seen.resident_bytes < seen.memory_limit_bytes);
        assert!(seen.threads.unwrap() >= 1);
        assert!(seen.open_fds.unwrap() >= files.len() as u64);
        assert!(seen.open_fds < seen.max_fds);
        assert!(seen.cpu >= before.cpu);
    }
}
