//! Configuration: flags over variables over one TOML file, parsed once into plain values.
