//! Parse the arguments and run the verb.

fn main() {}
