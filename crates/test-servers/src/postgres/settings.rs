//! What a cluster can be told.

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Nothing waits: fast, and after a crash of the server the data may be gone or broken.
    #[default]
    None,
    /// As PostgreSQL comes: what was committed survives. A restart after a crash first flushes all files, which takes
    /// seconds where others write to the same disk. With the option `fsync` `off` it takes none, and what was committed
    /// still survives a kill of the server, though not of the machine.
    Full,
}

/// How a cluster is run. The default is fast and forgetful.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Whether a commit waits for the disk.
    pub durability: Durability,
    /// Further settings as in `postgresql.conf`, such as `max_connections` and `300`; the last of a name counts.
    pub options: Vec<(String, String)>,
}

impl Settings {
    /// The default settings with this durability.
    pub fn new(durability: Durability) -> Self {
        Self { durability, ..Self::default() }
    }

    /// With one more setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.options.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let durability: &[_] = match self.durability {
            Durability::None => {
                &[("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off")]
            }
            Durability::Full => &[],
        };
        let options = self.options.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        durability.iter().copied().chain(options)
    }
}
