//! The HTTP surfaces (axum), one file each.
