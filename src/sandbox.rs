//! Wasmtime: the engine, the limits, one call to one outcome.
