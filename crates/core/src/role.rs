//! What a token may be used for.

use crate::words::words;

words! {
    /// What the bearer of a token may do. Which calls that are is said by the server, beside its routes.
    Role, "role" {
        /// Looks at everything, changes nothing.
        Viewer = "viewer",
        /// Works on chunks: claims them and has a word about those it holds.
        Worker = "worker",
        /// Creates jobs and decides about jobs and chunks.
        Operator = "operator",
        /// All that, and tokens.
        Admin = "admin",
    }
}
