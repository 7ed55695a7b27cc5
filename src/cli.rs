//! The command line: one file a verb. It must not hold logic that the server needs.
