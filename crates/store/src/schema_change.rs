//! What brings a database's schema up to date.

/// One change of the schema.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SchemaChange {
    /// Its number and name, such as `V1__initial_schema`.
    pub name: String,
    /// What it runs.
    pub sql: String,
}

impl SchemaChange {
    /// Of all changes in order, numbered from 1, those whose numbers are not among `applied`.
    pub(crate) fn missing(all: &[(&str, &str)], applied: &[u32]) -> Vec<Self> {
        let numbered = (1u32..).zip(all).filter(|(number, _)| !applied.contains(number));
        numbered.map(|(_, (name, sql))| Self { name: (*name).to_owned(), sql: (*sql).to_owned() }).collect()
    }
}
